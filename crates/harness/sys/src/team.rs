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

/// Samples of one work of a team.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Repetitions of the work in every sample, on every thread.
    pub reps: u64,
    /// From the first thread's start to the last one's end, of each sample.
    pub times: Vec<Duration>,
    /// Of each thread its own fastest sample. Together the threads are no faster than if each of them were as fast as
    /// that, even if they were never left alone all at once.
    pub alone: Vec<Duration>,
    /// Whether every thread stayed on its processor.
    pub pinned: bool,
}

/// Something that is done again and again, as often as it is told, with a thread's own memory.
pub type Work<'a, S> = &'a (dyn Fn(&mut S, u64) + Sync);

/// Processors for `threads` threads: one thread gets the last that is allowed, where least else runs;
/// `None` where there are not enough, or the system does not say.
pub fn processors(threads: usize) -> Vec<Option<u32>> {
    let allowed = affinity::allowed();
    let first = if threads == 1 { allowed.len().saturating_sub(1) } else { 0 };
    (0..threads).map(|at| allowed.get(first + at).copied()).collect()
}

/// Times each of `works` on all of `processors` at once. Every thread makes its memory itself, so that it
/// is near.
///
/// The threads start every sample together. The first finds out how many repetitions a sample needs.
pub fn sample<S>(
    processors: &[Option<u32>],
    effort: Effort,
    make: impl Fn() -> S + Sync,
    works: &[Work<'_, S>],
) -> Vec<Samples> {
    let barrier = Barrier::new(processors.len());
    let plans: Vec<Plan> = works.iter().map(|_| Plan::default()).collect();
    let member = |at: usize| {
        let pinned = processors[at].is_some_and(affinity::pin);
        let mut memory = make();
        let mut arrival = 0;
        let timed = works.iter().zip(&plans).map(|(work, plan)| {
            if at == 0 {
                plan.set(calibrate(effort.sample, |reps| work(&mut memory, reps)), effort);
            }
            barrier.wait(&mut arrival);
            let (reps, samples) = plan.get();
            let times = (0..samples).map(|_| {
                barrier.wait(&mut arrival);
                let start = Instant::now();
                work(&mut memory, reps);
                (start, Instant::now())
            });
            times.collect()
        });
        Member { pinned, timed: timed.collect() }
    };
    let members: Vec<Member> = std::thread::scope(|scope| {
        let member = &member;
        let threads: Vec<_> =
            (0..processors.len()).map(|at| scope.spawn(move || member(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no work panics")).collect()
    });
    let pinned = members.iter().all(|member| member.pinned);
    let samples = plans.iter().enumerate().map(|(work, plan)| {
        let (reps, samples) = plan.get();
        let times = (0..samples as usize).map(|at| span(&members, work, at));
        let alone = members.iter().map(|member| member.fastest(work)).collect();
        Samples { reps, times: times.collect(), alone, pinned }
    });
    samples.collect()
}

/// What one thread reports.
struct Member {
    pinned: bool,
    /// Of each work, start and end of every sample.
    timed: Vec<Vec<(Instant, Instant)>>,
}

impl Member {
    /// The shortest sample of a work.
    fn fastest(&self, work: usize) -> Duration {
        let times = self.timed[work].iter().map(|(start, end)| *end - *start);
        times.min().unwrap_or(Duration::ZERO)
    }
}

/// From the first thread's start of a sample to the last one's end.
fn span(members: &[Member], work: usize, at: usize) -> Duration {
    let spans = members.iter().map(|member| member.timed[work][at]);
    let joined = spans.reduce(|(a, b), (start, end)| (a.min(start), b.max(end)));
    joined.map_or(Duration::ZERO, |(start, end)| end - start)
}

/// The repetitions that take `sample`, twice in a row, because a few during which the thread had to wait take as long;
/// and how long they took. Doubling warms up by the way.
fn calibrate(sample: Duration, mut work: impl FnMut(u64)) -> (u64, Duration) {
    let mut timed = |reps| {
        let start = Instant::now();
        work(reps);
        start.elapsed()
    };
    let mut reps = 1;
    loop {
        let enough = |time: &Duration| *time >= sample || reps > u64::MAX / 2;
        let first = Some(timed(reps)).filter(enough);
        if let Some(time) = first.and_then(|first| Some(timed(reps).min(first)).filter(enough)) {
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
            let done = [const { AtomicU64::new(0) }; 2];
            let count = |which: usize| {
                let done = &done[which];
                move |own: &mut u64, reps: u64| {
                    *own += reps;
                    done.fetch_add(reps, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(reps));
                }
            };
            let (first, second) = (count(0), count(1));
            let samples = sample(&vec![None; threads], effort, || 0, &[&first, &second]);
            for (samples, done) in samples.iter().zip(done) {
                let timed = samples.reps * samples.times.len() as u64 * threads as u64;
                // The first thread warmed up with 1 + 2 + 4 + ... + reps on top, and reps again.
                assert_eq!(done.into_inner(), timed + 3 * samples.reps - 1);
                assert_eq!(samples.alone.len(), threads);
                let shortest = samples.times.iter().min();
                assert!(samples.alone.iter().all(|own| Some(own) <= shortest && !own.is_zero()));
                assert!(samples.times.len() >= 5 && !samples.pinned);
                assert!(samples.times.iter().all(|time| !time.is_zero()));
            }
        }
    }

    #[test]
    fn waiting_once_is_not_taken_for_work() {
        let (sample, mut runs) = (Duration::from_micros(50), 0);
        let (reps, time) = calibrate(sample, |reps| {
            runs += 1;
            // The first run has to wait.
            let wait = if runs == 1 { 5000 } else { reps };
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(wait) {}
        });
        assert!(reps > 1 && time >= sample && time < Duration::from_millis(5), "{reps} {time:?}");
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
