//! Times in turns: what is compared is measured in one run, alternating, so that a disturbance of the
//! machine meets all alike.

use std::num::NonZeroU32;

use attn_bench::cell::Prepared;
use attn_bench::cell::sampling::{SamplingTimes, sample};
use attn_bench::expected::Expected;
use attn_core::{Backend, BackendError, ByRows, Exec, InputDistribution, Inputs, Problem};
use attn_record::stats;

use crate::ClaimError;

/// Rounds of turns.
const ROUNDS: usize = 7;

/// One turn: a call or two to warm up, then a few samples.
const TURN: SamplingTimes =
    SamplingTimes { warmup_ms: 1, sampling_ms: 8, min_samples: 3, min_sample_us: 200 };

/// Computes as often as it is told.
pub(crate) type Call<'a> = Box<dyn FnMut(NonZeroU32) -> Result<(), BackendError> + 'a>;

/// The time of one call of each, in nanoseconds: the smallest median of a turn. Disturbances only
/// ever add time.
pub(crate) fn in_turns(calls: &mut [Call<'_>]) -> Result<Vec<f64>, ClaimError> {
    let mut best = vec![f64::INFINITY; calls.len()];
    for _ in 0..ROUNDS {
        for (call, best) in calls.iter_mut().zip(&mut best) {
            let process = sample(&TURN, &[], call)?;
            let samples: Vec<f64> = process.samples_ns.iter().map(|&ns| ns as f64).collect();
            let median = stats::quantile(&samples, 0.5).unwrap_or(f64::INFINITY);
            *best = best.min(median / f64::from(process.reps));
        }
    }
    Ok(best)
}

/// A problem with two sets of inputs and what the oracle expects of them, for any number of backends.
pub(crate) struct Checks {
    problem: Problem,
    sets: [(Inputs, Expected); 2],
}

impl Checks {
    /// Asks the oracle.
    pub(crate) fn new(problem: &Problem, naive: &dyn ByRows) -> Result<Self, ClaimError> {
        let set = |seed| -> Result<(Inputs, Expected), ClaimError> {
            let inputs = Inputs::generate(problem, InputDistribution::Normal, seed);
            let expected = Expected::compute(problem, &inputs, naive)?;
            Ok((inputs, expected))
        };
        Ok(Checks { problem: problem.clone(), sets: [set(1)?, set(2)?] })
    }

    /// A backend that was right on both sets and holds the second, ready to be timed.
    pub(crate) fn prepare<'b>(
        &self,
        backend: &'b dyn Backend,
        exec: Exec,
    ) -> Result<Prepared<'b>, ClaimError> {
        let mut cell = Prepared::new(backend, &self.problem, &exec)?;
        for (inputs, expected) in &self.sets {
            let verdict = cell.check(inputs, expected)?;
            if let Some(finding) = verdict.findings.into_iter().next() {
                return Err(ClaimError::Disagrees { backend: backend.id().to_string(), finding });
            }
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_takes_longer_is_longer() {
        let sleep = |ms: u64| -> Call<'static> {
            Box::new(move |reps: NonZeroU32| {
                std::thread::sleep(Duration::from_millis(ms) * reps.get());
                Ok(())
            })
        };
        let times = in_turns(&mut [sleep(1), sleep(4)]).unwrap();
        assert!(times[0] >= 1e6 && times[1] >= 4e6, "{times:?}");
    }
}
