//! `attn merge`: several runs as one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attn_analysis::summary::Summary;
use attn_bench::run::{Folder, Part, merge};
use attn_record::{
    Limits, Run, Shard, UNFINISHED, is_finished, read_limits, read_map, read_records, read_run,
};
use attn_report::write::{Extras, write_report};
use serde::Serialize;

use super::print_json;
use super::run::{asked_for, command_line};
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::program::{program, quoted, sub_command};
use crate::registry;
use crate::runs::{self, RUNS};

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

Records keep their machine: different machines get tables and charts of their own. What is missing, a
shard or a part of one that was interrupted, is said; the merged run is then unfinished, and the exit code 3.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    files: &'a [PathBuf],
    missing: &'a [String],
    summary: Summary,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut parts = Vec::new();
    let mut map = None;
    let (mut probes, mut devices) = (Vec::new(), Vec::new());
    let paths = args.runs.iter().map(|run| runs::named(Some(run)));
    let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    for path in &paths {
        let (run, records) = (read_run(path)?, read_records(path)?);
        map = map.or(read_map(path)?);
        if let Some(limits) = read_limits(path)? {
            probes.extend(limits.probes);
            devices.extend(limits.devices);
        }
        parts.push(Part { path: path.clone(), run, records });
    }
    let missing = missing(&parts);
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
    folder.remove_scratch(missing.is_empty())?;
    let files =
        write_report(folder.path(), &registry::SCORES, Extras { png: args.png, url: None })?;
    if args.output.json {
        let summary = Summary::of(&records);
        print_json(&Report { run: folder.path(), files: &files, missing: &missing, summary })?;
    } else {
        let page = folder.path().join("index.html");
        let records = match records.len() {
            1 => "1 record".into(),
            n => format!("{n} records"),
        };
        println!("{records}, {}", page.display());
    }
    for what in &missing {
        eprintln!("attn: {what}, then merge again");
    }
    Ok(match Exit::of(&records) {
        Exit::Success if !missing.is_empty() => Exit::Broken,
        exit => exit,
    })
}

/// What the suite lacks and how to get it: parts that were interrupted, shards that measured something else, and shards that are not
/// among them.
fn missing(parts: &[Part]) -> Vec<String> {
    let attn = program();
    let unfinished = parts.iter().filter(|part| !is_finished(&part.path)).map(|part| {
        let run = part.path.display();
        let resume = quoted(&part.path.to_string_lossy());
        format!("{run} {UNFINISHED}; go on with {attn} run --resume {resume}")
    });
    let absent = absent(parts.iter().map(|part| &part.run)).into_iter().map(|shard| {
        let Shard { index, count } = shard;
        format!(
            "shard {index}/{count} is missing: no run of it is among the parts; make it with {attn} run --shard \
             {index}/{count} and what else the others were given"
        )
    });
    unfinished.chain(different(parts)).chain(absent).collect()
}

/// The shards that measured something else than the first of as many.
fn different(parts: &[Part]) -> Vec<String> {
    let shards: Vec<(&Part, Shard)> =
        parts.iter().filter_map(|part| Some((part, part.run.shard?))).collect();
    let differs = |&(part, shard): &(&Part, Shard)| {
        let (first, _) = shards.iter().find(|(_, other)| other.count == shard.count)?;
        let [run, other] = [part, first].map(|part| part.path.display());
        let [made, before] = [part, first].map(|part| &part.run.command);
        (asked_for(&part.run)? != asked_for(&first.run)?).then(|| {
            format!(
                "{run} is of `{made}`, {other} of `{before}`, expected the same cells of all shards: make one \
                 of them again"
            )
        })
    };
    shards.iter().filter_map(differs).collect()
}

/// The shards that none of `runs` is, of each number of shards that one of them is of. What a merged run consists of is not known, so
/// beside one none is missed.
fn absent<'r>(runs: impl Iterator<Item = &'r Run> + Clone) -> Vec<Shard> {
    if runs.clone().any(|run| sub_command(&run.command) == Some("merge")) {
        return Vec::new();
    }
    let here: BTreeSet<_> =
        runs.filter_map(|run| run.shard).map(|shard| (shard.count, shard.index)).collect();
    let counts: BTreeSet<_> = here.iter().map(|&(count, _)| count).collect();
    let all = counts.into_iter().flat_map(|count| (1..=count).map(move |index| (count, index)));
    let absent = all.filter(|shard| !here.contains(shard));
    absent.map(|(count, index)| Shard { index, count }).collect()
}
