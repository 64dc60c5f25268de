//! `attn gate`: is HEAD slower or wrong, compared with its base?

mod calibrate;
mod explain;
mod observer;
mod programs;
mod run;

pub(super) use programs::this_program;

use std::path::PathBuf;
use std::time::SystemTime;

use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};

/// Where a gate leaves its outputs, unless told otherwise.
const OUT: &str = "target/attn-gate";

/// Compare HEAD with its base: right first, then memory and accuracy, then time
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(clap::Subcommand)]
enum Command {
    Calibrate(calibrate::Args),
    Explain(explain::Args),
}

impl Args {
    /// Whether it prints what a folder holds, and leaves it as it is.
    pub(super) const fn only_reads(&self) -> bool {
        match &self.command {
            Some(Command::Calibrate(args)) => args.only_reads(),
            Some(Command::Explain(_)) => true,
            None => false,
        }
    }
}

/// What a gate compares, and how.
#[derive(clap::Args)]
struct RunArgs {
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    backends: BackendArgs,
    /// Cases: paths, beginnings of paths or globs, separated by commas [default: what the configuration
    /// says, or gate]
    #[arg(short, long, value_name = "GLOB,..")]
    case: Option<String>,
    /// What is gated and which regressions are meant [default: gate.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for gate.json and what is made from it
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    /// Slow HEAD down on purpose, by extra calls: cells whose id contains TEXT, by PERCENT. Shows whether
    /// the gate would notice
    #[arg(long, value_name = "TEXT=PERCENT", value_parser = parse_plant)]
    plant: Vec<(String, f64)>,
    /// Of the coins that decide who comes first
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Compare times even if both are the same program
    #[arg(long)]
    measure_identical: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which two programs.
#[derive(clap::Args)]
struct ProgramArgs {
    /// Revision to compare with [default: where HEAD left origin/main]
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Compare with this program instead of building base
    #[arg(long, value_name = "FILE", conflicts_with = "base", requires = "head_bin")]
    base_bin: Option<PathBuf>,
    /// Gate this program instead of building HEAD
    #[arg(long, value_name = "FILE", conflicts_with = "base", requires = "base_bin")]
    head_bin: Option<PathBuf>,
    /// Folder for sources, builds and programs, outside of the repository [default: attn-gate in the
    /// user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  attn gate                                  HEAD against where it left origin/main
  attn gate --base v0.3.0 -b flash           one group of backends against a release
  attn gate --base-bin old --head-bin new    two programs that are already built
  attn gate --plant faer:gate/prefill=3      would a slowdown of 3 % be noticed here?

Verdicts: PASS, IMPROVED, ACCEPTED, NEW; REGRESSED, WORSE, WRONG, REMOVED (exit 1); ERROR (exit 3);
INCONCLUSIVE, VOID, NOT TIMED (exit 4).";

/// `faer:gate/prefill=3`: a part of an id and percents.
fn parse_plant(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=').map(|(id, percent)| (id, percent.parse::<f64>()));
    match parts {
        Some((id, Ok(percent))) if (0.0..=100.0).contains(&percent) => {
            Ok((id.into(), percent / 100.0))
        }
        _ => Err("expected TEXT=PERCENT with 0 to 100 percent, such as faer:gate=3".into()),
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Some(Command::Calibrate(args)) => calibrate::run(args),
        Some(Command::Explain(args)) => explain::run(args),
        None => run::run(&args.run),
    }
}

/// The time in nanoseconds: every comparison tosses other coins.
pub(super) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as u64
}
