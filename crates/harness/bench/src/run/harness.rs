//! Executes cells in fresh processes, several for each measured cell, and turns them into records.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use attn_core::{BackendInfo, ByRows, Footprint, Variation, Verdict};
use attn_record::limits::Ceilings;
use attn_record::{
    Build, Digests, Machine, Measurement, Outcome, Process, Record, SCHEMA, Timing, Volatile,
    merge_processes,
};

use super::batches::{batches, same_case};
use super::case_run::CaseRun;
use super::fixture::{Fixture, FixtureError, Found};
use super::progress::{CellProgress, Enough};

use super::{Cell, Entry, Preset, Processes, Task};
use crate::cell::measure::rotation;
use crate::cell::sampling::nanos;
use crate::suite::{Case, Suite};
use crate::worker::{Launcher, Setup, Timed, WorkerError};

/// Twice the largest cache of a device that there is, 126 MiB on a B200.
const DEVICE_COLD: u64 = 256 << 20;

/// A cold kernel that would need more plans than this to outgrow the caches is skipped.
const MAX_PLANS: usize = 512;

/// Everything that executing a cell needs.
pub struct Harness<'a> {
    /// The cases.
    pub suite: &'a Suite,
    /// The backends.
    pub entries: &'a [Entry],
    /// The yardstick.
    pub naive: &'a dyn ByRows,
    /// Starts workers.
    pub launcher: Launcher,
    /// How much is done.
    pub preset: Preset,
    /// What workers may use.
    pub limits: Limits,
    /// What no rate can exceed here, where that was measured.
    pub ceilings: Option<Ceilings>,
    /// Written into every record.
    pub machine: Machine,
    /// Written into every record.
    pub build: Build,
    /// Where inputs wait for the workers.
    pub scratch: &'a Path,
    /// Set from outside to stop after the process that is running.
    pub cancel: &'a AtomicBool,
}

/// What workers may use.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The processors that workers that measure may use. Those with one thread stay on the last, the threads of others
    /// are spread over as many, from the last; if none is named, all are free to move.
    pub cpus: Vec<u32>,
    /// Bytes of address space of each worker.
    pub memory: Option<u64>,
    /// Bytes that outgrow every cache: what the operands of a cold kernel occupy together.
    pub cold_bytes: u64,
    /// When the budget is over, and how long it was.
    pub deadline: Option<(Instant, Duration)>,
}

/// Is told how a run goes. An error stops the run.
pub trait Observer {
    /// A case's oracle and yardstick are being computed.
    fn preparing(&mut self, case: &Case);
    /// A process of a cell begins, in this round, from 0.
    fn started(&mut self, cell: &Cell<'_>, round: u32);
    /// It has ended with this; `last` unless the cell needs another.
    fn ended(
        &mut self,
        cell: &Cell<'_>,
        round: u32,
        record: &Record,
        last: bool,
    ) -> std::io::Result<()>;
    /// Cells have their records. Others are `open`: their last process ended [`Outcome::Untried`], so this is what is known of them.
    fn finished(
        &mut self,
        cells: &[Cell<'_>],
        records: Vec<Record>,
        open: Vec<Record>,
    ) -> std::io::Result<()>;
}

/// What one process found of a cell, apart from times.
struct CellResult {
    outcome: Outcome,
    reason: Option<String>,
    info: Option<BackendInfo>,
    footprint: Option<Footprint>,
    check: Option<Verdict>,
    recheck: Option<Verdict>,
}

impl CellResult {
    /// Of a cell of which nothing ran yet.
    const fn new(outcome: Outcome, reason: Option<String>) -> Self {
        CellResult { outcome, reason, info: None, footprint: None, check: None, recheck: None }
    }
}

/// How a cell ended that was not right, and why.
type Ended = (Outcome, String);

fn lost(error: impl Into<WorkerError>) -> Ended {
    let error = error.into();
    (error.outcome(), error.to_string())
}

impl Harness<'_> {
    /// Executes `cells`, of which an interrupted run left the `previous` records. Cells of one case should be neighbours:
    /// they share an oracle.
    ///
    /// What is only checked comes first, several cases at a time. Then nothing runs beside a process that measures.
    /// These take turns in rounds: every cell has its first process before any has its second, so that a
    /// cell's processes are spread over the run, and what disturbs the machine for a while disturbs one of
    /// each. Cells whose interval is still wide have further rounds while the preset's time lasts.
    ///
    /// A process that ended [`Outcome::Untried`] is the last of its cell here: a run that goes on tries it again.
    ///
    /// Returns early, without the records of the interrupted batch, once `cancel` is set.
    pub fn execute(
        &self,
        cells: &[Cell<'_>],
        previous: &[Record],
        observer: &mut (dyn Observer + Send),
    ) -> std::io::Result<()> {
        let start = Instant::now();
        let (mut previous, mut begun) = (merge_processes(previous), 0);
        previous.retain(|record| record.outcome != Outcome::Untried);
        for batch in batches(cells) {
            begun += batch.len();
            let share = begun as f64 / cells.len() as f64;
            let extra_until = start + self.preset.time.mul_f64(share);
            let case_runs = batch.chunk_by(same_case);
            let case_runs = case_runs.map(|cells| CaseRun::new(cells, self.entries, &mut previous));
            let mut case_runs: Vec<CaseRun<'_, '_>> = case_runs.collect();
            if !self.begin_all(&mut case_runs, observer)?
                || !self.rounds(&mut case_runs, extra_until, observer)?
            {
                return Ok(());
            }
            let progress = case_runs.into_iter().flat_map(|case_run| case_run.progress);
            let (untried, tried): (Vec<_>, Vec<_>) = progress.partition(CellProgress::is_open);
            let records = |of: Vec<CellProgress>| {
                let ceilings = self.ceilings.as_ref();
                of.into_iter().filter_map(|progress| progress.finish(ceilings)).collect()
            };
            observer.finished(batch, records(tried), records(untried))?;
        }
        Ok(())
    }

    pub(super) fn enough(&self) -> Enough<'_> {
        Enough { processes: self.preset.processes, ceilings: self.ceilings.as_ref() }
    }

    pub(super) fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// All rounds; false once cancelled.
    fn rounds(
        &self,
        case_runs: &mut [CaseRun<'_, '_>],
        extra_until: Instant,
        observer: &mut dyn Observer,
    ) -> std::io::Result<bool> {
        let Processes { least, most } = self.preset.processes;
        for round in 0..most {
            let until = if round < least {
                self.limits.deadline.map(|(at, _)| at)
            } else {
                Some(extra_until)
            };
            for case_run in &mut *case_runs {
                if !self.round(case_run, round, until, observer)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Writes down how a cell ended without a process.
    fn end(&self, cell: &Cell<'_>, progress: &mut CellProgress, (outcome, reason): Ended) {
        let result = CellResult::new(outcome, Some(reason));
        progress.add(self.record(cell, result, None, Volatile::default()));
    }

    /// Writes down what need not run.
    pub(super) fn refuse(&self, case_run: &mut CaseRun<'_, '_>) {
        for (cell, progress) in case_run.cells.iter().zip(&mut case_run.progress) {
            if progress.is_untried()
                && let Some(refusal) = self.refusal(cell)
            {
                self.end(cell, progress, refusal);
            }
        }
    }

    /// Writes down that there is nothing to judge the others by.
    pub(super) fn fail(&self, case_run: &mut CaseRun<'_, '_>, why: &FixtureError) {
        for (cell, progress) in case_run.cells.iter().zip(&mut case_run.progress) {
            if progress.goes_on(cell.is_measured(), self.enough()) {
                self.end(cell, progress, (why.outcome(), why.to_string()));
            }
        }
    }

    /// One process of every cell of a case that needs one, in turn; of those that have been tried, only before
    /// `until`, or before the run's deadline where what is known cannot be. False once cancelled.
    fn round(
        &self,
        case_run: &mut CaseRun<'_, '_>,
        round: u32,
        until: Option<Instant>,
        observer: &mut dyn Observer,
    ) -> std::io::Result<bool> {
        let Some(fixture) = &case_run.fixture else {
            return Ok(!self.cancelled());
        };
        for (cell, progress) in case_run.cells.iter().zip(&mut case_run.progress) {
            if progress.is_untried()
                && let Some(over) = self.out_of_time()
            {
                self.end(cell, progress, (Outcome::Skipped, over));
            }
            // A run that goes on may know more processes of some cells than of others.
            let ahead = progress.processes() > round as usize;
            let doubted = progress.is_doubted(self.enough());
            let until = if doubted { self.limits.deadline.map(|(at, _)| at) } else { until };
            let late = !progress.is_untried() && until.is_some_and(|until| Instant::now() >= until);
            if ahead || late || !progress.goes_on(cell.is_measured(), self.enough()) {
                continue;
            }
            if self.cancelled() {
                return Ok(false);
            }
            observer.started(cell, round);
            let record = self.process(cell, fixture, progress);
            progress.add(record.clone());
            let last = !progress.goes_on(cell.is_measured(), self.enough());
            observer.ended(cell, round, &record, last)?;
        }
        if case_run.next(self.enough()).is_none() {
            case_run.fixture = None;
        }
        Ok(!self.cancelled())
    }

    /// Runs one process of a cell.
    pub(super) fn process(
        &self,
        cell: &Cell<'_>,
        fixture: &Fixture,
        progress: &mut CellProgress,
    ) -> Record {
        let (started, start) = (SystemTime::now(), Instant::now());
        let (result, mut volatile) = self.ask(cell, fixture, progress.is_untried());
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        volatile.started_ms = u64::try_from(started).unwrap_or(u64::MAX);
        volatile.wall_ns = nanos(start.elapsed());
        volatile.oracle_ns = progress.take_oracle_ns();
        self.record(cell, result, Some(fixture.digests.clone()), volatile)
    }

    /// Why a cell need not run.
    fn refusal(&self, cell: &Cell<'_>) -> Option<Ended> {
        let backend = &self.entries[cell.backend].backend;
        if let Err(unavailable) = backend.probe() {
            return Some((Outcome::Unavailable, unavailable.to_string()));
        }
        if let Err(unsupported) = backend.supports(&cell.case.problem) {
            return Some((Outcome::Unsupported, unsupported.to_string()));
        }
        if let Task::Skip(_, reason) = &cell.task {
            return Some((Outcome::Skipped, reason.clone()));
        }
        let reason = self.timed_on_the_way(cell).or_else(|| self.too_small_to_be_cold(cell));
        let reason = reason.or_else(|| self.out_of_time())?;
        Some((Outcome::Skipped, reason))
    }

    fn timed_on_the_way(&self, cell: &Cell<'_>) -> Option<String> {
        let asks = self.entries[cell.backend].backend.asks_a_process();
        let Task::Measure(timing) = cell.task else { return None };
        (asks && timing != Timing::Kernel).then(|| {
            format!("{timing} would time the way to the engine's process; its calls alone are the timing kernel")
        })
    }

    fn too_small_to_be_cold(&self, cell: &Cell<'_>) -> Option<String> {
        if cell.task != Task::Measure(Timing::KernelCold) {
            return None;
        }
        let cold_bytes = self.cold_bytes(cell);
        let plans = rotation(cell.case.problem.operand_bytes(), cold_bytes);
        let outgrow = cold_bytes >> 20;
        (plans > MAX_PLANS).then(|| {
            format!("{plans} plans needed to outgrow the caches ({outgrow} MiB), limit {MAX_PLANS}")
        })
    }

    fn out_of_time(&self) -> Option<String> {
        let (deadline, budget) = self.limits.deadline?;
        let over = Instant::now() >= deadline;
        over.then(|| format!("the budget of {} s was over", budget.as_secs()))
    }

    /// Bytes that outgrow the caches of what computes the cell.
    fn cold_bytes(&self, cell: &Cell<'_>) -> u64 {
        let least = if self.entries[cell.backend].on_device() { DEVICE_COLD } else { 0 };
        self.limits.cold_bytes.max(least)
    }

    /// Asks a fresh process to compute the cell, and judges what it stores; `first` if none has before.
    fn ask(&self, cell: &Cell<'_>, fixture: &Fixture, first: bool) -> (CellResult, Volatile) {
        let mut result = CellResult::new(Outcome::Ok, None);
        let mut volatile = Volatile::default();
        if let Err((outcome, reason)) =
            self.converse(cell, fixture, first, &mut result, &mut volatile)
        {
            (result.outcome, result.reason) = (outcome, Some(reason));
            volatile.measurement = None;
        }
        (result, volatile)
    }

    fn converse(
        &self,
        cell: &Cell<'_>,
        fixture: &Fixture,
        first: bool,
        result: &mut CellResult,
        volatile: &mut Volatile,
    ) -> Result<(), Ended> {
        let entry = &self.entries[cell.backend];
        let runner = entry.backend.runner();
        let launcher = runner.map(|program| self.launcher.of(program));
        let launcher = launcher.as_ref().unwrap_or(&self.launcher);
        let results = fixture.results().map_err(lost)?;
        let judged = |verdict: &Verdict, wrong: Option<String>| {
            let wrong = wrong.or(verdict.findings.first().map(ToString::to_string));
            wrong.map_or(Ok(()), |wrong| Err((Outcome::Disagrees, wrong)))
        };
        let mut worker = launcher.start_for_a_cell(cell.threads).map_err(lost)?;
        let ready = worker.prepare(self.setup(cell, fixture, results.path())).map_err(lost)?;
        let arithmetic = ready.info.arithmetic;
        (result.info, result.footprint) = (Some(ready.info), Some(ready.footprint));
        if first {
            let stored = worker.check(&fixture.a).map_err(lost)?;
            let verdict = fixture.judge_first(results.path(), &stored, &arithmetic);
            let verdict = verdict.map_err(lost)?;
            judged(result.check.insert(verdict), None)?;
            let counted = worker.count(cell.is_measured()).map_err(lost)?;
            (volatile.memory, volatile.phases) = (counted.memory, counted.phases);
        }
        let stored = match self.timed(cell) {
            None => worker.repeat().map_err(lost)?,
            Some(timed) => {
                let (mut process, clock_ns, stored) = worker.measure(timed).map_err(lost)?;
                if let Some(audit) = &mut process.audit {
                    audit.signs = stored.timed.map(Variation::seed);
                }
                let processes = vec![Process { cpu: ready.cpu, ..process }];
                volatile.measurement = Some(Measurement { clock_ns, processes });
                stored
            }
        };
        let found = fixture.judge_last(results.path(), &stored, &arithmetic);
        let Found { verdict, wrong } = found.map_err(lost)?;
        judged(result.recheck.insert(verdict), wrong)
    }

    /// The processors that the threads of a cell are kept on, if they are: not those of a device's driver, which are not the
    /// backend's.
    fn cpus(&self, cell: &Cell<'_>) -> &[u32] {
        if self.entries[cell.backend].on_device() {
            return &[];
        }
        &self.limits.cpus[self.limits.cpus.len().saturating_sub(cell.threads)..]
    }

    /// The one that a cell with one thread stays on.
    fn cpu(&self, cell: &Cell<'_>) -> Option<u32> {
        self.cpus(cell).last().copied().filter(|_| cell.threads == 1 && cell.is_measured())
    }

    fn setup(&self, cell: &Cell<'_>, fixture: &Fixture, results: &Path) -> Setup {
        let entry = &self.entries[cell.backend];
        Setup {
            backend: entry.backend.id().to_string(),
            on_device: entry.on_device(),
            threads: cell.threads,
            cpu: self.cpu(cell),
            // A GPU's driver reserves address space far beyond any limit.
            memory_limit: self.limits.memory.filter(|_| !entry.on_device()),
            case: fixture.b.clone(),
            results: results.into(),
        }
    }

    fn timed(&self, cell: &Cell<'_>) -> Option<Timed> {
        let Task::Measure(timing) = cell.task else { return None };
        let entry = &self.entries[cell.backend];
        Some(Timed {
            timing,
            sampling_times: self.preset.timing_of(entry),
            cold_bytes: self.cold_bytes(cell),
            spread: if cell.threads > 1 { self.cpus(cell).to_vec() } else { Vec::new() },
        })
    }

    fn record(
        &self,
        cell: &Cell<'_>,
        result: CellResult,
        digests: Option<Digests>,
        volatile: Volatile,
    ) -> Record {
        let Case { id, axis, problem, source, work, .. } = cell.case;
        Record {
            schema: SCHEMA.into(),
            case: id.clone(),
            axis: *axis,
            backend: self.entries[cell.backend].backend.id().to_string(),
            threads: cell.threads,
            timing: cell.timing(),
            outcome: result.outcome,
            reason: result.reason,
            problem: problem.spec().clone(),
            inputs: source.to_string(),
            digests,
            work: *work,
            info: result.info,
            footprint: result.footprint,
            check: result.check,
            recheck: result.recheck,
            build: self.build.clone(),
            machine: self.machine.clone(),
            volatile,
        }
    }
}
