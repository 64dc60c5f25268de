//! How a call is timed: warm-up, then samples of equally many calls, each between two readings of the processor's
//! pace. Every sample is kept.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use attn_core::BackendError;
use attn_record::{Audit, Fresh, Process, stats};
use attn_sys::clock::Clocks;
use attn_sys::sched::Watch;
use attn_sys::usage;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// How long to warm up and to sample, in each process of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingTimes {
    /// Calls go on for at least this long before the first sample.
    pub warmup_ms: u64,
    /// Samples are taken for about this long.
    pub sampling_ms: u64,
    /// But never fewer than this.
    pub min_samples: u32,
    /// A sample lasts at least this long, and at least a thousand steps of the clock.
    pub min_sample_us: u64,
}

/// What is timed.
pub trait Call {
    /// Makes so many calls.
    fn call(&mut self, reps: NonZeroU32) -> Result<(), BackendError>;

    /// Makes the first call on other inputs, which `secret` draws, then goes back to the old ones; `None` where there are no
    /// inputs.
    fn fresh(&mut self, _secret: &mut Secret) -> Result<Option<Fresh>, BackendError> {
        Ok(None)
    }

    /// What that takes beside its calls, nanoseconds.
    fn around_fresh_ns(&self) -> f64 {
        0.0
    }
}

impl<F: FnMut(NonZeroU32) -> Result<(), BackendError>> Call for F {
    fn call(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self(reps)
    }
}

/// Other inputs that a process is given, at most.
const FRESH: u32 = 5;
/// What they may take of the time for sampling, in parts of it,
const FRESH_SHARE: f64 = 0.2;
/// if each takes so many calls, since some follow the first, and what is around them. Two if their first calls alone take no more.
const FRESH_CALLS: f64 = 2.0;
/// Samples of many that calls are made alone after, at most.
const BESIDE: u32 = 16;
/// How often samples are taken anew because calls became faster meanwhile, or because samples are too short.
const RESTARTS: u32 = 2;
/// Other inputs, however often samples are taken.
pub(super) const MOST_FRESH: usize = (FRESH * (RESTARTS + 1)) as usize;
/// Relative difference between the first and the last third of the samples from which on they did.
const DRIFT: f64 = 0.1;
/// Samples that last less than this share of what was planned are too short.
const SHORTER: f64 = 0.4;
/// Fewer samples have no thirds.
const THIRDS: usize = 6;

/// Times `call`, which makes as many calls as it is told. The threads that it has started when it is warm are spread
/// over `cpus`, if any are named.
pub fn sample(
    sampling_times: &SamplingTimes,
    cpus: &[u32],
    call: &mut impl Call,
) -> Result<Process, BackendError> {
    let mut secret = Secret::draw();
    let (mut restarts, mut fresh) = (0, Vec::new());
    loop {
        let Attempt { mut process, planned_ns } = attempt(sampling_times, cpus, call, &mut secret)?;
        if restarts < RESTARTS
            && (became_faster(&process) || is_too_short(sampling_times, planned_ns, &process))
        {
            restarts += 1;
            // A kernel that does not like what it was given could have all forgotten.
            fresh.extend(process.audit.into_iter().flat_map(|audit| audit.fresh));
            continue;
        }
        if let Some(audit) = &mut process.audit {
            audit.restarts = restarts;
            audit.fresh.splice(..0, fresh);
        }
        return Ok(process);
    }
}

/// Whether calls became faster while samples were taken: at equal pace of the processor, even the fastest of the first third
/// takes a tenth more than is usual in the last. The warm-up was too short then. What others take from the processor
/// comes and goes.
fn became_faster(process: &Process) -> bool {
    let times = process.per_call_paces().unwrap_or_else(|| process.per_call_ns());
    let third = times.len() / 3;
    if times.len() < THIRDS {
        return false;
    }
    let first = times[..third].iter().copied().reduce(f64::min);
    let last = stats::median(&times[times.len() - third..]);
    first.zip(last).is_some_and(|(first, last)| first > last * (1.0 + DRIFT))
}

/// Whether samples turn out much shorter than planned: whatever took the processor away while they were planned made
/// calls look longer than they are, or a kernel did. How often inputs are others follows from the plan, too.
fn is_too_short(sampling_times: &SamplingTimes, planned_ns: f64, process: &Process) -> bool {
    let samples: Vec<f64> = process.samples_ns.iter().map(|&ns| ns as f64).collect();
    let shortest = samples.iter().copied().fold(f64::INFINITY, f64::min);
    f64::from(process.reps) < MOST_REPS
        && (shortest < sample_ns(sampling_times) / 4.0
            || stats::median(&samples).is_some_and(|ns| ns < SHORTER * planned_ns))
}

/// How long a sample lasts at least.
fn sample_ns(sampling_times: &SamplingTimes) -> f64 {
    (sampling_times.min_sample_us * 1000).max(1000 * attn_sys::clock::step_ns()) as f64
}

/// Samples, and how long each should be.
struct Attempt {
    process: Process,
    planned_ns: f64,
}

fn attempt(
    sampling_times: &SamplingTimes,
    cpus: &[u32],
    call: &mut impl Call,
    secret: &mut Secret,
) -> Result<Attempt, BackendError> {
    let start = Instant::now();
    let warmup = warm_up(sampling_times, call)?;
    let spread = if attn_sys::affinity::spread(cpus) { cpus.to_vec() } else { Vec::new() };
    let warmup_ns = nanos(start.elapsed());
    let sample_ns = sample_ns(sampling_times);
    let (reps, call_ns) = plan(sample_ns, &warmup, call)?;
    // A call that does nothing is no reason to take samples without end.
    let one_ns = (call_ns * f64::from(reps.get())).max(sample_ns / 2.0);
    let samples = sampling_times.sampling_ms as f64 * 1e6 / one_ns;
    let samples = (samples as u32).max(sampling_times.min_samples);
    let fresh_ns = sampling_times.sampling_ms as f64 * 1e6 * FRESH_SHARE;
    let least = if fresh_ns >= 2.0 * call_ns { 2 } else { 1 };
    let fresh = (fresh_ns / (FRESH_CALLS * call_ns + call.around_fresh_ns())) as u32;
    let mut moments = secret.moments(fresh.clamp(least, FRESH), samples).into_iter().peekable();
    let alone = if reps > NonZeroU32::MIN { secret.numbers(BESIDE, samples) } else { Vec::new() };
    let mut audit =
        Audit { seed: secret.seed(), single_ns: warmup.fastest_ns as u64, ..Audit::default() };
    let used = (usage::processor(), usage::children());
    let clocks = Clocks::start();
    let taken = take((samples, &alone), reps, call, |at, before_ns, call| {
        if moments.next_if_eq(&at).is_some() {
            audit.fresh.extend(call.fresh(secret)?.map(|fresh| Fresh { before_ns, ..fresh }));
            return Ok(true);
        }
        Ok(false)
    })?;
    (audit.clock_ns, audit.wall_ns) = clocks.elapsed_ns();
    audit.beside_permille = taken.beside.permille();
    let processor = used.0.zip(usage::processor());
    audit.processor_ns = processor.map_or(0, |(before, now)| nanos(now.saturating_sub(before)));
    audit.children_ns = nanos(usage::children().saturating_sub(used.1));
    let process = Process {
        cpu: None,
        spread,
        warmup_calls: warmup.calls,
        warmup_ns,
        reps: reps.get(),
        // Where the clock has not moved, 1 ns stands for less: such a sample is too short by the rule of the clock's resolution.
        samples_ns: taken.ns.into_iter().map(|ns| ns.max(1)).collect(),
        disturbed: taken.disturbed,
        pace_ns: taken.pace_ns,
        audit: Some(audit),
    };
    Ok(Attempt { process, planned_ns: one_ns })
}

/// Samples, and what was noted beside each.
struct Samples {
    ns: Vec<u64>,
    disturbed: Option<Vec<u32>>,
    pace_ns: Vec<u64>,
    beside: Beside,
}

/// Calls that are made alone, two after each other right after many at once, each in units of one of the many: what slows the machine
/// down slows down both, and a backend that has two places in turn has had both.
#[derive(Debug, Default)]
pub(crate) struct Beside(Vec<f64>);

impl Beside {
    /// Makes them with `call`, after calls that took `many_ns` each.
    pub(crate) fn time(
        &mut self,
        many_ns: f64,
        mut call: impl FnMut() -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let start = Instant::now();
        call()?;
        call()?;
        self.0.push(nanos(start.elapsed()) as f64 / 2.0 / many_ns.max(1.0));
        Ok(())
    }

    /// In thousandths, the median; `None` if there was none.
    pub(crate) fn permille(&self) -> Option<u64> {
        stats::median(&self.0).map(|share| (1e3 * share) as u64)
    }
}

/// Takes `count` samples of `reps` calls each, with calls alone after those of the numbers `alone`. Before each, `between` is told its
/// number and what a call took in the sample before, 0 for the first; it says whether it called.
fn take<C: Call>(
    (count, alone): (u32, &[u32]),
    reps: NonZeroU32,
    call: &mut C,
    mut between: impl FnMut(u32, u64, &mut C) -> Result<bool, BackendError>,
) -> Result<Samples, BackendError> {
    let mut ns: Vec<u64> = Vec::with_capacity(count as usize);
    let mut disturbed = Vec::new();
    let mut pace_ns = Vec::with_capacity(count as usize + 1);
    pace_ns.push(attn_sys::clock::pace_ns());
    let mut beside = Beside::default();
    let watch = Watch::begin();
    let mut before = watch.now();
    for at in 0..count {
        if between(at, ns.last().map_or(0, |ns| ns / u64::from(reps.get())), call)? {
            before = watch.now();
        }
        let start = Instant::now();
        call.call(reps)?;
        let sample_ns = nanos(start.elapsed());
        ns.push(sample_ns);
        if alone.binary_search(&at).is_ok() {
            let many_ns = sample_ns as f64 / f64::from(reps.get());
            beside.time(many_ns, || call.call(NonZeroU32::MIN))?;
        }
        let after = watch.now();
        let both = before.as_ref().zip(after.as_ref());
        if both.is_some_and(|(before, after)| after.is_more_than(before)) {
            disturbed.push(at);
        }
        before = after;
        pace_ns.push(attn_sys::clock::pace_ns());
    }
    Ok(Samples { ns, disturbed: before.is_some().then_some(disturbed), pace_ns, beside })
}

/// Calls of a sample that lasts `sample_ns`, if calls take what the warm-up says or less; and what one of so many takes at most. One is
/// enough where the fastest of the warm-up lasts half as long. More are tried until they last half as long: an interrupt in the warm-up makes its calls look longer than they are. One in a trial
/// does too, so a trial in which calls take much longer than the fastest is made again.
fn plan(
    sample_ns: f64,
    warmup: &Warmup,
    call: &mut impl Call,
) -> Result<(NonZeroU32, f64), BackendError> {
    if warmup.fastest_ns >= sample_ns / 2.0 {
        return Ok((NonZeroU32::MIN, warmup.call_ns));
    }
    let mut reps = (sample_ns / warmup.call_ns).ceil().clamp(1.0, MOST_REPS);
    loop {
        let now = NonZeroU32::new(reps as u32).expect("at least 1");
        let mut ns = f64::INFINITY;
        for _ in 0..TRIALS {
            let start = Instant::now();
            call.call(now)?;
            ns = (nanos(start.elapsed()).max(1) as f64).min(ns);
            if ns < 2.0 * reps * warmup.fastest_ns {
                break;
            }
        }
        if ns >= sample_ns / 2.0 || reps >= MOST_REPS {
            return Ok((now, warmup.call_ns.min(ns / reps)));
        }
        reps = (reps * (sample_ns / ns).clamp(2.0, 8.0)).ceil().min(MOST_REPS);
    }
}

/// How often so many calls are tried, at most.
const TRIALS: u32 = 5;
/// Calls of a sample, at most.
const MOST_REPS: f64 = 1e6;

/// What the warm-up says.
struct Warmup {
    calls: u64,
    /// The fastest call.
    fastest_ns: f64,
    /// What samples are planned with.
    call_ns: f64,
}

/// Calls of a warm-up, at least, where calls are short.
const WARM_CALLS: u64 = 32;

/// Calls for the warm-up time. Samples are planned with the fastest call, since what disturbs a call makes it longer, but with no
/// less than a quarter of the mean: calls that do nothing now and then are not what others take. A process that had to wait for the
/// processor meanwhile makes [`WARM_CALLS`] all the same, if these take no longer than the warm-up: the first few are slow.
fn warm_up(sampling_times: &SamplingTimes, call: &mut impl Call) -> Result<Warmup, BackendError> {
    let limit = Duration::from_millis(sampling_times.warmup_ms);
    let (start, mut calls, mut fastest_ns, mut sum) = (Instant::now(), 0, f64::INFINITY, 0.0);
    loop {
        let one = Instant::now();
        call.call(NonZeroU32::MIN)?;
        let ns = nanos(one.elapsed()).max(1) as f64;
        (fastest_ns, sum, calls) = (ns.min(fastest_ns), sum + ns, calls + 1);
        let few = calls < WARM_CALLS && fastest_ns * (WARM_CALLS as f64) < nanos(limit) as f64;
        if start.elapsed() >= limit && !few {
            let call_ns = fastest_ns.max(sum / calls as f64 / 4.0);
            return Ok(Warmup { calls, fastest_ns, call_ns });
        }
    }
}

/// Whole nanoseconds; as many as fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: SamplingTimes =
        SamplingTimes { warmup_ms: 5, sampling_ms: 20, min_samples: 6, min_sample_us: 200 };

    /// Waits without sleeping, as a kernel does.
    fn spin(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {}
    }

    #[test]
    fn a_warm_up_that_is_interrupted_makes_enough_calls() {
        let mut calls = 0;
        let mut call = |_: NonZeroU32| {
            calls += 1;
            spin(Duration::from_micros(match calls {
                2 => 6000,
                ..10 => 60,
                _ => 10,
            }));
            Ok(())
        };
        let warmup = warm_up(&TIMING, &mut call).unwrap();
        assert!(warmup.calls >= WARM_CALLS && warmup.fastest_ns < 60_000.0, "{}", warmup.calls);
    }

    #[test]
    fn what_becomes_faster_is_warmed_up_longer_and_planned_anew() {
        let mut calls = 0;
        let mut call = |reps: NonZeroU32| {
            calls += reps.get();
            let slow = calls <= 6;
            spin(Duration::from_micros(if slow { 2000 } else { 20 }) * reps.get());
            Ok(())
        };
        let process = sample(&TIMING, &[], &mut call).unwrap();
        assert!(process.audit.unwrap().restarts > 0);
        assert!(process.reps > 1, "planned from the time it settled at");
    }

    /// Long calls have few samples, and one moment of other inputs.
    #[test]
    fn a_warm_up_that_looks_long_does_not_plan_the_samples() {
        let start = Instant::now();
        let mut call = |reps: NonZeroU32| {
            let slow = start.elapsed() < Duration::from_millis(5);
            spin(Duration::from_micros(if slow { 3000 } else { 500 }) * reps.get());
            Ok(())
        };
        let process = sample(&TIMING, &[], &mut call).unwrap();
        assert!(process.audit.unwrap().restarts > 0);
        assert!(process.samples_ns.len() > 10, "planned from the time it settled at");
    }

    #[test]
    fn an_interrupt_in_the_warm_up_makes_no_sample_too_short() {
        let mut calls = 0;
        let mut call = |reps: NonZeroU32| {
            calls += 1;
            let interrupted = calls == 2;
            spin(Duration::from_nanos(if interrupted { 10_000_000 } else { 500 }) * reps.get());
            Ok(())
        };
        let process = sample(&TIMING, &[], &mut call).unwrap();
        assert!(*process.samples_ns.iter().min().unwrap() >= 50_000, "{process:?}");
    }

    #[test]
    fn an_interrupt_while_samples_are_planned_makes_no_sample_too_short() {
        let (mut calls, mut trials) = (0, 0);
        let mut call = |reps: NonZeroU32| {
            (calls, trials) = (calls + 1, trials + u32::from(reps.get() > 1));
            let interrupted = calls == 2 || (trials == 1 && reps.get() > 1);
            let more = Duration::from_millis(if interrupted { 10 } else { 0 });
            spin(Duration::from_nanos(500) * reps.get() + more);
            Ok(())
        };
        let process = sample(&TIMING, &[], &mut call).unwrap();
        assert!(*process.samples_ns.iter().min().unwrap() >= 50_000, "{process:?}");
    }

    #[test]
    fn calls_alone_are_told_in_units_of_those_right_before_them() {
        let mut beside = Beside::default();
        assert_eq!(beside.permille(), None);
        for many_ns in [1e6, 2e6, 1e6] {
            let call = || {
                spin(Duration::from_nanos(many_ns as u64));
                Ok(())
            };
            beside.time(many_ns, call).unwrap();
        }
        assert!(beside.permille() >= Some(1000), "{beside:?}");
    }

    #[test]
    fn a_steady_call_is_sampled_once_and_its_processor_time_is_noted() {
        let mut call = |reps: NonZeroU32| {
            spin(Duration::from_micros(100) * reps.get());
            Ok(())
        };
        let process = sample(&TIMING, &[], &mut call).unwrap();
        let audit = process.audit.unwrap();
        assert!(audit.single_ns >= 100_000 && audit.fresh.is_empty());
        let beside = audit.beside_permille.map(|share| share > 500);
        assert_eq!(beside, (process.reps > 1).then_some(true));
        if cfg!(target_os = "linux") {
            assert!(audit.processor_ns > 0 && audit.wall_ns > 0);
            let [wall, clock] = [audit.wall_ns, audit.clock_ns].map(|ns| ns as f64);
            assert!((wall / clock - 1.0).abs() < 0.1, "both clocks tell the same time");
        }
    }
}
