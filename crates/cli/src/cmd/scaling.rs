//! `attn scaling`: how time and memory grow.

use attn_analysis::scaling::Scaling;
use attn_report::table;

use super::{CellsArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::registry;

/// Fit how time and memory grow along the sweeps of a run, and where backends overtake each other
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellsArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn scaling                            the latest run of bench-results/runs
  attn scaling bench-results/runs/2026-01-31T12-00-00Z
  attn scaling -c sweep/seq-len --threads 1 bench-results/runs/2026-01-31T12-00-00Z
  attn scaling --json bench-results/runs/2026-01-31T12-00-00Z

Exponents are fitted by least squares on logarithms, over the sizes from 512 on where these are three
or more, else over all; the JSON has both. Speed-ups are shown for cells with several numbers of
threads.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (_, records) = args.cells.read()?;
    let scaling = Scaling::of(&records, &registry::SCORES);
    if args.cells.form.json {
        print_json(&scaling)?;
    } else if scaling.is_empty() {
        println!("No sweep was measured, and no case with several numbers of threads.");
    } else {
        args.cells.form.print(&table::scaling(&scaling));
    }
    Ok(Exit::Success)
}
