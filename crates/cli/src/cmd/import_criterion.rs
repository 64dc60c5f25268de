//! `attn import-criterion`: what `cargo bench` measured, as a run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use attn_analysis::summary::Summary;
use attn_bench::criterion::{self, Saved};
use attn_bench::limits;
use attn_bench::run::Folder;
use attn_core::DType;
use attn_record::{Measurement, Outcome, Record, Run, Timing};
use attn_report::table;
use attn_report::write::{Extras, write_report};
use serde::Serialize;

use super::print_json;
use super::run::command_line;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::failures;
use crate::print::options;
use crate::registry;
use crate::runs::RUNS;
use crate::session::{CellName, Session};

/// Turn the samples that criterion saved into a run, for report, cmp, rank and diff
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where criterion keeps its samples
    #[arg(value_name = "DIR", default_value = "target/criterion")]
    folder: PathBuf,
    /// Folder that gets a new folder for the run
    #[arg(short, long, value_name = "DIR", default_value = RUNS)]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  cargo bench --bench seq_len
  attn import-criterion                   the latest samples of every benchmark
  attn import-criterion other/criterion --out other/runs

Samples carry no verdict. Every cell is therefore checked now, on inputs A and B, by this program; only
one that agrees keeps its samples. They are taken to be of this machine and this build: import where
and when you measure.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    files: &'a [PathBuf],
    summary: Summary,
    records: &'a [Record],
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut saved = criterion::read(&args.folder)?;
    let names = saved.iter().map(CellName::from).collect();
    let (session, unknown) = Session::of_cells(names)?;
    for Saved { case, backend, path, .. } in saved.iter().filter(|s| unknown.contains(&(*s).into()))
    {
        eprintln!("attn: {}: skipped, no cell is `{case}` on `{backend}`", path.display());
    }
    saved.retain(|saved| !unknown.contains(&saved.into()));
    if saved.is_empty() {
        let folder = args.folder.display();
        return Err(anyhow!("{folder}: no samples of any cell; `cargo bench` makes them").into());
    }
    warn_of_old_samples(&saved);
    let executed = session.execute(None)?;
    failures::say(&executed.failures);
    if executed.interrupted {
        return Ok(executed.exit());
    }
    let threads: BTreeSet<usize> = saved.iter().map(|saved| saved.threads).collect();
    let threads: Vec<usize> = threads.into_iter().collect();
    let ceilings = limits::ceilings(&session.machine, &DType::ALL, &threads);
    let with_samples = |record: &Record| with_samples(record, &saved).doubted(Some(&ceilings));
    let records: Vec<Record> = executed.records.iter().map(with_samples).collect();
    let folder = write(&args.out, &session, &records)?;
    let files = write_report(folder.path(), &registry::SCORES, Extras::default())?;
    if args.output.json {
        let summary = Summary::of(&records);
        print_json(&Report { run: folder.path(), files: &files, summary, records: &records })?;
    } else {
        print!("{}", table::render(&records, options()));
        println!("\n{}", folder.path().join("index.html").display());
    }
    Ok(Exit::of(&records))
}

impl From<&Saved> for CellName {
    fn from(saved: &Saved) -> Self {
        let Saved { case, backend, threads, .. } = saved;
        CellName { case: case.clone(), backend: backend.clone(), threads: *threads }
    }
}

/// The record of a check with the samples of the same cell, if the check agrees.
fn with_samples(checked: &Record, saved: &[Saved]) -> Record {
    let Record { case, backend, threads, .. } = checked;
    let mut record = checked.clone();
    record.timing = Some(Timing::Kernel);
    // The samples are of the benchmarks' programs, not of this one.
    record.build.code = None;
    let of_cell = |s: &&Saved| (&s.case, &s.backend, s.threads) == (case, backend, *threads);
    let processes: Vec<_> = saved.iter().filter(of_cell).map(|s| s.process.clone()).collect();
    let clock_ns = attn_sys::clock::step_ns();
    let agrees = record.outcome == Outcome::Ok;
    record.volatile.measurement = agrees.then_some(Measurement { clock_ns, processes });
    record
}

/// Says on stderr if samples are older than this program: then they are of another build.
fn warn_of_old_samples(saved: &[Saved]) {
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let built = std::env::current_exe().ok().and_then(|program| modified(&program));
    let older = |s: &&Saved| modified(&s.path).zip(built).is_some_and(|(at, built)| at < built);
    let old = saved.iter().filter(older).count();
    if old > 0 {
        eprintln!(
            "attn: {old} of {} benchmarks are older than this program: they may be of another build",
            saved.len()
        );
    }
}

fn write(out: &Path, session: &Session, records: &[Record]) -> Result<Folder, Failure> {
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut folder = Folder::create(out, &format!("{}-criterion", started.replace(':', "-")))?;
    let prefixes: BTreeSet<&str> = records.iter().map(Record::group).collect();
    let mut groups = session.suite.groups().to_vec();
    groups.retain(|group| prefixes.iter().any(|prefix| prefix.starts_with(&group.prefix)));
    folder.write_run(&Run {
        schema: Run::SCHEMA.into(),
        command: command_line(),
        arguments: Vec::new(),
        shard: None,
        preset: "criterion".into(),
        started,
        load: None,
        machine: session.machine.clone(),
        groups,
    })?;
    folder.append(records, &[])?;
    folder.remove_scratch(true)?;
    Ok(folder)
}
