//! `attn merge`: several runs as one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attn_bench::run::{Folder, Part, merge};
use attn_record::{Limits, is_finished, read_limits, read_map, read_records, read_run};
use attn_report::summary::Summary;
use attn_report::write::write_report;
use serde::Serialize;

use super::print_json;
use super::run::command_line;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::registry;
use crate::runs::RUNS;

/// Put runs together that measured parts of a suite: those of `attn run --shard`
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run folders
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder that gets a new folder for the merged run
    #[arg(short, long, value_name = "DIR", default_value = RUNS)]
    out: PathBuf,
    /// Draw the charts as PNG too
    #[arg(long)]
    png: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn run --shard 1/2 --out a        on one machine
  attn run --shard 2/2 --out b        on another of the same kind, or on the same
  attn merge a/* b/* --out merged

Records keep their machine: different machines get tables and charts of their own.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    files: &'a [PathBuf],
    summary: Summary,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut parts = Vec::new();
    let mut map = None;
    let (mut probes, mut devices) = (Vec::new(), Vec::new());
    for path in &args.runs {
        let (run, records) = (read_run(path)?, read_records(path)?);
        map = map.or(read_map(path)?);
        if let Some(limits) = read_limits(path)? {
            probes.extend(limits.probes);
            devices.extend(limits.devices);
        }
        parts.push(Part { path: path.clone(), run, records });
    }
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (run, records) = merge(parts, command_line(), started.clone())?;
    let name = format!("{}-merged", started.replace(':', "-"));
    let mut folder = Folder::create(&args.out, &name)?;
    folder.write_run(&run)?;
    if let Some(map) = map {
        folder.write_map(&map)?;
    }
    if !probes.is_empty() {
        folder.write_limits(&Limits::new(probes, devices))?;
    }
    folder.append(&records, &[])?;
    folder.remove_scratch(args.runs.iter().all(|run| is_finished(run)))?;
    let files = write_report(folder.path(), &registry::SCORES, args.png)?;
    if args.output.json {
        let summary = Summary::of(&records);
        print_json(&Report { run: folder.path(), files: &files, summary })?;
    } else {
        let page = folder.path().join("index.html");
        let records = match records.len() {
            1 => "1 record".into(),
            n => format!("{n} records"),
        };
        println!("{records}, {}", page.display());
    }
    Ok(Exit::of(&records))
}
