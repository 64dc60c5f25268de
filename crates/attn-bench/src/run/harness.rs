//! Executes cells in fresh processes, several for each measured cell, and turns them into records.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attn_core::ByRows;
use attn_record::{Build, Digests, Machine, Model, Outcome, Record, SCHEMA, Volatile};

use super::attempt::Attempt;
use super::exercises::Exercises;
use super::windows::{same_case, windows};
use super::{Cell, Entry, Preset, Task};
use crate::cell::measure::rotation;
use crate::suite::{Case, Suite};
use crate::worker::{Launcher, Lost, Reply, Request, Timed};

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
    /// Written into every record.
    pub machine: Machine,
    /// Written into every record.
    pub build: Build,
    /// Set from outside to stop after the process that is running.
    pub cancel: &'a AtomicBool,
}

/// What workers may use.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The processor that workers with one thread stay on.
    pub cpu: Option<u32>,
    /// Bytes of address space of each worker.
    pub memory: Option<u64>,
    /// Bytes that outgrow every cache: what the operands of a cold kernel occupy together.
    pub cold_bytes: u64,
    /// When the budget is over, and how long it was.
    pub deadline: Option<(Instant, Duration)>,
}

/// Is told how a run goes.
pub trait Observer {
    /// A case's oracle and yardstick are being computed.
    fn preparing(&mut self, case: &Case);
    /// A process of a cell begins.
    fn started(&mut self, cell: &Cell<'_>);
    /// It has ended.
    fn ended(&mut self, cell: &Cell<'_>);
    /// A cell has its record. An error stops the run.
    fn finished(&mut self, cell: &Cell<'_>, record: Record) -> std::io::Result<()>;
}

impl Harness<'_> {
    /// Executes `cells` in order. Cells of one case should be neighbours: they share an oracle, and
    /// their processes take turns, so that what disturbs the machine for a while disturbs them alike.
    ///
    /// Returns early, without the records of the interrupted window, once `cancel` is set.
    pub fn execute(&self, cells: &[Cell<'_>], observer: &mut dyn Observer) -> std::io::Result<()> {
        for window in windows(cells) {
            let Some(records) = self.window(window, observer) else {
                return Ok(());
            };
            for (cell, record) in window.iter().zip(records) {
                observer.finished(cell, record)?;
            }
        }
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// The records of all cells of a window; `None` once cancelled.
    ///
    /// Every case has its first round before any has its second, so that a cell's processes are
    /// seconds apart, and a disturbance of a second meets one of them.
    fn window(&self, cells: &[Cell<'_>], observer: &mut dyn Observer) -> Option<Vec<Record>> {
        let mut turns = Vec::new();
        for cells in cells.chunk_by(same_case) {
            let mut turn = self.begin(cells, observer);
            self.round(&mut turn, 0, observer)?;
            turns.push(turn);
        }
        for round in 1..self.preset.processes {
            for turn in &mut turns {
                self.round(turn, round, observer)?;
            }
        }
        Some(turns.into_iter().flat_map(|turn| self.records(turn)).collect())
    }

    /// Sorts out what need not run, and computes oracle and yardstick for the rest.
    fn begin<'c, 's>(&self, cells: &'c [Cell<'s>], observer: &mut dyn Observer) -> Turn<'c, 's> {
        let mut attempts: Vec<Attempt> = cells.iter().map(|cell| self.refusal(cell)).collect();
        let Some(first) = attempts.iter().position(Attempt::goes_on) else {
            return Turn { cells, attempts, exercises: None };
        };
        observer.preparing(cells[first].case);
        let start = Instant::now();
        let exercises = Exercises::make(self.suite, cells[first].case, self.naive);
        attempts[first].waited_for_oracle(start.elapsed());
        if let Err(reason) = &exercises {
            let failed = || Reply::ended(Outcome::Error, reason.clone());
            let pending = attempts.iter_mut().filter(|attempt| attempt.goes_on());
            pending.for_each(|attempt| attempt.add(failed(), Duration::ZERO));
        }
        Turn { cells, attempts, exercises: exercises.ok() }
    }

    /// One process of every cell of a case, in turn; after the first round of measured cells only.
    fn round(
        &self,
        turn: &mut Turn<'_, '_>,
        round: u32,
        observer: &mut dyn Observer,
    ) -> Option<()> {
        let Some(exercises) = &turn.exercises else {
            return Some(());
        };
        for (cell, attempt) in turn.cells.iter().zip(&mut turn.attempts) {
            let again = round == 0 || cell.is_measured();
            if !again || !attempt.goes_on() {
                continue;
            }
            if self.cancelled() {
                return None;
            }
            observer.started(cell);
            let start = Instant::now();
            let reply = self.ask(cell, exercises, round == 0);
            attempt.add(reply, start.elapsed());
            observer.ended(cell);
        }
        (!self.cancelled()).then_some(())
    }

    fn records(&self, turn: Turn<'_, '_>) -> Vec<Record> {
        let Turn { cells, attempts, exercises } = turn;
        let digests = exercises.map(|exercises| exercises.digests);
        let records = cells.iter().zip(attempts).map(|(cell, attempt)| {
            let (reply, volatile) = attempt.finish();
            let ran = volatile.started_ms != 0;
            self.record(cell, reply, digests.clone().filter(|_| ran), volatile)
        });
        records.collect()
    }

    /// What is known without running anything.
    fn refusal(&self, cell: &Cell<'_>) -> Attempt {
        let backend = &self.entries[cell.backend].backend;
        if let Err(unavailable) = backend.probe() {
            return Attempt::ended(Outcome::Unavailable, unavailable.to_string());
        }
        if let Err(unsupported) = backend.supports(&cell.case.problem) {
            return Attempt::ended(Outcome::Unsupported, unsupported.to_string());
        }
        if let Task::Skip(_, reason) = &cell.task {
            return Attempt::ended(Outcome::Skipped, reason.clone());
        }
        if let Some(reason) = self.too_small_to_be_cold(cell).or_else(|| self.out_of_time()) {
            return Attempt::ended(Outcome::Skipped, reason);
        }
        Attempt::pending()
    }

    fn too_small_to_be_cold(&self, cell: &Cell<'_>) -> Option<String> {
        if cell.task != Task::Measure(Model::KernelCold) {
            return None;
        }
        let plans = rotation(cell.case.work.bytes.0, self.limits.cold_bytes);
        let outgrow = self.limits.cold_bytes >> 20;
        (plans > MAX_PLANS).then(|| {
            format!("{plans} plans needed to outgrow the caches ({outgrow} MiB), limit {MAX_PLANS}")
        })
    }

    fn out_of_time(&self) -> Option<String> {
        let (deadline, budget) = self.limits.deadline?;
        let over = Instant::now() >= deadline;
        over.then(|| format!("the budget of {} s was over", budget.as_secs()))
    }

    fn ask(&self, cell: &Cell<'_>, exercises: &Exercises, first: bool) -> Reply {
        let timed = match cell.task {
            Task::Measure(model) => Some(Timed {
                model,
                timing: self.preset.timing,
                cold_bytes: self.limits.cold_bytes,
            }),
            Task::Check | Task::Skip(..) => None,
        };
        let backend = &self.entries[cell.backend].backend;
        let runner = backend.runner();
        let request = Request {
            backend: backend.id().to_string(),
            threads: cell.threads,
            cpu: self.limits.cpu.filter(|_| cell.threads == 1),
            // A GPU's driver reserves address space far beyond any limit.
            memory_limit: self.limits.memory.filter(|_| runner.is_none()),
            account: first,
            a: exercises.a.clone(),
            b: exercises.b.clone(),
            timed,
        };
        let launcher = runner.map(|program| self.launcher.of(program));
        let launcher = launcher.as_ref().unwrap_or(&self.launcher);
        launcher.run(&request).unwrap_or_else(|lost| {
            let outcome = match lost {
                Lost::Timeout(_) => Outcome::Timeout,
                Lost::Io(_) | Lost::Died { .. } => Outcome::Error,
            };
            Reply::ended(outcome, lost.to_string())
        })
    }

    fn record(
        &self,
        cell: &Cell<'_>,
        reply: Reply,
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
            model: cell.model(),
            outcome: reply.outcome,
            reason: reply.reason,
            problem: problem.spec().clone(),
            inputs: source.to_string(),
            digests,
            work: *work,
            receipt: reply.receipt,
            footprint: reply.footprint,
            check: reply.check,
            recheck: reply.recheck,
            build: self.build.clone(),
            machine: self.machine.clone(),
            volatile,
        }
    }
}

/// A case on its way to records.
struct Turn<'c, 's> {
    cells: &'c [Cell<'s>],
    attempts: Vec<Attempt>,
    /// `None` where nothing can run.
    exercises: Option<Exercises>,
}
