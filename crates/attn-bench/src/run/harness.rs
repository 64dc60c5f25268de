//! Executes cells, one fresh process each, and turns them into records.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use attn_core::Backend;
use attn_record::{Build, Digests, Machine, Measurement, Model, Outcome, Record, SCHEMA, Volatile};

use super::{Cell, Entry, Preset, Task};
use crate::attn_case::AttnCase;
use crate::cell::clock_precision_ns;
use crate::expected::Expected;
use crate::suite::{Case, Suite};
use crate::worker::{Exercise, Launcher, Lost, Reply, Request};

/// Everything that executing a cell needs.
pub struct Harness<'a> {
    /// The cases.
    pub suite: &'a Suite,
    /// The backends.
    pub entries: &'a [Entry],
    /// The yardstick.
    pub naive: &'a dyn Backend,
    /// Starts workers.
    pub launcher: Launcher,
    /// Limits and timing.
    pub preset: Preset,
    /// Written into every record.
    pub machine: Machine,
    /// Written into every record.
    pub build: Build,
    /// Set from outside to stop after the cell that is running.
    pub cancel: &'a AtomicBool,
}

/// Is told how a run goes.
pub trait Observer {
    /// A case's oracle and yardstick are being computed.
    fn preparing(&mut self, case: &Case);
    /// A cell begins.
    fn started(&mut self, cell: &Cell<'_>);
    /// A cell has ended. An error stops the run.
    fn finished(&mut self, cell: &Cell<'_>, record: Record) -> std::io::Result<()>;
}

impl Harness<'_> {
    /// Executes `cells` in order. Cells of one case should be neighbours: they share an oracle.
    ///
    /// Returns early, without the record of the interrupted cell, once `cancel` is set.
    pub fn execute(&self, cells: &[Cell<'_>], observer: &mut dyn Observer) -> std::io::Result<()> {
        for cells in cells.chunk_by(|a, b| a.case.id == b.case.id) {
            let mut exercises = None;
            for cell in cells {
                if self.cancelled() {
                    return Ok(());
                }
                let record = self.cell(cell, &mut exercises, observer);
                if self.cancelled() {
                    return Ok(());
                }
                observer.finished(cell, record)?;
            }
        }
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn cell(
        &self,
        cell: &Cell<'_>,
        exercises: &mut Option<Result<Exercises, String>>,
        observer: &mut dyn Observer,
    ) -> Record {
        if let Some(reply) = self.refusal(cell) {
            return self.record(cell, reply, None, Volatile::default());
        }
        let prepared = exercises.get_or_insert_with(|| {
            observer.preparing(cell.case);
            self.exercises(cell.case)
        });
        observer.started(cell);
        let started = (SystemTime::now(), Instant::now());
        let (mut reply, digests) = match prepared {
            Ok(exercises) => (self.ask(cell, exercises), Some(exercises.digests.clone())),
            Err(reason) => (Reply::ended(Outcome::Error, reason.clone()), None),
        };
        let since_epoch = started.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let volatile = Volatile {
            started_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            wall_ns: u64::try_from(started.1.elapsed().as_nanos()).unwrap_or(u64::MAX),
            oracle_ns: None,
            memory: None,
            measurement: reply.measurement.take().map(|process| Measurement {
                clock_ns: clock_precision_ns(),
                processes: vec![process],
            }),
        };
        self.record(cell, reply, digests, volatile)
    }

    /// What is known without running anything.
    fn refusal(&self, cell: &Cell<'_>) -> Option<Reply> {
        let backend = &self.entries[cell.backend].backend;
        if let Err(unavailable) = backend.probe() {
            return Some(Reply::ended(Outcome::Unavailable, unavailable.to_string()));
        }
        if let Err(unsupported) = backend.supports(&cell.case.problem) {
            return Some(Reply::ended(Outcome::Unsupported, unsupported.to_string()));
        }
        match &cell.task {
            Task::Skip(reason) => Some(Reply::ended(Outcome::Skipped, reason.clone())),
            Task::Check | Task::Measure => None,
        }
    }

    fn ask(&self, cell: &Cell<'_>, exercises: &Exercises) -> Reply {
        let request = Request {
            backend: self.entries[cell.backend].backend.id().to_string(),
            threads: cell.threads,
            a: exercises.a.clone(),
            b: exercises.b.clone(),
            timing: (cell.task == Task::Measure).then_some(self.preset.timing),
        };
        self.launcher.run(&request).unwrap_or_else(|lost| {
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
            model: (cell.task != Task::Check).then_some(Model::Kernel),
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

    /// Inputs A and B with what is expected of them, as files for the workers.
    fn exercises(&self, case: &Case) -> Result<Exercises, String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let folder = tempfile::tempdir().map_err(|e| fail(&e))?;
        let inputs = self.suite.inputs(case).map_err(|e| fail(&e))?;
        let [a, b] = inputs.each_ref().map(attn_core::Inputs::digest);
        let mut exercises = Vec::new();
        for (name, inputs) in ["a", "b"].into_iter().zip(inputs) {
            let expected = Expected::compute(&case.problem, &inputs, self.naive);
            let path = |what: &str| folder.path().join(format!("{name}.{what}"));
            let exercise = Exercise { case: path("case"), expected: path("expected") };
            expected.and_then(|e| e.save(&exercise.expected)).map_err(|e| fail(&e))?;
            write_case(case, inputs, &exercise.case).map_err(|e| fail(&e))?;
            exercises.push(exercise);
        }
        let [on_a, on_b]: [Exercise; 2] = exercises.try_into().expect("two were made");
        Ok(Exercises { a: on_a, b: on_b, digests: Digests { a, b }, _folder: folder })
    }
}

fn write_case(case: &Case, inputs: attn_core::Inputs, path: &Path) -> std::io::Result<()> {
    let problem = case.problem.clone();
    let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
    std::fs::write(path, file.to_bytes())
}

/// The files of one case; they go when this does.
struct Exercises {
    a: Exercise,
    b: Exercise,
    digests: Digests,
    _folder: tempfile::TempDir,
}
