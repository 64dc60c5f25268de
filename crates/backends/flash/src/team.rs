//! Threads that wait for work close by: a call that takes microseconds cannot afford a pool that
//! sleeps between calls.
//!
//! A call is announced by a counter. Workers spin on it for a while and then sleep until they are
//! woken; the caller takes part, and returns when all are done. Nothing is allocated.

#![expect(
    unsafe_code,
    reason = "a task that borrows from the caller's stack, run by other threads"
)]

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread::{self, JoinHandle};

/// Looks at the counter before a worker goes to sleep: some ten microseconds.
const SPINS: u32 = 4000;

/// What each thread of a team runs, given its number.
type Task = dyn Fn(usize) + Sync;

struct Shared {
    /// The task of the current call.
    task: UnsafeCell<Option<*const Task>>,
    /// Number of calls so far.
    calls: AtomicUsize,
    /// Workers that have not finished the current call.
    busy: AtomicUsize,
    /// Whether a worker panicked in the current call.
    panicked: AtomicBool,
    /// Whether the team is being dropped.
    over: AtomicBool,
}

// SAFETY: `task` is written by the leader alone, while no worker is busy, and read by workers after
// they have seen (with `Acquire`) the `calls` that the leader increments after it (with `Release`).
// The task itself is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is only dereferenced while the call that it belongs to lasts.
unsafe impl Send for Shared {}

/// The caller and some workers.
pub(crate) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Team {
    /// A team of `threads`, the caller included.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            task: UnsafeCell::new(None),
            calls: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let mut team = Team { shared, workers: Vec::new() };
        for number in 1..threads {
            let shared = Arc::clone(&team.shared);
            let name = format!("flash-{number}");
            team.workers.push(thread::Builder::new().name(name).spawn(move || {
                work(&shared, number);
            })?);
        }
        Ok(team)
    }

    /// Threads, the caller included.
    pub(crate) const fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task` on every thread, the caller being number 0, and returns when all have finished.
    pub(crate) fn run(&mut self, task: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return task(0);
        }
        let shared = &*self.shared;
        // Only the lifetime changes. No worker uses the task after this function returns: it waits until
        // none is busy, even if the caller's own share panics.
        // SAFETY: both are pointers to a `dyn Fn(usize) + Sync`, with the same metadata.
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast cannot change this lifetime")]
        let borrowed =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(task) };
        // SAFETY: no worker is busy, so none reads it: `self` is borrowed mutably, and the previous
        // call waited for all.
        unsafe { *shared.task.get() = Some(borrowed) };
        shared.busy.store(self.workers.len(), Relaxed);
        shared.calls.fetch_add(1, Release);
        self.workers.iter().for_each(|worker| worker.thread().unpark());
        let own = catch_unwind(AssertUnwindSafe(|| task(0)));
        let mut spins = 0u32;
        while shared.busy.load(Acquire) > 0 {
            spins += 1;
            if spins < SPINS { spin_loop() } else { thread::yield_now() }
        }
        // Also if the caller's own share panicked: the next call begins anew.
        let panicked = shared.panicked.swap(false, Relaxed);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the team panicked");
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.over.store(true, Relaxed);
        self.shared.calls.fetch_add(1, Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its tasks.
            let _ = worker.join();
        }
    }
}

/// The life of worker `number`.
fn work(shared: &Shared, number: usize) {
    let mut seen = 0;
    loop {
        seen = next_call(shared, seen);
        if shared.over.load(Relaxed) {
            return;
        }
        // SAFETY: the leader wrote the task before it announced this call, and neither changes nor
        // drops it until this worker has said that it is no longer busy.
        let task = unsafe { (*shared.task.get()).map(|task| &*task) };
        if let Some(task) = task
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| task(number)))
        {
            // Dropping it may panic again, and the leader would wait for ever.
            std::mem::forget(payload);
            shared.panicked.store(true, Relaxed);
        }
        shared.busy.fetch_sub(1, Release);
    }
}

/// Waits for a call after number `seen` and returns its number.
fn next_call(shared: &Shared, seen: usize) -> usize {
    let mut spins = 0;
    loop {
        let calls = shared.calls.load(Acquire);
        if calls != seen {
            return calls;
        }
        spins += 1;
        if spins < SPINS { spin_loop() } else { thread::park() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_runs_every_task_and_may_borrow() {
        for threads in [1, 2, 5] {
            let mut team = Team::new(threads).unwrap();
            for round in 0..200 {
                let runs: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
                team.run(&|number| {
                    runs[number].fetch_add(round, Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Relaxed) == round));
            }
        }
    }

    #[test]
    fn a_panic_of_any_thread_reaches_the_caller_and_the_team_goes_on() {
        let mut team = Team::new(3).unwrap();
        for culprit in 0..3 {
            let run = |team: &mut Team, culprit: usize| {
                team.run(&|number| assert_ne!(number, culprit, "planned"));
            };
            assert!(catch_unwind(AssertUnwindSafe(|| run(&mut team, culprit))).is_err());
            run(&mut team, usize::MAX);
        }
    }

    #[test]
    fn the_next_call_is_right_after_all_have_panicked() {
        let mut team = Team::new(3).unwrap();
        let all = AssertUnwindSafe(|| team.run(&|_| panic!("planned")));
        assert!(catch_unwind(all).is_err());
        team.run(&|_| {});
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_keeps_nobody_waiting() {
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                assert!(thread::panicking(), "planned");
            }
        }
        let mut team = Team::new(2).unwrap();
        let call = AssertUnwindSafe(|| {
            team.run(&|number| {
                if number == 1 {
                    std::panic::panic_any(Late);
                }
            });
        });
        assert!(catch_unwind(call).is_err());
        team.run(&|_| {});
    }
}
