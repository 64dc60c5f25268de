//! What every sub-command that executes cells sets up: cases, backends, plan, workers, progress.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

use anyhow::{Context as _, anyhow};
use attn_bench::limits::{self, Effort, Question};
use attn_bench::machine;
use attn_bench::run::{
    Cell, Entry, Folder, Harness, Limits, Measured, Preset, Resumable, Selection, plan,
};
use attn_bench::select::{Filter, FilterError};
use attn_bench::suite::{Directory, Suite, Tier};
use attn_bench::worker::Launcher;
use attn_core::{Backend, DType};
use attn_record::limits::{Ceilings, DeviceLimits, Probe};
use attn_record::{Machine, Record, Shard, read_limits};

use crate::args::{BackendArgs, CaseArgs, CellArgs, PresetArgs};
use crate::build::{build, this_file};
use crate::builtin::Builtin;
use crate::exit::{Exit, Failure};
use crate::failures::{Failures, write_failures};
use crate::program::program;
use crate::progress::{Progress, Steps};
use crate::registry;

/// Where problems that somebody got wrong are written.
pub(crate) const FAILURES: &str = "bench-results/failures";

/// Set by Ctrl-C.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The suite that the arguments name.
pub(crate) fn suite(args: &CaseArgs) -> Result<Suite, Failure> {
    if !args.shapes.is_empty() {
        return Ok(Suite::of(args.shapes.clone()));
    }
    Ok(match &args.suite {
        None => Suite::load(Box::new(Builtin))?,
        Some(folder) => Suite::load(Box::new(Directory(folder.clone())))?,
    })
}

/// Positions of the selected cases.
pub(crate) fn select_cases(suite: &Suite, args: &CaseArgs) -> Result<Vec<usize>, Failure> {
    let ids: Vec<_> = suite.cases().iter().map(|case| case.id.as_str()).collect();
    let mut selected = select("case", args.case.as_deref(), &ids, &[])?;
    if let Some(dtype) = args.dtype {
        selected.retain(|&at| suite.cases()[at].problem.dtype() == dtype);
    }
    Ok(selected)
}

/// Positions of the selected backends.
pub(crate) fn select_backends(
    entries: &[Entry],
    args: &BackendArgs,
) -> Result<Vec<usize>, Failure> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.backend.id().to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    select("backend", args.backend.as_deref(), &ids, &registry::aliases())
}

/// The selected backends that this process computes itself: a command that starts no other can use no more.
pub(crate) fn in_process(args: &BackendArgs) -> Result<Vec<Box<dyn Backend>>, Failure> {
    let entries = registry::entries_for(args.backend.as_deref());
    let selected: BTreeSet<usize> = select_backends(&entries, args)?.into_iter().collect();
    let entries = entries.into_iter().enumerate();
    let selected = entries.filter(|(at, _)| selected.contains(at)).map(|(_, entry)| entry);
    let (elsewhere, here): (Vec<_>, Vec<_>) = selected.partition(Entry::on_device);
    if let ([], Some(entry)) = (&here[..], elsewhere.first()) {
        return Err(Failure::usage(anyhow!(
            "{} is computed by another program, which this command does not start: use {} check, measure, run or \
             verify",
            entry.backend.id(),
            program()
        )));
    }
    Ok(here.into_iter().map(|entry| entry.backend).collect())
}

/// Positions of the `names` that the filter `list` selects; all without one.
pub(crate) fn select(
    what: &'static str,
    list: Option<&str>,
    names: &[&str],
    aliases: &[(&str, &str)],
) -> Result<Vec<usize>, Failure> {
    let Some(list) = list else {
        return Ok((0..names.len()).collect());
    };
    let filter = Filter::parse(list).map_err(Failure::usage)?;
    filter.select(what, names, aliases).map_err(|error| match error {
        FilterError::NoMatch { ref nearest, .. } if nearest.is_empty() => {
            Failure::usage(anyhow!("{error}: `{} list` names them all", program()))
        }
        error => Failure::usage(error),
    })
}

/// How much is done, if `predict` says how long it takes.
fn preset(args: &PresetArgs, predict: impl Fn(&Preset) -> Duration) -> Preset {
    match (args.budget, args.preset.as_str()) {
        (Some(budget), _) => Preset::within(budget, predict),
        (None, "full") => Preset::FULL,
        (None, _) => Preset::QUICK,
    }
}

/// Everything that was asked for, ready to be executed.
pub(crate) struct Session {
    pub(crate) suite: Suite,
    pub(crate) preset: Preset,
    pub(crate) machine: Machine,
    entries: Vec<Entry>,
    selection: Selection,
    timeout: Duration,
    /// Bytes of address space of a worker.
    memory: Option<u64>,
    budget: Option<Duration>,
    /// Records of cells that a run had finished before it was interrupted.
    done: Vec<Record>,
    /// What single processes of others had said by then.
    partial: Vec<Record>,
    /// Only these cells, if not all that are selected.
    named: Option<BTreeSet<CellName>>,
}

/// A case on a backend with a number of threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CellName {
    pub(crate) case: String,
    pub(crate) backend: String,
    pub(crate) threads: usize,
}

/// What is done with the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Results are judged.
    Check,
    /// Results are judged, and timed where their case says so.
    Measure,
}

/// The records, and whether all are there.
pub(crate) struct Executed {
    pub(crate) records: Vec<Record>,
    /// The problems that each backend got wrong.
    pub(crate) failures: Vec<Failures>,
    /// Whether Ctrl-C cut them short.
    pub(crate) interrupted: bool,
    /// Whether every cell is: a resumed run has nothing to do.
    pub(crate) finished: bool,
    /// How long it took: of a resumed run, with what its cells had taken before.
    pub(crate) took: Duration,
}

impl Executed {
    /// What the records say; an interrupted run answers nothing, and one of which a cell is open not yet that all is well.
    pub(crate) fn exit(&self) -> Exit {
        match Exit::of(&self.records) {
            _ if self.interrupted => Exit::Broken,
            Exit::Success if !self.finished => Exit::Broken,
            exit => exit,
        }
    }
}

impl Session {
    pub(crate) fn new(args: &CellArgs, purpose: Purpose) -> Result<Self, Failure> {
        let suite = suite(&args.cases)?;
        let measure = purpose == Purpose::Measure;
        let mut named = args.backends.clone();
        if args.engines {
            named.backend = Some(registry::with_engines(named.backend, measure));
        }
        let entries = registry::entries_for(named.backend.as_deref());
        let mut cases = select_cases(&suite, &args.cases)?;
        if measure && args.cases.case.is_none() {
            cases.retain(|&at| suite.cases()[at].tier != Tier::Check);
        }
        let mut backends = select_backends(&entries, &named)?;
        if measure && named.backend.is_none() {
            backends.retain(|&at| entries[at].measured == Measured::Always);
        }
        let threads = args.threads.threads.as_ref();
        let selection = Selection {
            cases,
            backends,
            threads: threads.map(|counts| counts.iter().map(|&n| usize::from(n)).collect()),
            timings: args.timings.clone(),
            measure,
        };
        let machine = machine::detect();
        let most = selection.threads.iter().flatten().max();
        if let Some(most) = most.filter(|&&most| most > machine.cores) {
            let cores = if machine.cores == 1 { "core" } else { "cores" };
            eprintln!(
                "attn: {most} threads on {} {cores} take turns: their times say little",
                machine.cores
            );
        }
        let preset = preset(&args.preset, |preset| {
            let cells = plan(&suite, &entries, &selection, preset, machine.cores);
            cells.iter().map(|cell| cell.predicted(&entries, preset)).sum()
        });
        Ok(Session {
            suite,
            preset,
            machine,
            entries,
            selection,
            timeout: Duration::from_secs(args.timeout),
            memory: args
                .memory
                .map(|gib| gib << 30)
                .or_else(|| attn_sys::limit::physical_memory().map(|bytes| bytes / 2)),
            budget: args.preset.budget,
            done: Vec::new(),
            partial: Vec::new(),
            named: None,
        })
    }

    /// Checks these cells, whatever they cost, and says which of them do not exist.
    pub(crate) fn of_cells(
        names: BTreeSet<CellName>,
    ) -> Result<(Self, BTreeSet<CellName>), Failure> {
        let suite = Suite::load(Box::new(Builtin))?;
        let entries = registry::entries();
        let known = |name: &CellName| {
            suite.cases().iter().any(|case| case.id == name.case)
                && entries.iter().any(|entry| entry.backend.id().as_str() == name.backend)
        };
        let (known, unknown): (BTreeSet<_>, BTreeSet<_>) = names.into_iter().partition(known);
        let cases = 0..suite.cases().len();
        let threads: BTreeSet<usize> = known.iter().map(|name| name.threads).collect();
        let selection = Selection {
            cases: cases
                .filter(|&at| known.iter().any(|n| n.case == suite.cases()[at].id))
                .collect(),
            backends: (0..entries.len()).collect(),
            threads: Some(threads.into_iter().collect()),
            timings: None,
            measure: false,
        };
        let session = Session {
            suite,
            preset: Preset { max_check: Duration::MAX, ..Preset::FULL },
            machine: machine::detect(),
            entries,
            selection,
            timeout: Duration::from_secs(120),
            memory: attn_sys::limit::physical_memory().map(|bytes| bytes / 2),
            budget: None,
            done: Vec::new(),
            partial: Vec::new(),
            named: Some(known),
        };
        Ok((session, unknown))
    }

    /// Only this part of the cases.
    pub(crate) fn only(&mut self, shard: Shard) {
        let mut position = 0;
        self.selection.cases.retain(|_| {
            position += 1;
            (position - 1) % shard.count == shard.index - 1
        });
    }

    /// Goes on after what is `left`, which this program must have measured on this machine.
    pub(crate) fn resume(&mut self, left: Resumable) -> Result<(), Failure> {
        let build = build();
        let all = || left.finished.iter().chain(&left.partial);
        if let Some(record) = all().find(|record| record.machine != self.machine) {
            let Machine { cpu, cores, .. } = &record.machine;
            return Err(anyhow!("the run was made on another machine: {cpu}, {cores} cores").into());
        }
        if let Some(record) = all().find(|record| record.build != build) {
            return Err(anyhow!(
                "the run was made by {}, and this is {build}: go on with the program that began it, or begin a new run",
                record.build
            )
            .into());
        }
        (self.done, self.partial) = (left.finished, left.partial);
        Ok(())
    }

    /// Executes all cells; `folder` keeps what they say.
    pub(crate) fn execute(&self, folder: Option<&mut Folder>) -> Result<Executed, Failure> {
        let (cells, started) = (self.plan(), Instant::now());
        let _measuring = self.selection.measure.then(announce_measuring);
        listen_for_interrupts();
        let scratch = match &folder {
            Some(folder) => folder.scratch()?,
            None => env::temp_dir(),
        };
        let known = folder.as_ref().map(|folder| read_limits(folder.path())).transpose()?.flatten();
        let progress = Progress::new(&cells, &self.entries, &self.preset, folder);
        let mut progress = progress.within(self.budget);
        progress.resume(&cells, &self.partial);
        let ceilings = self.ceilings(known, &cells);
        let harness = Harness {
            suite: &self.suite,
            entries: &self.entries,
            naive: &registry::NAIVE,
            launcher: launcher(self.timeout)?,
            preset: self.preset,
            limits: self.limits(),
            ceilings,
            machine: self.machine.clone(),
            build: build(),
            scratch: &scratch,
            cancel: &INTERRUPTED,
        };
        harness.execute(&cells, &self.partial, &mut progress)?;
        let open = progress.open().to_vec();
        let mut records = self.done.clone();
        records.extend(progress.finish());
        let failures = write_failures(&self.suite, &records)?;
        let interrupted = INTERRUPTED.load(Ordering::Relaxed);
        if interrupted {
            let begun = records.len();
            eprintln!("attn: interrupted, {begun} of {} cells are begun or done", self.planned());
        }
        if let [first, ..] = &open[..] {
            let why = first.reason.as_ref().map_or(String::new(), |reason| format!(", {reason}"));
            eprintln!("attn: {} cells could not be tried: {}{why}", open.len(), first.case);
        }
        let finished = !interrupted && open.is_empty();
        let took = self.took_before() + started.elapsed();
        Ok(Executed { records, failures, interrupted, finished, took })
    }

    /// What no rate can exceed: by `known` limits of this machine, or else measured now, twice, which takes some tenths of a second.
    fn ceilings(&self, known: Option<attn_record::Limits>, cells: &[Cell<'_>]) -> Option<Ceilings> {
        let measured = || cells.iter().filter(|cell| cell.is_measured());
        measured().next()?;
        let probe = known.and_then(|limits| limits.of(&self.machine));
        Some(probe.map_or_else(
            || {
                let dtypes: BTreeSet<DType> =
                    measured().map(|cell| cell.case.problem.dtype()).collect();
                let threads: BTreeSet<usize> = measured().map(|cell| cell.threads).collect();
                let (dtypes, threads): (Vec<_>, Vec<_>) =
                    (dtypes.into_iter().collect(), threads.into_iter().collect());
                let measure = || limits::ceilings(&self.machine, &dtypes, &threads);
                // A neighbour on the same host can slow wide vectors down for a tenth of a second.
                measure().best_of(measure())
            },
            |probe| probe.ceilings(),
        ))
    }

    /// What the machine can do at the moment, with as many threads as the cells that are still to be measured;
    /// `None` if there are none.
    pub(crate) fn probe(&self) -> Option<Probe> {
        let cells = self.plan();
        let measured = cells.iter().filter(|cell| cell.is_measured());
        let threads: BTreeSet<usize> = measured.map(|cell| cell.threads).collect();
        if threads.is_empty() {
            return None;
        }
        let threads: Vec<usize> = threads.into_iter().collect();
        let time = cells.iter().map(|cell| cell.predicted(&self.entries, &self.preset)).sum();
        let effort = Effort::within(time);
        Some(probe(&Question { machine: &self.machine, threads: &threads, effort }))
    }

    /// What the device of the selected backends can do, where one computes elsewhere than on the processor; says so on
    /// stderr if that cannot be measured.
    pub(crate) fn device_limits(&self) -> Option<DeviceLimits> {
        let selected = self.selection.backends.iter().map(|&at| &*self.entries[at].backend);
        let found = registry::device_limits(selected)?;
        found.inspect_err(|unknown| eprintln!("attn: {unknown}")).ok()
    }

    /// What cells and processes of an interrupted run had taken.
    fn took_before(&self) -> Duration {
        let known = self.done.iter().chain(&self.partial).map(|record| &record.volatile);
        known.map(|cell| Duration::from_nanos(cell.wall_ns + cell.oracle_ns.unwrap_or(0))).sum()
    }

    /// Cells of the whole run, those that are done included.
    fn planned(&self) -> usize {
        plan(&self.suite, &self.entries, &self.selection, &self.preset, self.machine.cores).len()
    }

    /// Cells that are still to be executed.
    fn plan(&self) -> Vec<Cell<'_>> {
        let mut cells =
            plan(&self.suite, &self.entries, &self.selection, &self.preset, self.machine.cores);
        cells.retain(|cell| !self.done.iter().any(|record| cell.is_of(record, &self.entries)));
        if let Some(named) = &self.named {
            cells.retain(|cell| named.contains(&self.name(cell)));
        }
        cells
    }

    fn name(&self, cell: &Cell<'_>) -> CellName {
        let backend = self.entries[cell.backend].backend.id().to_string();
        CellName { case: cell.case.id.clone(), backend, threads: cell.threads }
    }

    /// Twice the last-level cache for what is to be cold.
    fn limits(&self) -> Limits {
        let largest = attn_sys::cache::levels().iter().map(|cache| cache.bytes).max();
        Limits {
            cpus: attn_sys::affinity::allowed(),
            memory: self.memory,
            cold_bytes: 2 * largest.unwrap_or(32 << 20),
            deadline: self.budget.map(|budget| (Instant::now() + budget, budget)),
        }
    }
}

/// Measures the limits of this machine and says so on stderr, because it takes seconds.
pub(crate) fn probe(question: &Question<'_>) -> Probe {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut steps = Steps::new("measuring the limits of the machine");
    limits::measure(question, now, &mut |what| steps.say(what))
}

/// Holds a lock while it measures, and says on stderr if another measurement holds it: both disturb
/// each other, which no statistics can repair.
pub(crate) fn announce_measuring() -> Option<fs::File> {
    let path = env::temp_dir().join("attn-measuring.lock");
    let file = fs::OpenOptions::new().create(true).append(true).open(path).ok()?;
    if file.try_lock().is_err() {
        eprintln!("attn: another attn is measuring on this machine: both will be slower");
    }
    Some(file)
}

fn launcher(timeout: Duration) -> Result<Launcher, Failure> {
    let program = this_file().context("the path of this program is unknown")?;
    Ok(Launcher::new(&program, &registry::THREAD_VARIABLES, timeout))
}

/// Whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The first Ctrl-C, SIGTERM or SIGHUP ends the run after the current cell, the second at once.
pub(crate) fn listen_for_interrupts() {
    // A second session in the same process keeps the first handler.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}
