//! Which cells a run has, in which order, and what is left out.

use std::time::Duration;

use super::{Entry, Preset};
use crate::suite::{Case, Suite, Tier};

/// A case on a backend with a number of threads.
#[derive(Clone, Debug)]
pub struct Cell<'s> {
    /// The case.
    pub case: &'s Case,
    /// Position of the backend among the entries.
    pub backend: usize,
    /// Threads.
    pub threads: usize,
    /// What is done.
    pub task: Task,
}

/// What is done with a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// The result is judged.
    Check,
    /// The result is judged, then the computation timed.
    Measure,
    /// Nothing, for this reason.
    Skip(String),
}

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Positions of cases in the suite.
    pub cases: Vec<usize>,
    /// Positions of backends among the entries.
    pub backends: Vec<usize>,
    /// Numbers of threads; by default 1, and all cores for the cases that ask for it.
    pub threads: Option<Vec<usize>>,
    /// Whether cells are measured where their case says so, or only checked.
    pub measure: bool,
}

/// All cells of `selection`, case by case, so that the backends of a case are measured side by side.
pub fn plan<'s>(
    suite: &'s Suite,
    entries: &[Entry],
    selection: &Selection,
    preset: &Preset,
    cores: usize,
) -> Vec<Cell<'s>> {
    let mut cells = Vec::new();
    for case in selection.cases.iter().map(|&at| &suite.cases()[at]) {
        for threads in thread_counts(case, selection, cores) {
            for &backend in &selection.backends {
                let task = task(case, &entries[backend], selection.measure, preset);
                cells.push(Cell { case, backend, threads, task });
            }
        }
    }
    cells
}

fn thread_counts(case: &Case, selection: &Selection, cores: usize) -> Vec<usize> {
    match &selection.threads {
        Some(threads) => threads.clone(),
        None if case.all_cores && selection.measure && cores > 1 => vec![1, cores],
        None => vec![1],
    }
}

fn task(case: &Case, entry: &Entry, measure: bool, preset: &Preset) -> Task {
    if case.tier == Tier::Full && preset.tier == Tier::Quick {
        return Task::Skip(format!("preset {} leaves out {} cases", preset.name, case.tier.name()));
    }
    let measure = measure && case.measure;
    let call = predicted_call(case, entry);
    let limit = if measure { preset.max_call } else { preset.max_check };
    if call > limit {
        let (call, limit, name) = (call.as_secs_f64(), limit.as_secs_f64(), preset.name);
        return Task::Skip(format!("preset {name}: {call:.2} s a call predicted, limit {limit} s"));
    }
    if measure { Task::Measure } else { Task::Check }
}

/// What one call takes if the backend reaches its nominal rate with one thread.
fn predicted_call(case: &Case, entry: &Entry) -> Duration {
    let flops = case.work.flops.0 as f64;
    Duration::from_secs_f64(flops / (entry.nominal_gflops * 1e9))
}

impl Cell<'_> {
    /// What the whole cell takes, roughly: the process, its calls and its samples.
    pub fn predicted(&self, entries: &[Entry], preset: &Preset) -> Duration {
        const PROCESS: Duration = Duration::from_millis(20);
        let call = predicted_call(self.case, &entries[self.backend]);
        let timing = &preset.timing;
        match self.task {
            Task::Skip(_) => Duration::ZERO,
            Task::Check => PROCESS + call * 4,
            Task::Measure => {
                let budget = Duration::from_millis(timing.warmup_ms + timing.sampling_ms);
                PROCESS + call + budget.max(call * (timing.min_samples + 1))
            }
        }
    }
}
