//! Which cells a run has, in which order, and what is left out.

use std::time::Duration;

use attn_core::ThreadPolicy;
use attn_record::{Record, Timing};

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
    Measure(Timing),
    /// Nothing, for this reason; it would have had this timing, if it was to be timed.
    Skip(Option<Timing>, String),
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
    /// What is timed; by default what each case asks for.
    pub timings: Option<Vec<Timing>>,
    /// Whether cells are measured where their case says so, or only checked.
    pub measure: bool,
}

/// All cells of `selection`, case by case, so that the backends of a case are measured side by side. What a device
/// computes has one number of threads, the first.
pub fn plan<'s>(
    suite: &'s Suite,
    entries: &[Entry],
    selection: &Selection,
    preset: &Preset,
    cores: usize,
) -> Vec<Cell<'s>> {
    let mut cells = Vec::new();
    let backends = &selection.backends;
    let threaded: Vec<usize> =
        backends.iter().copied().filter(|&at| !ignores_threads(&entries[at])).collect();
    for case in selection.cases.iter().map(|&at| &suite.cases()[at]) {
        for (place, threads) in thread_counts(case, selection, cores).into_iter().enumerate() {
            // A device would do the same again for every number of threads.
            let backends = if place == 0 { backends } else { &threaded };
            for timing in timings(case, selection) {
                for &backend in backends {
                    let task = task(case, &entries[backend], timing, preset);
                    cells.push(Cell { case, backend, threads, task });
                }
            }
        }
    }
    cells
}

fn ignores_threads(entry: &Entry) -> bool {
    entry.backend.probe().is_ok_and(|info| info.threads == ThreadPolicy::Device)
}

fn thread_counts(case: &Case, selection: &Selection, cores: usize) -> Vec<usize> {
    match &selection.threads {
        Some(threads) => threads.clone(),
        None if case.all_cores && selection.measure && cores > 1 => vec![1, cores],
        None => vec![1],
    }
}

/// What is timed; `None` alone for a case that is only checked.
fn timings(case: &Case, selection: &Selection) -> Vec<Option<Timing>> {
    if !selection.measure || !case.measure {
        return vec![None];
    }
    let timings = selection.timings.as_ref().unwrap_or(&case.timings);
    timings.iter().copied().map(Some).collect()
}

fn task(case: &Case, entry: &Entry, timing: Option<Timing>, preset: &Preset) -> Task {
    let label = preset.label();
    if case.tier == Tier::Full && preset.tier == Tier::Quick {
        return Task::Skip(timing, format!("{label} leaves out {} cases", case.tier.name()));
    }
    let call = predicted_call(case, entry);
    let limit = if timing.is_some() { preset.max_call } else { preset.max_check };
    if call > limit {
        let (call, limit) = (call.as_secs_f64(), limit.as_secs_f64());
        return Task::Skip(
            timing,
            format!("{label}: {call:.2} s a call predicted, limit {limit} s"),
        );
    }
    timing.map_or(Task::Check, Task::Measure)
}

/// Until a worker computes: one that opens a device waits for its driver and its libraries.
fn start(entry: &Entry) -> Duration {
    // An engine starts an interpreter and loads its libraries.
    let asks = entry.backend.asks_a_process();
    Duration::from_millis(match (asks, entry.on_device()) {
        (true, _) => 2500,
        (_, true) => 1000,
        _ => 15,
    })
}

/// Seconds that a library's tanh takes, whatever the rate of its products is.
const TANH: f64 = 20e-9;

/// What one call takes if the backend reaches its nominal rate with one thread.
fn predicted_call(case: &Case, entry: &Entry) -> Duration {
    let (flops, tanhs) = (case.work.flops.0 as f64, case.work.tanhs as f64);
    Duration::from_secs_f64(flops / (entry.nominal_gflops * 1e9) + TANH * tanhs)
}

impl Cell<'_> {
    /// What is timed, or would be.
    pub const fn timing(&self) -> Option<Timing> {
        match self.task {
            Task::Check => None,
            Task::Measure(timing) => Some(timing),
            Task::Skip(timing, _) => timing,
        }
    }

    /// Whether it is timed: by several processes.
    pub const fn is_measured(&self) -> bool {
        matches!(self.task, Task::Measure(_))
    }

    /// Whether `record` is the record of this cell.
    pub fn is_of(&self, record: &Record, entries: &[Entry]) -> bool {
        self.case.id == record.case
            && self.threads == record.threads
            && self.timing() == record.timing
            && entries[self.backend].backend.id().as_str() == record.backend
    }

    /// What the whole cell takes, roughly: its processes, their calls and their samples.
    pub fn predicted(&self, entries: &[Entry], preset: &Preset) -> Duration {
        let entry = &entries[self.backend];
        let (process, call) = (start(entry), predicted_call(self.case, entry));
        let sampling_times = preset.timing_of(entry);
        match self.task {
            Task::Skip(..) => Duration::ZERO,
            Task::Check => process + call * 4,
            Task::Measure(_) => {
                let budget =
                    Duration::from_millis(sampling_times.warmup_ms + sampling_times.sampling_ms);
                let samples = budget.max(call * (sampling_times.min_samples + 1));
                (process + call + samples) * preset.processes.expected()
            }
        }
    }
}
