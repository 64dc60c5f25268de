//! Check and measure one plan, in this process. The same code serves workers, criterion and tests.
//!
//! | module | contents |
//! |---|---|
//! | [`mod@measure`] | what is timed: kernel, cold kernel, end to end, preparation |
//! | `meter` | what the system's accounts say of one load, call or store |
//! | [`sampling`] | how it is timed: warm-up, samples, disturbances |
//! | [`secret`] | other inputs, at moments that nobody knows beforehand |

pub mod measure;
mod meter;
pub mod sampling;
pub mod secret;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use attn_core::{
    Asked, Backend, BackendError, BackendInfo, Exec, Footprint, Inputs, Output, PhaseTime, Plan,
    Problem, Unavailable, Unsupported, Verdict,
};
use attn_record::Memory;
use attn_sys::usage;

use crate::expected::Expected;
use measure::used_since;

/// By so many bytes the memory of a process may grow beyond what its allocator counts: stacks of threads, pages of libraries.
const UNCOUNTED: u64 = 8 << 20;

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
    backend: &'b dyn Backend,
    problem: Problem,
    exec: Exec,
    info: BackendInfo,
    plan: Box<dyn Plan + 'b>,
    /// Whether a device computes, not this processor.
    on_device: bool,
    /// Whether an engine computes, in a process of its own.
    engine: bool,
    usage: attn_sys::alloc::Usage,
    /// Bytes by which the process's memory grew meanwhile.
    grown: Option<u64>,
    /// Processor time of the first load,
    first_load_ns: Option<u64>,
    /// and of that and the first call.
    first_call_ns: Option<u64>,
}

impl<'b> Prepared<'b> {
    /// Asks the backend whether it can, then prepares it.
    pub fn new(
        backend: &'b dyn Backend,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Self, CellError> {
        let info = backend.probe()?;
        backend.supports(problem)?;
        let prepare = || attn_sys::alloc::measure(|| backend.prepare(problem, exec));
        let ((plan, usage), grown) = usage::resident_growth(prepare);
        let (plan, problem, exec) = (plan?, problem.clone(), *exec);
        let (on_device, engine) = (false, false);
        Ok(Prepared {
            backend,
            problem,
            exec,
            info,
            plan,
            on_device,
            engine,
            usage,
            grown,
            first_load_ns: None,
            first_call_ns: None,
        })
    }

    /// The same where a device computes: what the backend says is believed only if the harness knows of the device.
    #[must_use]
    pub fn on_device(mut self, on_device: bool) -> Self {
        self.on_device = on_device;
        self
    }

    /// The same where an engine computes: what the plan says of its requests is believed only if the harness knows of the engine.
    #[must_use]
    pub fn engine(mut self, engine: bool) -> Self {
        self.engine = engine;
        self
    }

    /// What runs.
    pub fn info(&self) -> &BackendInfo {
        &self.info
    }

    /// Processor time of the first load and the first call, nanoseconds; `None` before it, or where the system does not say.
    pub fn first_call_ns(&self) -> Option<u64> {
        self.first_call_ns
    }

    /// What the plan occupies.
    pub fn footprint(&self) -> Footprint {
        self.plan.footprint()
    }

    /// What asking takes, where another process computes.
    pub fn asked(&self) -> Option<Asked> {
        self.plan.asked().filter(|_| self.engine)
    }

    /// Loads `inputs`, computes once and judges the result.
    pub fn check(&mut self, inputs: &Inputs, expected: &Expected) -> Result<Verdict, BackendError> {
        let out = self.compute(inputs)?;
        Ok(self.judge_output(&out, expected))
    }

    /// Loads `inputs`, computes once and stores the result.
    pub fn compute(&mut self, inputs: &Inputs) -> Result<Output, BackendError> {
        self.load(inputs)?;
        self.run(NonZeroU32::MIN)?;
        self.store()
    }

    /// Hands `inputs` to the plan.
    pub fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        if self.first_load_ns.is_some() {
            return self.plan.load(inputs);
        }
        let before = usage::processor();
        self.plan.load(inputs)?;
        self.first_load_ns = Some(used_since(before));
        Ok(())
    }

    /// Computes `reps` times.
    pub fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        if self.first_call_ns.is_some() {
            return self.plan.run(reps);
        }
        let before = usage::processor();
        self.plan.run(reps)?;
        self.first_call_ns =
            before.is_some().then(|| self.first_load_ns.unwrap_or(0) + used_since(before));
        Ok(())
    }

    /// Computes once where a device does: its libraries load what they need when they are first called, which no warm-up
    /// of milliseconds outlasts.
    pub fn warm_up_device(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        if !self.on_device {
            return Ok(());
        }
        self.load(inputs)?;
        self.run(NonZeroU32::MIN)
    }

    /// The last result, in a buffer that was poisoned and fenced.
    pub fn store(&mut self) -> Result<Output, BackendError> {
        let mut out = Output::poisoned(&self.problem);
        self.plan.store(&mut out)?;
        Ok(out)
    }

    /// Judges the last result.
    pub fn judge(&mut self, expected: &Expected) -> Result<Verdict, BackendError> {
        let out = self.store()?;
        Ok(self.judge_output(&out, expected))
    }

    /// Judges `out` by what was `expected` of the inputs it was computed from.
    pub fn judge_output(&self, out: &Output, expected: &Expected) -> Verdict {
        expected.judge(&self.problem, &self.info.arithmetic, out)
    }

    /// What preparing allocated and one more call allocates; `None` where nobody counts.
    pub fn memory(&mut self) -> Result<Option<Memory>, BackendError> {
        let elsewhere = self.on_device || self.engine;
        if elsewhere { self.device_memory() } else { self.heap() }
    }

    fn device_memory(&mut self) -> Result<Option<Memory>, BackendError> {
        let peak = self.plan.device_peak()?;
        Ok(peak.map(|peak| Memory {
            prepared_bytes: 0,
            peak_bytes: peak.0,
            allocations: None,
            allocated_bytes: None,
            uncounted_bytes: None,
        }))
    }

    fn heap(&mut self) -> Result<Option<Memory>, BackendError> {
        let call = || attn_sys::alloc::measure(|| self.plan.run(NonZeroU32::MIN));
        let ((done, run), grown) = usage::resident_growth(call);
        done?;
        let counted = self.usage.peak_bytes.max(self.usage.held_bytes + run.peak_bytes);
        let grown = self.grown.unwrap_or(0) + grown.unwrap_or(0);
        let uncounted = grown.checked_sub(counted).filter(|&bytes| bytes > UNCOUNTED);
        Ok(attn_sys::alloc::is_installed().then(|| Memory {
            prepared_bytes: self.usage.held_bytes,
            peak_bytes: counted + uncounted.unwrap_or(0),
            allocations: Some(run.allocations),
            allocated_bytes: Some(run.allocated_bytes),
            uncounted_bytes: uncounted,
        }))
    }

    /// Where the time of a call goes: of the fastest of three, since what disturbs one disturbs one phase; of fewer where they
    /// take long.
    pub fn phases(&mut self) -> Result<Vec<PhaseTime>, BackendError> {
        /// No further call begins after this time.
        const ENOUGH: Duration = Duration::from_millis(30);
        let start = Instant::now();
        let mut calls = vec![self.plan.phases()?];
        while calls.len() < 3 && start.elapsed() < ENOUGH {
            calls.push(self.plan.phases()?);
        }
        let total = |phases: &Vec<PhaseTime>| phases.iter().map(|phase| phase.ns).sum::<u64>();
        Ok(calls.into_iter().min_by_key(total).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, InputDistribution, ProblemSpec, Shape, Variation};
    use attn_naive::Naive;
    use attn_record::Timing;

    use super::measure::Measured;
    use super::sampling::SamplingTimes;
    use super::*;
    use crate::worker::Timed;

    #[test]
    fn whatever_is_timed_is_right_on_the_inputs_that_were_timed() {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 16, 8), DType::F32)).unwrap();
        let [a, b] = [1, 2].map(|seed| Inputs::generate(&problem, InputDistribution::Normal, seed));
        let [on_a, on_b] = [&a, &b].map(|x| Expected::compute(&problem, x, &Naive).unwrap());
        let sampling_times =
            SamplingTimes { warmup_ms: 1, sampling_ms: 2, min_samples: 3, min_sample_us: 100 };
        for timing in Timing::ALL {
            let mut cell = Prepared::new(&Naive, &problem, &Exec::SINGLE).unwrap();
            assert!(cell.check(&a, &on_a).unwrap().agrees());
            let timed = Timed { timing, sampling_times, cold_bytes: 1 << 16, spread: Vec::new() };
            let mut inputs = b.clone();
            let measured = cell.measure(&timed, &mut inputs).unwrap();
            assert_eq!(inputs, b);
            let Measured { process, out, varied, unwritten } = measured;
            assert!(process.samples_ns.len() >= 3 && process.reps >= 1);
            assert!(process.samples_ns.iter().all(|&ns| ns > 0));
            // Calls are not compared with what preparing takes.
            let audit = process.audit.unwrap();
            let of_calls = [audit.first_call_ns.unwrap_or(0), audit.copy_ns, audit.store_ns];
            assert_eq!(of_calls != [0; 3], timing.calls(), "{timing}: {of_calls:?}");
            assert!(cell.judge_output(&out, &on_b).agrees(), "{timing}");
            assert!(
                !cell.judge_output(&out, &on_a).agrees(),
                "{timing}: a stale result would show"
            );
            assert_eq!((varied.is_empty(), unwritten), (timing == Timing::Prepare, 0));
            for (variation, mut out) in varied {
                let mut inputs = b.clone();
                variation.apply(&problem, &mut inputs);
                let expected = Expected::compute(&problem, &inputs, &Naive).unwrap();
                assert!(cell.judge_output(&out, &expected).agrees(), "{timing} {variation:?}");
                variation.undo_output(&problem, &mut out);
                let is_signs = matches!(variation, Variation::Signs(_));
                assert_eq!(cell.judge_output(&out, &on_b).agrees(), is_signs);
            }
        }
    }
}
