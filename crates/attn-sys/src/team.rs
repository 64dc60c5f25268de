//! Threads that do the same at the same time, each on a processor of its own.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::affinity;

/// How long one sample lasts, and all of them.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// At least this long: thousands of steps of the clock.
    pub sample: Duration,
    /// About this long, but never fewer than five samples.
    pub total: Duration,
}

/// Samples of a team.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Repetitions of the work in every sample, on every thread.
    pub reps: u64,
    /// From the first thread's start to the last one's end, of each sample.
    pub times: Vec<Duration>,
    /// Whether every thread stayed on its processor.
    pub pinned: bool,
}

/// Processors for `threads` threads: one thread gets the last that is allowed, where least else runs;
/// `None` where there are not enough, or the system does not say.
pub fn processors(threads: usize) -> Vec<Option<u32>> {
    let allowed = affinity::allowed();
    let first = if threads == 1 { allowed.len().saturating_sub(1) } else { 0 };
    (0..threads).map(|at| allowed.get(first + at).copied()).collect()
}

/// Times work on all of `processors` at once. Every thread makes its own with `make`, so that its memory
/// is near; the work is told how often to repeat itself.
///
/// The threads start every sample together. The first finds out how many repetitions a sample needs.
pub fn sample<W: FnMut(u64)>(
    processors: &[Option<u32>],
    effort: Effort,
    make: impl Fn() -> W + Sync,
) -> Samples {
    let (barrier, plan) = (Barrier::new(processors.len()), Plan::default());
    let member = |at: usize| {
        let pinned = processors[at].is_some_and(affinity::pin);
        let mut work = make();
        let mut arrival = 0;
        if at == 0 {
            plan.set(calibrate(effort.sample, &mut work), effort);
        }
        barrier.wait(&mut arrival);
        let (reps, samples) = plan.get();
        let times = (0..samples).map(|_| {
            barrier.wait(&mut arrival);
            let start = Instant::now();
            work(reps);
            (start, Instant::now())
        });
        (pinned, times.collect::<Vec<_>>())
    };
    let members: Vec<(bool, Vec<(Instant, Instant)>)> = std::thread::scope(|scope| {
        let member = &member;
        let threads: Vec<_> =
            (0..processors.len()).map(|at| scope.spawn(move || member(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no work panics")).collect()
    });
    let (reps, samples) = plan.get();
    let span = |at: u64| {
        let spans = members.iter().map(|(_, times)| times[at as usize]);
        let joined = spans.reduce(|(a, b), (start, end)| (a.min(start), b.max(end)));
        joined.map_or(Duration::ZERO, |(start, end)| end - start)
    };
    Samples {
        reps,
        times: (0..samples).map(span).collect(),
        pinned: members.iter().all(|(pinned, _)| *pinned),
    }
}

/// The repetitions that take `sample`, and how long they took. Doubling warms up by the way.
fn calibrate(sample: Duration, work: &mut impl FnMut(u64)) -> (u64, Duration) {
    let mut reps = 1;
    loop {
        let start = Instant::now();
        work(reps);
        let time = start.elapsed();
        if time >= sample || reps > u64::MAX / 2 {
            return (reps, time);
        }
        reps *= 2;
    }
}

/// What the first thread tells the others.
#[derive(Default)]
struct Plan {
    reps: AtomicU64,
    samples: AtomicU64,
}

impl Plan {
    fn set(&self, (reps, time): (u64, Duration), effort: Effort) {
        let samples = effort.total.div_duration_f64(time.max(Duration::from_nanos(1))) as u64;
        self.reps.store(reps, Ordering::Relaxed);
        self.samples.store(samples.max(5), Ordering::Relaxed);
    }

    /// Valid once the barrier is passed, which orders the stores before the loads.
    fn get(&self) -> (u64, u64) {
        (self.reps.load(Ordering::Relaxed), self.samples.load(Ordering::Relaxed))
    }
}

/// Threads wait for each other by spinning: woken ones would start tens of microseconds apart.
struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
}

impl Barrier {
    fn new(threads: usize) -> Self {
        Barrier { threads, arrived: AtomicUsize::new(0) }
    }

    /// Returns once every thread has called it as often; `before` counts the calls of this one.
    fn wait(&self, before: &mut usize) {
        *before += 1;
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < self.threads * *before {
            spins = spins.saturating_add(1);
            // More threads than processors: let the others arrive.
            if spins < 10_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_does_the_same_amount_of_work() {
        let effort = Effort { sample: Duration::from_micros(20), total: Duration::from_millis(1) };
        for threads in 1..4 {
            let done = AtomicU64::new(0);
            let samples = sample(&vec![None; threads], effort, || {
                |reps| {
                    for _ in 0..reps {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let timed = samples.reps * samples.times.len() as u64 * threads as u64;
            // The first thread warmed up with 1 + 2 + 4 + ... + reps on top.
            assert_eq!(done.into_inner(), timed + 2 * samples.reps - 1);
            assert!(samples.times.len() >= 5 && !samples.pinned);
            assert!(samples.times.iter().all(|time| !time.is_zero()));
        }
    }

    #[test]
    fn one_thread_goes_to_the_last_processor_and_too_many_go_nowhere() {
        let allowed = affinity::allowed();
        assert_eq!(processors(1), [allowed.last().copied()]);
        let all: Vec<_> = allowed.iter().copied().map(Some).collect();
        if all.len() > 1 {
            assert_eq!(processors(all.len()), all);
        }
        assert_eq!(processors(allowed.len() + 2).last(), Some(&None));
    }
}
