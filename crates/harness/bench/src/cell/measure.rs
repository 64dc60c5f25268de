//! What is timed.
//!
//! | timing | one call |
//! |---|---|
//! | [`Timing::Kernel`] | `run`, operands in place |
//! | [`Timing::KernelCold`] | `run` of the next of many plans, whose operands together outgrow the caches |
//! | [`Timing::EndToEnd`] | `load`, `run`, `store`, on two sets of inputs in turn |
//! | [`Timing::Prepare`] | `prepare`, and dropping the plan before |

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use attn_core::{BackendError, Inputs, Output, Plan, Problem, Variation, Varied};
use attn_record::{Fresh, Process, Timing};
use attn_sys::usage;
use memmap2::MmapMut;

use super::Prepared;
use super::meter::{self, Meter, Step, timed};
use super::sampling::{Call, MOST_FRESH, nanos, sample};
use super::secret::Secret;
use crate::worker::Timed;

/// Samples, and every result by which they are judged.
#[derive(Debug)]
pub struct Measured {
    /// The samples.
    pub process: Process,
    /// The result of the last call on the inputs that were given (of [`Timing::Prepare`], of the last plan that was made).
    pub out: Output,
    /// Results of other inputs.
    pub varied: Vec<(Variation, Output)>,
    /// Calls after which an element that had been poisoned before was still not written.
    pub unwritten: u64,
}

/// A first call on other inputs.
#[derive(Clone, Copy, Debug)]
pub struct FirstCall {
    /// Its times.
    pub fresh: Fresh,
    /// The inputs.
    pub variation: Variation,
    /// Whether the result of some more calls was stored, too.
    pub stored_again: bool,
}

/// Results of other inputs may take as much memory; the first of a rotation and of another variation are kept in any case.
const KEPT_BYTES: usize = 1 << 20;

/// Calls that take longer leave the caches as they are, whatever was there before.
const LONG_NS: u64 = 1_000_000;

impl Prepared<'_> {
    /// Times calls on `inputs`, which are changed meanwhile, and are as they were at the end.
    pub fn measure(
        &mut self,
        timed: &Timed,
        inputs: &mut Inputs,
    ) -> Result<Measured, BackendError> {
        let timed = &timed.dwarfing(self.asked());
        let mut measured = match timed.timing {
            Timing::Kernel => self.kernel(inputs, timed),
            Timing::KernelCold => self.kernel_cold(inputs, timed),
            Timing::EndToEnd => self.end_to_end(inputs, timed),
            Timing::Prepare => self.prepare(inputs, timed),
        }?;
        if let Some(audit) = &mut measured.process.audit {
            audit.on_device = self.on_device;
            audit.asked = self.asked();
            if timed.timing.calls() {
                audit.first_call_ns = self.first_call_ns;
                audit.fault_ns = fault_ns();
            }
        }
        Ok(measured)
    }

    /// Loads other inputs, which `secret` draws, times the first call on them and stores its result in the first of `outs`, and mostly
    /// that of some more calls in the second; then goes back to `inputs`.
    pub fn fresh(
        &mut self,
        inputs: &mut Inputs,
        secret: &mut Secret,
        outs: [&mut Output; 2],
    ) -> Result<FirstCall, BackendError> {
        fresh(&self.problem, &mut *self.plan, inputs, secret, outs)
    }

    /// Stores the last result in `out`, whose memory is there already; nanoseconds, without those that others had of the
    /// processor.
    pub fn time_store(&mut self, out: &mut Output) -> Result<u64, BackendError> {
        Ok(Meter::start().time(|| self.plan.store(out))?.own_ns())
    }

    fn kernel(&mut self, inputs: &mut Inputs, timed: &Timed) -> Result<Measured, BackendError> {
        self.load(inputs)?;
        let results = Results::new(&self.problem);
        let mut call = Kernel { cell: self, inputs, results };
        let process = sample(&timed.sampling_times, &timed.spread, &mut call)?;
        let results = call.results;
        self.measured(process, results)
    }

    fn kernel_cold(
        &mut self,
        inputs: &mut Inputs,
        timed: &Timed,
    ) -> Result<Measured, BackendError> {
        let count = rotation(self.problem.operand_bytes(), timed.cold_bytes);
        let mut plans = Vec::with_capacity(count);
        for _ in 0..count {
            let mut plan = self.backend.prepare(&self.problem, &self.exec)?;
            plan.load(inputs)?;
            plans.push(plan);
        }
        let problem = self.problem.clone();
        let results = Results::new(&problem);
        let mut call = Cold { problem: &problem, plans, next: 0, inputs, results };
        let process = sample(&timed.sampling_times, &timed.spread, &mut call)?;
        let Cold { mut plans, next, results, .. } = call;
        self.plan = plans.swap_remove((next + count - 1) % count);
        self.measured(process, results)
    }

    fn end_to_end(&mut self, inputs: &mut Inputs, timed: &Timed) -> Result<Measured, BackendError> {
        let problem = self.problem.clone();
        let mut second = inputs.clone();
        let variation = Variation::Signs(Secret::draw().seed());
        let mut call = EndToEnd {
            problem: &problem,
            plan: &mut *self.plan,
            outs: [Output::poisoned(&problem), Output::poisoned(&problem)],
            calls: 0,
            unwritten: 0,
            inputs,
            varied: variation.apply(&problem, &mut second),
            second,
            variation,
            results: Results::new(&problem),
        };
        let mut process = sample(&timed.sampling_times, &timed.spread, &mut call)?;
        if let Some(audit) = &mut process.audit {
            audit.copy_ns = call.results.copy_ns;
        }
        // The results of both sets, however many calls there were.
        call.call(NonZeroU32::MIN)?;
        call.call(NonZeroU32::MIN)?;
        let EndToEnd { outs: [out, of_second], unwritten, variation, mut results, .. } = call;
        results.kept.push((variation, of_second));
        Ok(Measured { process, out, varied: results.kept, unwritten })
    }

    fn prepare(&mut self, inputs: &Inputs, timed: &Timed) -> Result<Measured, BackendError> {
        let mut made: Option<Box<dyn Plan + '_>> = None;
        let mut call = |reps: NonZeroU32| {
            for _ in 0..reps.get() {
                made = None;
                made = Some(self.backend.prepare(&self.problem, &self.exec)?);
            }
            Ok(())
        };
        let process = sample(&timed.sampling_times, &timed.spread, &mut call)?;
        if let Some(plan) = made {
            self.plan = plan;
        }
        self.load(inputs)?;
        self.run(NonZeroU32::MIN)?;
        Ok(Measured { process, out: self.store()?, varied: Vec::new(), unwritten: 0 })
    }

    /// With the last result, and the time that storing it takes.
    fn measured(
        &mut self,
        mut process: Process,
        results: Results,
    ) -> Result<Measured, BackendError> {
        let mut out = Output::poisoned(&self.problem);
        let store_ns = self.time_store(&mut out)?;
        if let Some(audit) = &mut process.audit {
            (audit.store_ns, audit.copy_ns) = (store_ns, results.copy_ns);
        }
        Ok(Measured { process, out, varied: results.kept, unwritten: 0 })
    }
}

/// The results that are kept to be judged. The backend does not know which.
///
/// Their buffers are there before the first call: an allocation beside a call would move the allocations of the backend to other places,
/// and caches tell addresses apart.
struct Results {
    problem: Problem,
    kept: Vec<(Variation, Output)>,
    bytes: usize,
    /// How many there were of rotated inputs, and how many of others.
    seen: [u64; 2],
    spare: Vec<Output>,
    /// Of copying all operands and a result once.
    copy_ns: u64,
}

/// Changing operands, undoing that, and four loads take about so many copies of them.
const AROUND_COPIES: f64 = 6.0;

impl Results {
    fn new(problem: &Problem) -> Self {
        let out = Output::poisoned(problem);
        let bytes = out.bytes().max(1);
        // One of each kind is always kept, and two are written to.
        let count = (KEPT_BYTES / bytes).clamp(4, 2 * MOST_FRESH);
        let spare = (0..count).map(|_| Output::poisoned(problem)).collect();
        let kept = Vec::with_capacity(count);
        let copy_ns = copy_ns(problem, &out);
        Results { problem: problem.clone(), kept, bytes: 0, seen: [0; 2], spare, copy_ns }
    }

    fn around_ns(&self) -> f64 {
        AROUND_COPIES * self.copy_ns as f64
    }

    /// Makes a first call on other inputs, which writes its results to the buffers that it is given.
    fn of(
        &mut self,
        fresh: impl FnOnce([&mut Output; 2]) -> Result<FirstCall, BackendError>,
    ) -> Result<Option<Fresh>, BackendError> {
        let [mut first, mut second] = [self.buffer(), self.buffer()];
        let FirstCall { fresh, variation, stored_again } = fresh([&mut first, &mut second])?;
        self.keep(variation, first);
        if stored_again {
            self.keep(variation, second);
        } else {
            self.spare.push(second);
        }
        Ok(Some(fresh))
    }

    fn buffer(&mut self) -> Output {
        self.spare.pop().unwrap_or_else(|| Output::poisoned(&self.problem))
    }

    /// Keeps what there is room for. Else each result is as likely to be judged as another of its kind.
    fn keep(&mut self, variation: Variation, out: Output) {
        let seen = &mut self.seen[usize::from(matches!(variation, Variation::Rotation(_)))];
        *seen += 1;
        let of_its_kind = |(kept, _): &(Variation, Output)| {
            std::mem::discriminant(kept) == std::mem::discriminant(&variation)
        };
        let kind: Vec<usize> =
            (0..self.kept.len()).filter(|&at| of_its_kind(&self.kept[at])).collect();
        if self.bytes + out.bytes() <= KEPT_BYTES || kind.is_empty() {
            self.bytes += out.bytes();
            return self.kept.push((variation, out));
        }
        let mut left = match kind.get((variation.seed() % *seen) as usize) {
            Some(&at) => std::mem::replace(&mut self.kept[at], (variation, out)).1,
            None => out,
        };
        left.poison_again();
        self.spare.push(left);
    }
}

/// [`Timing::Kernel`].
struct Kernel<'c, 'b, 'i> {
    cell: &'c mut Prepared<'b>,
    inputs: &'i mut Inputs,
    results: Results,
}

impl Call for Kernel<'_, '_, '_> {
    fn call(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self.cell.run(reps)
    }

    fn fresh(&mut self, secret: &mut Secret) -> Result<Option<Fresh>, BackendError> {
        self.results.of(|outs| self.cell.fresh(self.inputs, secret, outs))
    }

    fn around_fresh_ns(&self) -> f64 {
        self.results.around_ns()
    }
}

/// [`Timing::KernelCold`].
struct Cold<'b, 'i> {
    problem: &'i Problem,
    plans: Vec<Box<dyn Plan + 'b>>,
    next: usize,
    inputs: &'i mut Inputs,
    results: Results,
}

impl Call for Cold<'_, '_> {
    fn call(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        for _ in 0..reps.get() {
            self.plans[self.next].run(NonZeroU32::MIN)?;
            self.next = (self.next + 1) % self.plans.len();
        }
        Ok(())
    }

    fn fresh(&mut self, secret: &mut Secret) -> Result<Option<Fresh>, BackendError> {
        let plan = &mut *self.plans[self.next];
        self.results.of(|outs| fresh(self.problem, plan, self.inputs, secret, outs))
    }

    fn around_fresh_ns(&self) -> f64 {
        self.results.around_ns()
    }
}

/// Loads other inputs, times the first call on them, stores its result, and goes back to `inputs`.
fn fresh(
    problem: &Problem,
    plan: &mut dyn Plan,
    inputs: &mut Inputs,
    secret: &mut Secret,
    [first, second]: [&mut Output; 2],
) -> Result<FirstCall, BackendError> {
    let variation = secret.variation(inputs.is_finite());
    // A backend that allocates before it frees has two places in turn, and caches tell addresses apart: with one load more, the
    // other inputs are where those that are timed were, and with another these are there again.
    plan.load(inputs)?;
    let varied = variation.apply(problem, inputs);
    let mut meter = Meter::start();
    let load = meter.time(|| plan.load(inputs))?;
    let call = meter.time(|| plan.run(NonZeroU32::MIN))?;
    // The result must exist after the first call, and after others.
    let mut store = meter.time(|| plan.store(first))?;
    let further = secret.further_calls(call.ns() >= 10 * LONG_NS);
    if let Some(calls) = further {
        plan.run(calls)?;
        meter.restart();
        store = store.longer(meter.time(|| plan.store(second))?);
    }
    let fresh = meter::fresh([load, call, store], variation);
    varied.undo(problem, inputs);
    plan.load(inputs)?;
    plan.load(inputs)?;
    if call.ns() < LONG_NS {
        // The caches and what the processor has learned of the branches are those of the old inputs again.
        plan.run(NonZeroU32::MIN)?;
    }
    Ok(FirstCall { fresh, variation, stored_again: further.is_some() })
}

/// [`Timing::EndToEnd`].
struct EndToEnd<'p> {
    problem: &'p Problem,
    plan: &'p mut (dyn Plan + 'p),
    inputs: &'p Inputs,
    /// The same inputs, varied, at another address.
    second: Inputs,
    variation: Variation,
    varied: Varied,
    /// Of the first and of the second inputs.
    outs: [Output; 2],
    calls: u64,
    unwritten: u64,
    results: Results,
}

impl EndToEnd<'_> {
    fn once(&mut self, set: usize) -> Result<(), BackendError> {
        let out = &mut self.outs[set];
        // Another place every time, whichever the size.
        let at = (self.calls.wrapping_mul(0x9e37_79b9) % out.elements().max(1) as u64) as usize;
        out.o_mut().poison(at);
        self.plan.load(if set == 0 { self.inputs } else { &self.second })?;
        self.plan.run(NonZeroU32::MIN)?;
        self.plan.store(out)?;
        self.unwritten += u64::from(out.o().is_unwritten(at));
        self.calls += 1;
        Ok(())
    }

    /// Gives the second inputs another content, where they are.
    fn vary(&mut self, variation: Variation) {
        let varied = variation.apply(self.problem, &mut self.second);
        self.varied = varied;
        self.variation = variation;
    }

    fn unvary(&mut self) {
        let nothing = Varied::default();
        std::mem::replace(&mut self.varied, nothing).undo(self.problem, &mut self.second);
    }
}

impl Call for EndToEnd<'_> {
    fn call(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        (0..reps.get()).try_for_each(|_| self.once((self.calls % 2) as usize))
    }

    fn fresh(&mut self, secret: &mut Secret) -> Result<Option<Fresh>, BackendError> {
        let variation = secret.variation(self.inputs.is_finite());
        self.unvary();
        self.vary(variation);
        let call = Meter::start().time(|| self.once(1))?;
        let fresh = meter::fresh([Step::NONE, call, Step::NONE], variation);
        let kept = self.results.of(|[out, _]| {
            out.copy_from(&self.outs[1]);
            Ok(FirstCall { fresh, variation, stored_again: false })
        });
        if fresh.rotated {
            self.unvary();
            self.vary(Variation::Signs(secret.seed()));
        }
        self.once(0)?;
        kept
    }
}

/// Processor time of this process since it was `before`, nanoseconds; 0 where the system does not say.
pub(super) fn used_since(before: Option<Duration>) -> u64 {
    let used = before.zip(usage::processor());
    used.map_or(0, |(before, now)| nanos(now.saturating_sub(before)))
}

/// The time of copying all operands, and the result, once: the fastest of a few.
pub(crate) fn copy_ns(problem: &Problem, out: &Output) -> u64 {
    let bytes = problem.operand_bytes() as usize + out.bytes();
    let from = vec![1_u8; bytes];
    let mut to = vec![0_u8; bytes + HALF_A_PAGE];
    // Some processors copy slowly to where the last bits of an address are nearly those that are read.
    let mut copy = |at: usize| {
        let (from, to) = (black_box(&from), black_box(&mut to[at..at + bytes]));
        timed(|| to.copy_from_slice(from)).0
    };
    [0, HALF_A_PAGE, 0, HALF_A_PAGE].map(&mut copy).into_iter().min().unwrap_or(0)
}

const HALF_A_PAGE: usize = 2048;

/// The time of touching a page of memory for the first time: the fastest of a few, each the mean of many; 0 where the system does
/// not count them.
pub(crate) fn fault_ns() -> u64 {
    const BYTES: usize = 256 << 10;
    let touch = |_| {
        // Straight from the system: an allocator may have pages left that were touched before.
        let mut memory = MmapMut::map_anon(BYTES).ok()?;
        let before = usage::page_faults();
        let pages = memory.iter_mut().step_by(2 * HALF_A_PAGE);
        let touched = || pages.for_each(|x| *black_box(x) = 1);
        let (ns, ()) = timed(touched);
        // A process whose faults are counted here may have ended meanwhile.
        ns.checked_div(usage::page_faults().saturating_sub(before))
    };
    [0; 3].into_iter().filter_map(touch).min().unwrap_or(0)
}

/// Plans needed for operands of `operand_bytes` each to occupy `cold_bytes` together: at least two.
pub fn rotation(operand_bytes: u64, cold_bytes: u64) -> usize {
    usize::try_from(cold_bytes.div_ceil(operand_bytes.max(1))).unwrap_or(usize::MAX).max(2)
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, InputDistribution, ProblemSpec, Shape};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_new_page_takes_time_whatever_the_allocator_has_left() {
        for _ in 0..3 {
            let buffers = || vec![1_u8; 16 << 20];
            drop(black_box([buffers(), buffers(), buffers(), buffers(), buffers()]));
        }
        let ns = fault_ns();
        assert!((20..1_000_000).contains(&ns), "{ns}");
    }

    /// Has two places for operands, which it fills in turn; notes where each call finds them.
    #[derive(Default)]
    struct TwoPlaces {
        loads: usize,
        calls: Vec<usize>,
    }

    impl Plan for TwoPlaces {
        fn load(&mut self, _: &Inputs) -> Result<(), BackendError> {
            self.loads += 1;
            Ok(())
        }

        fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
            self.calls.extend((0..reps.get()).map(|_| self.loads % 2));
            Ok(())
        }

        fn store(&mut self, _: &mut Output) -> Result<(), BackendError> {
            Ok(())
        }
    }

    #[test]
    fn other_inputs_are_where_those_that_are_timed_were() {
        let spec = ProblemSpec::new(Shape::square(1, 8, 4), DType::F32);
        let problem = Problem::new(spec).unwrap();
        let mut inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
        let mut outs = [Output::poisoned(&problem), Output::poisoned(&problem)];
        let (mut plan, mut secret) = (TwoPlaces::default(), Secret::draw());
        plan.load(&inputs).unwrap();
        plan.run(NonZeroU32::MIN).unwrap();
        for _ in 0..5 {
            fresh(&problem, &mut plan, &mut inputs, &mut secret, outs.each_mut()).unwrap();
            plan.run(NonZeroU32::MIN).unwrap();
        }
        assert!(plan.calls.len() > 10 && plan.calls.iter().all(|&place| place == 1));
    }

    #[test]
    fn enough_plans_to_outgrow_the_caches() {
        assert_eq!(rotation(100, 1000), 10);
        assert_eq!(rotation(300, 1000), 4);
        assert_eq!(rotation(5000, 1000), 2);
        assert_eq!(rotation(0, 10), 10);
    }
}
