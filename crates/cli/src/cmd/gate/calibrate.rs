//! `attn gate calibrate`: what would the gate find on this machine, and how often would it be wrong?

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow};
use attn_bench::run::Fixture;
use attn_bench::suite::Suite;
use attn_bench::worker::CellId;
use attn_bench::{limits, machine};
use attn_core::DType;
use attn_gate::calibrate::{PLANTED, Sample, Summary};
use attn_gate::config::Limits;
use attn_gate::judge::Source as _;
use attn_gate::live::{Conditions, Live, Side, Timed};
use attn_gate::output::{calibration_markdown, calibration_plot};
use attn_gate::result::Taken;
use attn_gate::rule::Rule;
use attn_gate::tries::Try;
use attn_record::disk;
use serde::de::DeserializeOwned;

use super::super::print_json;
use super::programs::this_program;
use crate::args::{CaseArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::registry;
use crate::session::{self, INTERRUPTED};

/// Measure slowdowns of known size, and none: error rates and power on this machine
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How long to measure: 5m, 2h
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    budget: Duration,
    /// Folder for samples, summary and plot; goes on with the samples that are there
    #[arg(long, value_name = "DIR", default_value = "target/attn-gate/calibration")]
    out: PathBuf,
    /// Measure and write nothing: only print the summary of what is in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["budget", "out"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    /// Whether nothing is measured or written.
    pub(super) const fn only_reads(&self) -> bool {
        self.from.is_some()
    }
}

const EXAMPLES: &str = "\
Examples:
  attn gate calibrate                                   five minutes: spread of a replicate, a first curve
  attn gate calibrate --budget 2h                       two hours more of the same, with narrow intervals
  attn gate calibrate --budget 0s                       only summarise again what is there
  attn gate calibrate --from bench-results/calibration  print the summary of a folder, and write nothing

Whole comparisons that the folder's tries.jsonl lists, of this gate and of other tools, get a table of their own;
scripts/make-calibration adds to it.";

/// Three kinds of case: the kind, the backend, the case, and whether all cores compute.
const KINDS: [(&str, &str, &str, bool); 3] = [
    ("compute-bound", "faer", "gate/short", false),
    ("memory-bound", "faer", "gate/decode", false),
    ("threaded", "faer", "gate/prefill", true),
];

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(folder) = &args.from {
        let (_, samples, tries) = read_folder(folder)?;
        if samples.is_empty() && tries.is_empty() {
            let folder = folder.display();
            return Err(
                anyhow!("{folder}: no samples; expected the folder of a calibration").into()
            );
        }
        return print(&Summary::of(&samples, &tries, &Rule::default()), args.output);
    }
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let (path, mut samples, tries) = read_folder(&args.out)?;
    if !args.budget.is_zero() {
        measure(args, &path, &mut samples)?;
    }
    if samples.is_empty() && tries.is_empty() {
        return Err(anyhow!("{}: no samples; give a longer --budget", path.display()).into());
    }
    let summary = Summary::of(&samples, &tries, &Rule::default());
    write(&args.out, &summary)?;
    let exit = print(&summary, args.output)?;
    if !args.output.json {
        note!("samples, summary and plot: {}", args.out.display());
    }
    Ok(exit)
}

/// Where the samples of a folder are, the samples, and whole comparisons.
fn read_folder(folder: &Path) -> Result<(PathBuf, Vec<Sample>, Vec<Try>), Failure> {
    let path = folder.join("calibration.jsonl");
    let samples = read(&path)?;
    Ok((path, samples, read(&folder.join("tries.jsonl"))?))
}

fn write(folder: &Path, summary: &Summary) -> Result<(), Failure> {
    let write = |name: &str, content: &str| -> Result<(), Failure> {
        let path = folder.join(name);
        Ok(disk::write_whole(&path, content.as_bytes())?)
    };
    write("calibration.json", &(serde_json::to_string_pretty(summary)? + "\n"))?;
    write("calibration.md", &calibration_markdown(summary))?;
    if let Some(chart) = calibration_plot(summary) {
        write("power.svg", &chart.svg)?;
    }
    Ok(())
}

fn print(summary: &Summary, output: OutputArgs) -> Result<Exit, Failure> {
    if output.json {
        print_json(summary)?;
    } else {
        print!("{}", calibration_markdown(summary));
    }
    Ok(Exit::Success)
}

/// One value per line; none if there is no such file.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let name = path.display();
    let text = disk::text(path, disk::LARGE)?;
    let lines = text.lines().enumerate();
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{name}:{}", at + 1))
    };
    Ok(lines.map(parse).collect::<Result<_, _>>()?)
}

/// The inputs of a case of the suite.
fn fixture(suite: &Suite, case: &str) -> Result<Fixture, Failure> {
    let found = suite.cases().iter().find(|found| found.id == case);
    let found = found.ok_or_else(|| anyhow!("this program has no case `{case}`"))?;
    let fixture = Fixture::make(suite, found, &registry::NAIVE, &std::env::temp_dir());
    Ok(fixture.map_err(|message| anyhow!("{case}: {message}"))?)
}

fn sample(kind: &str, planted: f64, ln_ratio: f64, taken: &Taken) -> Sample {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Sample {
        kind: kind.into(),
        cell: taken.id.clone(),
        planted,
        calls: taken.replicate.calls,
        ln_ratio,
        error: taken.replicate.error,
        blocks: [taken.replicate.blocks.len(), taken.replicate.left_out],
        at_ms: now.as_millis() as u64,
    }
}

/// Takes replicates until the budget is over, every kind and size in turn.
fn measure(args: &Args, path: &Path, samples: &mut Vec<Sample>) -> Result<(), Failure> {
    let suite = session::suite(&CaseArgs::default())?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let files = KINDS.iter().map(|(_, _, case, _)| fixture(&suite, case));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let mut kinds = Vec::new();
    let mut timed = Vec::new();
    for ((kind, backend, case, all_cores), fixture) in KINDS.into_iter().zip(&files) {
        let threads = if all_cores { cores } else { 1 };
        let cell = CellId { case: case.into(), backend: backend.into(), threads };
        for planted in PLANTED {
            kinds.push((kind, planted));
            timed.push(Timed {
                cells: [cell.clone(), cell.clone()],
                fixture,
                planted: planted / 100.0,
            });
        }
    }
    session::listen_for_interrupts();
    let _measuring = session::announce_measuring();
    let program = this_program()?.start;
    let mut file = File::options().create(true).append(true).open(path)?;
    let conditions = Conditions {
        ceilings: limits::ceilings(&machine::detect(), &DType::ALL, &[1, cores]),
        cpu: attn_sys::affinity::allowed().last().copied(),
        replicate_ns: Limits::default().replicate_ms as f64 * 1e6,
        seed: super::seed(),
    };
    let mut goes_on = |_, _| true;
    let sides = ["base", "HEAD"].map(|name| Side { name, program: &program });
    let mut live = Live::new(sides, &timed, conditions, &mut goes_on);
    let (start, mut said) = (Instant::now(), 0);
    for round in 0.. {
        for (at, (kind, planted)) in kinds.iter().enumerate() {
            if start.elapsed() >= args.budget || INTERRUPTED.load(Ordering::Relaxed) {
                return Ok(());
            }
            let ln_ratio = live.replicate(at).map_err(|error| anyhow!("{kind}: {error}"))?;
            let taken = live.last().expect("a replicate was just taken");
            let sample = sample(kind, *planted, ln_ratio, taken);
            writeln!(file, "{}", serde_json::to_string(&sample)?)?;
            samples.push(sample);
        }
        let left = args.budget.saturating_sub(start.elapsed()).as_secs();
        if round == 0 || start.elapsed().as_secs() >= said + 30 {
            said = start.elapsed().as_secs();
            note!("{} replicates, {left} s left", samples.len());
        }
    }
    Ok(())
}
