//! `attn scaling`: how time and memory grow.

use std::path::PathBuf;

use attn_report::scaling::Scaling;
use attn_report::table;

use super::{FormArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::records::RecordArgs;
use crate::registry;

/// Fit how time and memory grow along the sweeps of a run, and where backends overtake each other
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    records: RecordArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn scaling bench-results/runs/2026-01-31T12-00-00Z
  attn scaling -c sweep/seq-len --threads 1 bench-results/runs/2026-01-31T12-00-00Z
  attn scaling --json bench-results/runs/2026-01-31T12-00-00Z

Exponents are fitted by least squares on logarithms, over the sizes from 512 on where these are three
or more, else over all; the JSON has both. Speed-ups are shown for cells with several numbers of
threads.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let records = args.records.read(&[&args.run])?.concat();
    let scaling = Scaling::of(&records, &registry::SCORES);
    if args.form.json {
        print_json(&scaling)?;
    } else if scaling.is_empty() {
        println!("No sweep was measured, and no case with several numbers of threads.");
    } else if args.form.markdown {
        print!("{}", table::scaling_markdown(&scaling));
    } else {
        print!("{}", table::scaling(&scaling, table::Options::default()));
    }
    Ok(Exit::Success)
}
