//! `attn report`: draw a run again.

use std::path::PathBuf;

use attn_report::write::write_report;
use serde::Serialize;

use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};

/// Draw the charts and the page of a run folder again, from its records alone
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Draw the charts as PNG too
    #[arg(long)]
    png: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn report bench-results/runs/2026-01-31T12-00-00Z
  attn report --png bench-results/runs/2026-01-31T12-00-00Z";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let files = write_report(&args.run, args.png)?;
    if args.output.json {
        print_json(&Report { files })?;
    } else {
        for file in files {
            println!("{}", file.display());
        }
    }
    Ok(Exit::Success)
}
