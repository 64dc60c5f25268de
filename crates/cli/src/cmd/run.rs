//! `attn run`: check, measure and draw in one go.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use attn_analysis::disturbance::Disturbance;
use attn_analysis::overhead::Overhead;
use attn_analysis::scaling::Scaling;
use attn_analysis::summary::Summary;
use attn_bench::run::{Folder, Preset};
use attn_record::{
    Limits, Record, Run, Shard, UNFINISHED, is_finished, read_limits, read_records, read_run,
};
use attn_report::overview::{self, Facts};
use attn_report::write::{Extras, write_report};
use attn_report::{sentences, table};
use attn_sys::host;
use clap::Parser as _;
use serde::Serialize;

use super::{Cli, Command, print_json};
use crate::args::{CaseArgs, CellArgs, OutputArgs, parse_shard};
use crate::exit::{Exit, Failure};
use crate::failures::{self, Failures};
use crate::print::options;
use crate::program::{program, program_name, quoted, sub_command};
use crate::registry;
use crate::runs::{self, RUNS};
use crate::session::{Executed, FAILURES, Purpose, Session};

/// Check every backend on every case, measure those that agree, draw the charts
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellArgs,
    /// Only the k-th of n parts of the cases; `attn merge` puts the parts together
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    shard: Option<Shard>,
    /// Continue a run that was interrupted or killed; what any of its processes measured is not measured again
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "backend", "engines", "case", "dtype", "suite", "shapes", "threads", "preset", "budget", "timings", "timeout",
        "memory", "shard", "out",
    ])]
    resume: Option<PathBuf>,
    /// Folder that gets a new folder for this run
    #[arg(short, long, value_name = "DIR", default_value = RUNS)]
    out: PathBuf,
    /// Draw the charts as PNG too
    #[arg(long)]
    png: bool,
    /// Print every cell, too
    #[arg(long, conflicts_with = "json")]
    details: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn run                                the quick preset: at most 2 minutes on 2 cores
  attn run --preset full --png            long sequences, more samples, charts as PNG too
  attn run -b 'candle/*,faer' -c sweep    three backends along the sweeps
  attn run --budget 10m                   what a budget of ten minutes allows
  attn run --shape 'H32/8 N1x4096 D128'   a problem of your own, as tables print it
  attn run --engines                      and what `attn engine install` has installed
  attn run --shard 2/8                    the second of eight machines; see `attn merge`
  attn run --resume bench-results/runs/2026-01-31T12-00-00Z

A run is a new folder with records.jsonl (one line per cell, all samples), run.json, map.json,
limits.json (what the machine can do, measured before and after), charts and one self-contained
index.html. What is printed is an overview; with --details every cell. `attn report` draws the page
again, and at any moment what is there of a run that is under way or was interrupted: partial.jsonl
has a line for each process of the cells that are not finished.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    files: &'a [PathBuf],
    summary: Summary,
    scaling: Scaling,
    overhead: Option<Overhead>,
    records: &'a [Record],
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let resumed = args.resume.as_deref().map(runs::begun).transpose()?;
    let over = resumed.as_deref().is_some_and(is_finished);
    let (session, mut folder) = match &resumed {
        None => begin(args)?,
        Some(path) => resume(path)?,
    };
    if over && !args.output.json {
        return over_already(&mut folder);
    }
    let executed = execute(&session, &mut folder)?;
    let records = &executed.records;
    let overhead = Overhead::of(records);
    let files =
        write_report(folder.path(), &registry::SCORES, Extras { png: args.png, url: None })?;
    if args.output.json {
        failures::say(&executed.failures);
        let (summary, scaling) = (Summary::of(records), Scaling::of(records, &registry::SCORES));
        let (run, files) = (folder.path(), &files[..]);
        print_json(&Report { run, files, summary, scaling, overhead, records })?;
    } else {
        if args.details {
            println!("{}", table::render(records, options()));
            if let Some(overhead) = overhead {
                println!("{}\n", sentences::overhead(&overhead).join("\n"));
            }
        }
        let facts = facts(&session, &folder, &executed);
        print!("{}", overview::overview(records, &facts, options()));
    }
    Ok(executed.exit())
}

/// A run that there is nothing to go on with.
fn over_already(folder: &mut Folder) -> Result<Exit, Failure> {
    folder.remove_scratch(true)?;
    let path = folder.path().display();
    println!("{path} is finished, nothing was measured again: `{} cmp {path}` shows it", program());
    Ok(Exit::of(&read_records(folder.path())?))
}

/// What an overview says beside what is in the records.
fn facts(session: &Session, folder: &Folder, executed: &Executed) -> Facts {
    let path = folder.path();
    let kept: usize = executed.failures.iter().map(Failures::problems).sum();
    Facts {
        preset: session.preset.label(),
        took: executed.took,
        load: read_run(path).ok().and_then(|run| run.load),
        kept: (kept > 0).then(|| (kept, FAILURES.into())),
        own: registry::more().iter().map(|entry| entry.backend.id().to_string()).collect(),
        page: path.join("index.html").display().to_string(),
        next: next(session, path, executed),
    }
}

/// What to do after the run in `path`: what its records ask for, three commands at most.
fn next(session: &Session, path: &Path, executed: &Executed) -> Vec<(String, &'static str)> {
    let (attn, records) = (program(), &executed.records);
    let others = path.parent().map(runs::finished).unwrap_or_default();
    // The commands take the latest runs of the usual folder by themselves.
    let is_latest = others.last().is_some_and(|run| run == path);
    let usual = is_latest && path.parent() == Some(Path::new(RUNS));
    let of = |path: &Path| {
        if usual { String::new() } else { format!(" {}", quoted(&path.to_string_lossy())) }
    };
    let run = of(path);
    let before = others.iter().take_while(|run| *run != path).last();
    let alike = |old: &&PathBuf| {
        let arguments = |run: &Path| read_run(run).ok().map(|run| run.arguments);
        arguments(old) == arguments(path)
    };
    let noisy = Disturbance::of(records).is_some_and(|found| found.warning.is_some());
    let grows = !Scaling::of(records, &registry::SCORES).sweeps.is_empty();
    let mut next = Vec::new();
    if let Some(verify) = executed.failures.iter().find_map(Failures::verify) {
        next.push((verify, "the first that is wrong, judged again"));
    }
    next.push((format!("{attn} cmp{run}"), "every case side by side"));
    if noisy {
        next.push((format!("{attn} doctor"), "what this machine can do, and how noisy it is"));
    }
    if grows {
        next.push((format!("{attn} scaling{run}"), "how time and memory grow"));
    }
    if let Some(old) = before.filter(alike) {
        let command = format!("{attn} diff{}{run}", of(old));
        next.push((command, "what changed since the run before"));
    }
    if session.preset.name == Preset::QUICK.name {
        next.push((format!("{attn} run --preset full"), "longer sequences, half an hour"));
    }
    next.push((format!("{attn} rank{run}"), "who is fastest overall"));
    next.truncate(3);
    next
}

/// Executes the cells, and measures before and after them what the machine can do. Whatever ends this early leaves a run that can
/// go on, and says how.
fn execute(session: &Session, folder: &mut Folder) -> Result<Executed, Failure> {
    let run = folder.path().display().to_string();
    let resume = format!("go on with: {} run --resume {run}", program());
    let executed = note_limits(session, folder).and_then(|()| session.execute(Some(folder)));
    // Where there is no disk space this frees some. That an unfinished run's folder is not tidy matters less than why.
    let tidied = folder.remove_scratch(executed.as_ref().is_ok_and(|executed| executed.finished));
    let finish = || {
        let executed = executed?;
        tidied?;
        if executed.finished {
            note_limits(session, folder)?;
        } else {
            eprintln!("attn: {run} {UNFINISHED}; {resume}");
        }
        Ok(executed)
    };
    finish().map_err(|error: Failure| match error {
        Failure::Broken(error) => {
            Failure::Broken(anyhow!("{}; mend that, then {resume}", Failure::Broken(error)))
        }
        usage @ Failure::Usage(_) => usage,
    })
}

/// Measures what the machine can do at the moment, and adds it to what the folder knows.
fn note_limits(session: &Session, folder: &Folder) -> Result<(), Failure> {
    if let Some(probe) = session.probe() {
        let known = read_limits(folder.path())?;
        let mut limits = known.unwrap_or_else(|| Limits::new(Vec::new(), Vec::new()));
        limits.probes.push(probe);
        limits.devices.extend(session.device_limits());
        folder.write_limits(&limits)?;
    }
    Ok(())
}

/// A new run in a new folder.
fn begin(args: &Args) -> Result<(Session, Folder), Failure> {
    if args.out.to_str().is_none() {
        let out = args.out.display();
        return Err(Failure::usage(anyhow!(
            "--out {out}: not Unicode, which workers are told paths in: choose another folder"
        )));
    }
    let session = session(args)?;
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let folder = Folder::create(&args.out, &started.replace(':', "-"))?;
    folder.write_run(&Run {
        schema: Run::SCHEMA.into(),
        command: command_line(),
        arguments: arguments().skip(1).collect(),
        shard: args.shard,
        preset: session.preset.name.into(),
        started,
        load: host::load(),
        machine: session.machine.clone(),
        groups: session.suite.groups().to_vec(),
    })?;
    if let Some(map) = session.suite.map()? {
        folder.write_map(&map)?;
    }
    Ok((session, folder))
}

/// The run in `path`, with the arguments it was begun with.
fn resume(path: &Path) -> Result<(Session, Folder), Failure> {
    let over = is_finished(path);
    let (folder, left) = Folder::reopen(path)?;
    if sub_command(&left.run.command) != Some("run") {
        let (path, command) = (path.display(), &left.run.command);
        return Err(
            anyhow!("{path}: not a run of its own, made by `{command}`: resume its parts").into()
        );
    }
    let Some(args) = parsed(&left.run) else {
        return Err(
            anyhow!("{}: the run's arguments make no sense to this build", path.display()).into()
        );
    };
    let mut session = session(&args)?;
    let (cells, processes) = (left.finished.len(), left.partial.len());
    if !over {
        note!("attn: going on after {cells} finished cells and {processes} processes of others");
    }
    session.resume(left)?;
    Ok((session, folder))
}

/// The arguments that a run was begun with; `None` if they make no sense to this build.
fn parsed(run: &Run) -> Option<Args> {
    let words = ["attn", "run"].into_iter().map(String::from).chain(run.arguments.clone());
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Command::Run(args), .. }) => Some(args),
        _ => None,
    }
}

/// What a run was asked to measure, before it became a shard: not where its case files were, nor what a worker may take. `None` if
/// this build does not know such arguments.
pub(super) fn asked_for(run: &Run) -> Option<CellArgs> {
    let cells = parsed(run)?.cells;
    let cases = CaseArgs { suite: None, ..cells.cases };
    Some(CellArgs { cases, timeout: 0, memory: None, ..cells })
}

fn session(args: &Args) -> Result<Session, Failure> {
    let mut session = Session::new(&args.cells, Purpose::Measure)?;
    if let Some(shard) = args.shard {
        session.only(shard);
    }
    Ok(session)
}

/// The command as typed, the program by its name alone.
pub(super) fn command_line() -> String {
    let arguments = arguments().map(|argument| quoted(&argument));
    std::iter::once(program_name()).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The arguments of this process, without its name. What is not Unicode is shown as far as it is.
fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())
}
