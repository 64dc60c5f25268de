//! Check and measure one plan, in this process. The same code serves workers, criterion and tests.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use attn_core::{
    Arithmetic, Backend, BackendError, Exec, Footprint, Inputs, Output, Plan, Problem, Receipt,
    Unavailable, Unsupported, Verdict,
};
use attn_record::Process;
use serde::{Deserialize, Serialize};

use crate::expected::Expected;

/// How long to warm up and to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Calls go on for at least this long before the first sample.
    pub warmup_ms: u64,
    /// Samples are taken for about this long.
    pub sampling_ms: u64,
    /// But never fewer than this.
    pub min_samples: u32,
    /// A sample lasts at least this long.
    pub min_sample_us: u64,
}

/// Why a cell did not get to a verdict.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The backend cannot run here.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The backend refuses the problem.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// A plan whose results can be judged.
pub struct Prepared<'b> {
    problem: Problem,
    receipt: Receipt,
    plan: Box<dyn Plan + 'b>,
}

impl<'b> Prepared<'b> {
    /// Asks the backend whether it can, then prepares it.
    pub fn new(
        backend: &'b dyn Backend,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Self, CellError> {
        let receipt = backend.probe()?;
        backend.supports(problem)?;
        let plan = backend.prepare(problem, exec)?;
        Ok(Prepared { problem: problem.clone(), receipt, plan })
    }

    /// What runs.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// What the plan occupies.
    pub fn footprint(&self) -> Footprint {
        self.plan.footprint()
    }

    /// Loads `inputs`, computes once and judges the result.
    pub fn check(&mut self, inputs: &Inputs, expected: &Expected) -> Result<Verdict, BackendError> {
        self.load(inputs)?;
        self.run(NonZeroU32::MIN)?;
        self.judge(expected)
    }

    /// Hands `inputs` to the plan.
    pub fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        self.plan.load(inputs)
    }

    /// Computes `reps` times.
    pub fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self.plan.run(reps)
    }

    /// Judges the last result, stored into a poisoned, fenced buffer.
    pub fn judge(&mut self, expected: &Expected) -> Result<Verdict, BackendError> {
        let mut out = Output::poisoned(&self.problem);
        self.plan.store(&mut out)?;
        let arithmetic: &Arithmetic = &self.receipt.arithmetic;
        Ok(expected.judge(&self.problem, arithmetic, &out))
    }

    /// Times the computation on the inputs that are loaded: warm-up, then samples of equally many
    /// calls. Every sample is kept.
    pub fn measure(&mut self, timing: &Timing) -> Result<Process, BackendError> {
        let clock_ns = clock_precision_ns();
        let warm_up = Instant::now();
        let (warmup_calls, call_ns) = self.warm_up(timing)?;
        let warmup_ns = nanos(warm_up.elapsed());
        let sample_ns = (timing.min_sample_us * 1000).max(1000 * clock_ns) as f64;
        let reps = (sample_ns / call_ns).ceil().clamp(1.0, f64::from(u32::MAX));
        let reps = NonZeroU32::new(reps as u32).expect("at least 1");
        let samples = timing.sampling_ms as f64 * 1e6 / (call_ns * f64::from(reps.get()));
        let samples = (samples as usize).max(timing.min_samples as usize);
        let mut samples_ns = Vec::with_capacity(samples);
        for _ in 0..samples {
            let start = Instant::now();
            self.run(reps)?;
            samples_ns.push(nanos(start.elapsed()));
        }
        let reps = reps.get();
        Ok(Process { cpu: None, warmup_calls, warmup_ns, reps, samples_ns, disturbed: None })
    }

    /// Calls for the warm-up time; returns their number and the fastest call in nanoseconds.
    fn warm_up(&mut self, timing: &Timing) -> Result<(u64, f64), BackendError> {
        let limit = Duration::from_millis(timing.warmup_ms);
        let (start, mut calls, mut fastest) = (Instant::now(), 0, f64::INFINITY);
        loop {
            let call = Instant::now();
            self.run(NonZeroU32::MIN)?;
            fastest = fastest.min(nanos(call.elapsed()).max(1) as f64);
            calls += 1;
            if start.elapsed() >= limit {
                return Ok((calls, fastest));
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The smallest step by which the clock is seen to advance, over a few thousand readings.
pub fn clock_precision_ns() -> u64 {
    let mut smallest = u64::MAX;
    for _ in 0..1000 {
        let start = Instant::now();
        let step = loop {
            let step = nanos(start.elapsed());
            if step > 0 {
                break step;
            }
        };
        smallest = smallest.min(step);
    }
    smallest
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, Family, ProblemSpec, Shape};
    use attn_naive::Naive;

    use super::*;

    #[test]
    fn a_checked_plan_is_measured_and_still_right() {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 16, 8), DType::F32)).unwrap();
        let [a, b] = [1, 2].map(|seed| Inputs::generate(&problem, Family::Normal, seed));
        let [on_a, on_b] = [&a, &b].map(|x| Expected::compute(&problem, x, &Naive).unwrap());
        let mut cell = Prepared::new(&Naive, &problem, &Exec::SINGLE).unwrap();
        assert!(cell.check(&a, &on_a).unwrap().agrees());
        cell.load(&b).unwrap();
        let timing = Timing { warmup_ms: 1, sampling_ms: 2, min_samples: 3, min_sample_us: 100 };
        let measurement = cell.measure(&timing).unwrap();
        assert!(measurement.samples_ns.len() >= 3 && measurement.reps >= 1);
        assert!(measurement.samples_ns.iter().all(|&ns| ns > 0));
        assert!(cell.judge(&on_b).unwrap().agrees());
        assert!(!cell.judge(&on_a).unwrap().agrees(), "a stale result would show");
    }
}
