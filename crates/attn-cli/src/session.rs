//! What every sub-command that executes cells sets up: cases, backends, plan, workers, progress.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs};

use anyhow::Context as _;
use attn_bench::attn_case::AttnCase;
use attn_bench::machine;
use attn_bench::run::{Cell, Entry, Harness, Preset, Selection, plan};
use attn_bench::select::Filter;
use attn_bench::suite::{Directory, Suite, Tier};
use attn_bench::worker::Launcher;
use attn_record::{Build, Machine, Outcome, Record};

use crate::args::{BackendArgs, CaseArgs, CellArgs, PresetArgs};
use crate::builtin::Builtin;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::registry;

/// A worker that takes longer than this hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Where problems that somebody got wrong are written.
pub(crate) const FAILURES: &str = "bench-results/failures";

/// Set by Ctrl-C.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The suite that the arguments name.
pub(crate) fn suite(args: &CaseArgs) -> Result<Suite, Failure> {
    Ok(match &args.cases {
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
    select("backend", args.backend.as_deref(), &ids, &registry::ALIASES)
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
    filter.select(what, names, aliases).map_err(Failure::usage)
}

/// The preset of that name.
fn preset(args: &PresetArgs) -> Preset {
    let named = Preset::ALL.into_iter().find(|preset| preset.name == args.preset);
    named.expect("the parser accepts only the names of presets")
}

/// Everything that was asked for, ready to be executed.
pub(crate) struct Session {
    pub(crate) suite: Suite,
    pub(crate) preset: Preset,
    pub(crate) machine: Machine,
    entries: Vec<Entry>,
    selection: Selection,
}

/// What is done with the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Results are judged.
    Check,
    /// Results are judged, and timed where their case says so.
    Measure,
}

/// The records, and whether Ctrl-C cut them short.
pub(crate) struct Executed {
    pub(crate) records: Vec<Record>,
    interrupted: bool,
}

impl Executed {
    /// What the records say; a run that was cut short answers nothing.
    pub(crate) fn exit(&self) -> Exit {
        if self.interrupted { Exit::Broken } else { Exit::of(&self.records) }
    }
}

impl Session {
    pub(crate) fn new(args: &CellArgs, purpose: Purpose) -> Result<Self, Failure> {
        let suite = suite(&args.cases)?;
        let entries = registry::entries_for(args.backends.backend.as_deref());
        let measure = purpose == Purpose::Measure;
        let mut cases = select_cases(&suite, &args.cases)?;
        if measure && args.cases.case.is_none() {
            cases.retain(|&at| suite.cases()[at].tier != Tier::Check);
        }
        let threads = args.threads.threads.as_ref();
        let selection = Selection {
            cases,
            backends: select_backends(&entries, &args.backends)?,
            threads: threads.map(|counts| counts.iter().map(|&n| usize::from(n)).collect()),
            measure,
        };
        let (preset, machine) = (preset(&args.preset), machine::detect());
        Ok(Session { suite, preset, machine, entries, selection })
    }

    /// Executes all cells; `keep` sees each record as it comes.
    pub(crate) fn execute(
        &self,
        keep: &mut dyn FnMut(&Record) -> std::io::Result<()>,
    ) -> Result<Executed, Failure> {
        let cells = self.plan();
        listen_for_interrupts();
        let mut progress = Progress::new(&cells, &self.entries, &self.preset, keep);
        let harness = Harness {
            suite: &self.suite,
            entries: &self.entries,
            naive: &registry::NAIVE,
            launcher: launcher()?,
            preset: self.preset,
            machine: self.machine.clone(),
            build: build(),
            cancel: &INTERRUPTED,
        };
        harness.execute(&cells, &mut progress)?;
        let records = progress.finish();
        self.write_failures(&records)?;
        let interrupted = INTERRUPTED.load(Ordering::Relaxed);
        if interrupted {
            eprintln!("attn: interrupted, {} of {} cells are done", records.len(), cells.len());
        }
        Ok(Executed { records, interrupted })
    }

    /// Writes every problem that somebody got wrong as an attn-case file, and says on stderr how to
    /// judge it again.
    fn write_failures(&self, records: &[Record]) -> Result<(), Failure> {
        for record in records.iter().filter(|record| record.outcome == Outcome::Disagrees) {
            let case = self.suite.cases().iter().find(|case| case.id == record.case);
            let case = case.expect("records are of the suite's cases");
            let [a, b] = self.suite.inputs(case)?;
            let file = AttnCase {
                problem: case.problem.clone(),
                inputs: if record.recheck.is_some() { b } else { a },
                claim: None,
                tokens: None,
                source: Some(format!("case {}, {}", record.case, record.inputs)),
            };
            let name = format!("{}.safetensors", record.case.replace('/', "-"));
            let path = Path::new(FAILURES).join(name);
            fs::create_dir_all(FAILURES)?;
            fs::write(&path, file.to_bytes())?;
            let reason = record.reason.as_deref().unwrap_or_default();
            eprintln!("attn: {} on {}: {reason}", record.backend, record.case);
            eprintln!("  attn verify -b {} {}", record.backend, path.display());
        }
        Ok(())
    }

    fn plan(&self) -> Vec<Cell<'_>> {
        plan(&self.suite, &self.entries, &self.selection, &self.preset, self.machine.cores)
    }
}

fn launcher() -> Result<Launcher, Failure> {
    Ok(Launcher {
        program: env::current_exe().context("the path of this program is unknown")?,
        args: vec!["worker".into()],
        thread_variables: registry::THREAD_VARIABLES.map(String::from).into(),
        timeout: TIMEOUT,
    })
}

fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").into(),
        target_features: attn_core::target_features(),
        profile: if cfg!(debug_assertions) { "debug-assertions" } else { "release" }.into(),
    }
}

/// The first Ctrl-C ends the run after the current cell, the second at once.
pub(crate) fn listen_for_interrupts() {
    // A second session in the same process keeps the first handler.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}
