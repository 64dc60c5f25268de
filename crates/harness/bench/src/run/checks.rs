//! What precedes all measurements: oracles, and the cells that are only checked, of several cases at a time.

use std::io;
use std::sync::{Mutex, MutexGuard, RwLock};
use std::time::Instant;

use super::Task;
use super::case_run::CaseRun;
use super::fixture::Fixture;
use super::harness::{Harness, Observer};
use crate::share_out::share_out;
use crate::suite::Case;

/// Copies of all scores in f64 that a backend may hold at a time, at most.
const SCORES: u64 = 4;

impl Harness<'_> {
    /// Begins all `case_runs`, as many at a time as there are processors for the threads of a cell; returns false once
    /// cancelled.
    ///
    /// A case whose scores leave no memory for others runs alone.
    pub(super) fn begin_all(
        &self,
        case_runs: &mut [CaseRun<'_, '_>],
        observer: &mut (dyn Observer + Send),
    ) -> io::Result<bool> {
        let checked =
            case_runs.iter().flat_map(|case_run| case_run.cells).filter(|c| c.task == Task::Check);
        let threads = checked.map(|cell| cell.threads).max();
        let jobs = self.machine.cores / threads.unwrap_or(1).max(1);
        let shared = Shared {
            observer: Mutex::new(observer),
            device: Mutex::new(()),
            room: RwLock::new(()),
            broken: Mutex::new(None),
        };
        share_out(jobs, case_runs.iter_mut(), |case_run| {
            let is_large = self.is_large(case_run.cells[0].case, jobs);
            let _alone = is_large.then(|| shared.room.write().expect(NO_PANIC));
            let _beside_others = (!is_large).then(|| shared.room.read().expect(NO_PANIC));
            if let Err(error) = self.begin(case_run, &shared) {
                shared.broken.lock().expect(NO_PANIC).get_or_insert(error);
            }
        });
        let broken = shared.broken.into_inner().expect(NO_PANIC);
        broken.map_or(Ok(!self.cancelled()), Err)
    }

    /// Whether so many workers with cases like this one might ask for more memory than one of them may have.
    fn is_large(&self, case: &Case, jobs: usize) -> bool {
        let scores: usize = case.problem.shape().scores().iter().product();
        let bytes = SCORES * 8 * scores as u64;
        self.limits.memory.is_some_and(|memory| bytes.saturating_mul(jobs as u64) > memory)
    }

    /// Sorts out what need not run, computes oracle and yardstick for the rest, and runs what is only checked.
    fn begin(&self, case_run: &mut CaseRun<'_, '_>, shared: &Shared<'_>) -> io::Result<()> {
        self.refuse(case_run);
        let Some(first) = case_run.next(self.enough()) else {
            return Ok(());
        };
        if self.stops(shared) {
            return Ok(());
        }
        let case = case_run.cells[first].case;
        shared.observer().preparing(case);
        let start = Instant::now();
        let fixture = match Fixture::make(self.suite, case, self.naive, self.scratch) {
            Ok(fixture) => fixture,
            Err(why) => {
                self.fail(case_run, &why);
                return Ok(());
            }
        };
        case_run.progress[first].waited_for_oracle(start.elapsed());
        for (cell, progress) in case_run.cells.iter().zip(&mut case_run.progress) {
            if cell.task != Task::Check || !progress.is_untried() {
                continue;
            }
            if self.stops(shared) {
                return Ok(());
            }
            let on_device = self.entries[cell.backend].on_device();
            let _device = on_device.then(|| shared.device.lock().expect(NO_PANIC));
            shared.observer().started(cell, 0);
            let record = self.process(cell, &fixture, progress);
            progress.add(record.clone());
            shared.observer().ended(cell, 0, &record, true)?;
        }
        case_run.fixture = case_run.next(self.enough()).map(|_| fixture);
        Ok(())
    }

    fn stops(&self, shared: &Shared<'_>) -> bool {
        self.cancelled() || shared.broken.lock().expect(NO_PANIC).is_some()
    }
}

/// What the threads share.
struct Shared<'o> {
    observer: Mutex<&'o mut (dyn Observer + Send)>,
    /// Held by whoever computes on a device: its memory is not for several.
    device: Mutex<()>,
    /// Written by a large case, read by the others.
    room: RwLock<()>,
    /// The first error of the observer: it stops all.
    broken: Mutex<Option<io::Error>>,
}

/// A panic on one of the threads ends all, when they are joined.
const NO_PANIC: &str = "no thread has panicked";

impl<'o> Shared<'o> {
    fn observer(&self) -> MutexGuard<'_, &'o mut (dyn Observer + Send)> {
        self.observer.lock().expect(NO_PANIC)
    }
}
