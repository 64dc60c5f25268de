//! The command line, as far as sub-commands share it.

use std::path::PathBuf;
use std::time::Duration;

use attn_core::{DType, Problem};
use attn_record::{Shard, Timing};
use clap::Args;

/// Which backends.
#[derive(Args, Clone, Debug, PartialEq)]
pub(crate) struct BackendArgs {
    /// Backends: names, groups or globs, separated by commas; `attn list` prints them
    #[arg(short, long, value_name = "GLOB,..")]
    pub(crate) backend: Option<String>,
}

/// Which cases.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct CaseArgs {
    /// Cases: paths, beginnings of paths or globs, separated by commas; `attn list` prints them
    #[arg(short, long, value_name = "GLOB,..")]
    pub(crate) case: Option<String>,
    /// Only cases stored in this type
    #[arg(long, value_name = "f64|f32|bf16|f16")]
    pub(crate) dtype: Option<DType>,
    /// Read case files from this folder instead of those built in
    #[arg(long, value_name = "DIR", alias = "cases")]
    pub(crate) suite: Option<PathBuf>,
    /// A problem in place of the cases, as tables print it: 'B1 H32/8 N1x4096 D128 bf16 causal:bottom-right'; for several,
    /// several times
    #[arg(long = "shape", value_name = "PROBLEM", value_parser = parse_problem, conflicts_with_all = ["suite", "dtype"])]
    pub(crate) shapes: Vec<Problem>,
}

/// How many threads.
#[derive(Args, Clone, Debug, PartialEq)]
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
#[derive(Args, Clone, Debug, PartialEq)]
pub(crate) struct PresetArgs {
    /// quick: at most 2 minutes on 2 cores; full: long sequences, more samples
    #[arg(short, long, default_value = "quick", value_parser = ["quick", "full"])]
    pub(crate) preset: String,
    /// A time budget instead of a preset: 90s, 10m
    #[arg(long, value_name = "TIME", conflicts_with = "preset", value_parser = parse_budget)]
    pub(crate) budget: Option<Duration>,
}

/// Which cells, and how much is done with them.
#[derive(Args, Clone, Debug, PartialEq)]
pub(crate) struct CellArgs {
    #[command(flatten)]
    pub(crate) backends: BackendArgs,
    /// Installed engines as well: other programs, see `attn engine list`
    #[arg(long)]
    pub(crate) engines: bool,
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
    #[command(flatten)]
    pub(crate) preset: PresetArgs,
    /// What is timed: kernel, kernel-cold, end-to-end, prepare, separated by commas [default: what each
    /// case asks for]
    #[arg(long = "timing", alias = "model", value_name = "TIMING,..", value_delimiter = ',',
          value_parser = parse_timing)]
    pub(crate) timings: Option<Vec<Timing>>,
    /// A worker that takes longer than this many seconds is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// GiB of address space of a worker; one that asks for more dies [default: half of the machine's
    /// memory]
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) memory: Option<u64>,
}

pub(crate) fn parse_timing(name: &str) -> Result<Timing, String> {
    let found = Timing::ALL.into_iter().find(|timing| timing.name() == name);
    found.ok_or_else(|| format!("expected one of {}", Timing::ALL.map(Timing::name).join(", ")))
}

pub(crate) fn parse_problem(text: &str) -> Result<Problem, String> {
    Problem::new(text.parse()?).map_err(|invalid| invalid.to_string())
}

/// A time that something can be done in.
fn parse_budget(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can be done in no time, expected 90s or 10m".into()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// `2/8`: the second of eight parts.
pub(crate) fn parse_shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').map(|(k, n)| (k.parse::<usize>(), n.parse::<usize>()));
    match parts {
        Some((Ok(index), Ok(count))) if (1..=count).contains(&index) => Ok(Shard { index, count }),
        _ => Err("expected k/n with 1 <= k <= n, such as 2/8".into()),
    }
}
