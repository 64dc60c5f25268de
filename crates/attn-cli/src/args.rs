//! The command line, as far as sub-commands share it.

use std::path::PathBuf;

use attn_core::DType;
use clap::{Args, Parser, Subcommand};

use crate::cmd::{
    check, cmp, diff, list, measure, rank, report, run, scaling, soak, support, verify,
};

/// A barometer for attention: interchangeable backends, checked against an f64 oracle, measured
/// side by side, drawn.
#[derive(Parser)]
#[command(name = "attn", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 the answer is no (a backend disagrees); 2 usage; 3 broken input or
environment (bad file, failed or timed-out worker, nothing that could run).";

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Check(check::Args),
    Verify(verify::Args),
    Measure(measure::Args),
    Cmp(cmp::Args),
    Rank(rank::Args),
    Diff(diff::Args),
    Scaling(scaling::Args),
    Report(report::Args),
    List(list::Args),
    Support(support::Args),
    Soak(soak::Args),
    /// Executes the one request on stdin: how the other commands start a cell
    #[command(hide = true)]
    Worker,
}

/// Which backends.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackendArgs {
    /// Backends: names, groups or globs, separated by commas
    #[arg(short, long, value_name = "GLOB,..")]
    pub(crate) backend: Option<String>,
}

/// Which cases.
#[derive(Args, Clone, Debug)]
pub(crate) struct CaseArgs {
    /// Cases: paths, beginnings of paths or globs, separated by commas
    #[arg(short, long, value_name = "GLOB,..")]
    pub(crate) case: Option<String>,
    /// Only cases stored in this type
    #[arg(long, value_name = "f64|f32|bf16|f16")]
    pub(crate) dtype: Option<DType>,
    /// Read case files from this folder instead of those built in
    #[arg(long, value_name = "DIR")]
    pub(crate) cases: Option<PathBuf>,
}

/// How many threads.
#[derive(Args, Clone, Debug)]
pub(crate) struct ThreadArgs {
    /// Threads, separated by commas [default: 1, and all cores where a case asks for it]
    #[arg(short, long, value_name = "N,..", value_delimiter = ',',
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<Vec<u16>>,
}

/// The form of the output.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// Print JSON on stdout, everything else on stderr
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much is done.
#[derive(Args, Clone, Debug)]
pub(crate) struct PresetArgs {
    /// quick: at most 2 minutes on 2 cores; full: long sequences, more samples
    #[arg(short, long, default_value = "quick", value_parser = ["quick", "full"])]
    pub(crate) preset: String,
}

/// Which cells, and how much is done with them.
#[derive(Args, Clone, Debug)]
pub(crate) struct CellArgs {
    #[command(flatten)]
    pub(crate) backends: BackendArgs,
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
    #[command(flatten)]
    pub(crate) preset: PresetArgs,
}
