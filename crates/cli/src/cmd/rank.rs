//! `attn rank`: backends in order.

use std::path::PathBuf;

use attn_analysis::compare::{Ranking, rank};
use attn_record::Timing;
use attn_report::table;
use serde::Serialize;

use super::{FormArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::records::RecordArgs;
use crate::runs;

/// Rank backends by the geometric mean of their ratios, over the cases that all of them share
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run folders; a case of two runs counts twice [default: the latest of bench-results/runs]
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    records: RecordArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn rank                               the latest run of bench-results/runs
  attn rank bench-results/runs/2026-01-31T12-00-00Z
  attn rank -b faer,ndarray -c curated bench-results/runs/*
  attn rank --timing end-to-end --json bench-results/runs/2026-01-31T12-00-00Z

One timing is ranked at a time, the kernel alone unless --timing says otherwise; one table per machine,
build and number of threads. A backend with a wrong result is not ranked.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    rankings: Vec<Ranking>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let folders = match &args.runs[..] {
        [] => vec![runs::named(None)?],
        named => named.iter().map(|run| runs::named(Some(run))).collect::<Result<_, _>>()?,
    };
    let runs = args.records.read(&folders)?;
    let rankings = rank(&runs, args.records.timing.unwrap_or(Timing::Kernel));
    if rankings.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!("no selected cell has this timing")));
    }
    if args.form.json {
        print_json(&Report { rankings })?;
    } else {
        args.form.print(&table::rankings(&rankings));
    }
    Ok(Exit::Success)
}
