//! How a call is timed: warm-up, then samples of equally many calls, each between two readings of the processor's
//! pace. Every sample is kept.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use attn_core::BackendError;
use attn_record::Process;
use attn_sys::sched::Watch;
use serde::{Deserialize, Serialize};

/// How long to warm up and to sample, in each process of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Calls go on for at least this long before the first sample.
    pub warmup_ms: u64,
    /// Samples are taken for about this long.
    pub sampling_ms: u64,
    /// But never fewer than this.
    pub min_samples: u32,
    /// A sample lasts at least this long, and at least a thousand steps of the clock.
    pub min_sample_us: u64,
}

/// Times `call`, which makes as many calls as it is told. The threads that it has started when it is warm are spread
/// over `cpus`, if any are named.
pub fn sample(
    timing: &Timing,
    cpus: &[u32],
    mut call: impl FnMut(NonZeroU32) -> Result<(), BackendError>,
) -> Result<Process, BackendError> {
    let start = Instant::now();
    let (warmup_calls, call_ns) = warm_up(timing, &mut call)?;
    let spread = if attn_sys::affinity::spread(cpus) { cpus.to_vec() } else { Vec::new() };
    let warmup_ns = nanos(start.elapsed());
    let sample_ns = (timing.min_sample_us * 1000).max(1000 * attn_sys::clock::step_ns()) as f64;
    let reps = (sample_ns / call_ns).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let reps = NonZeroU32::new(reps).expect("at least 1");
    let samples = timing.sampling_ms as f64 * 1e6 / (call_ns * f64::from(reps.get()));
    let samples = (samples as u32).max(timing.min_samples);
    let mut samples_ns = Vec::with_capacity(samples as usize);
    let mut disturbed = Vec::new();
    let mut pace_ns = Vec::with_capacity(samples as usize + 1);
    pace_ns.push(attn_sys::clock::pace_ns());
    let watch = Watch::begin();
    let mut before = watch.now();
    for at in 0..samples {
        let start = Instant::now();
        call(reps)?;
        samples_ns.push(nanos(start.elapsed()));
        let after = watch.now();
        if before
            .as_ref()
            .zip(after.as_ref())
            .is_some_and(|(before, after)| after.is_more_than(before))
        {
            disturbed.push(at);
        }
        before = after;
        pace_ns.push(attn_sys::clock::pace_ns());
    }
    let disturbed = before.is_some().then_some(disturbed);
    let reps = reps.get();
    Ok(Process { cpu: None, spread, warmup_calls, warmup_ns, reps, samples_ns, disturbed, pace_ns })
}

/// Calls for the warm-up time; returns their number and the fastest call in nanoseconds.
fn warm_up(
    timing: &Timing,
    call: &mut impl FnMut(NonZeroU32) -> Result<(), BackendError>,
) -> Result<(u64, f64), BackendError> {
    let limit = Duration::from_millis(timing.warmup_ms);
    let (start, mut calls, mut fastest) = (Instant::now(), 0, f64::INFINITY);
    loop {
        let one = Instant::now();
        call(NonZeroU32::MIN)?;
        fastest = fastest.min(nanos(one.elapsed()).max(1) as f64);
        calls += 1;
        if start.elapsed() >= limit {
            return Ok((calls, fastest));
        }
    }
}

/// Whole nanoseconds; as many as fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
