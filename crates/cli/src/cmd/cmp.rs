//! `attn cmp`: backends side by side.

use attn_analysis::compare::{SideBySide, side_by_side};
use attn_report::table;
use serde::Serialize;

use super::{CellsArgs, print_json};
use crate::exit::{Exit, Failure};

/// Compare the backends of a run, case by case
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellsArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn cmp                                the latest run of bench-results/runs
  attn cmp bench-results/runs/2026-01-31T12-00-00Z
  attn cmp -b faer,ndarray -c sweep/seq-len --threads 1 bench-results/runs/2026-01-31T12-00-00Z
  attn cmp --timing end-to-end --markdown bench-results/runs/2026-01-31T12-00-00Z
  attn cmp --csv -c curated > curated.csv

A winner is marked only where the intervals at 95 % tell it from every other backend. Cells of one
process are given 10 % on both sides, because they know nothing of other processes.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    rows: Vec<SideBySide>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (_, records) = args.cells.read()?;
    let rows = side_by_side(&records);
    if args.cells.form.json {
        print_json(&Report { rows })?;
    } else {
        args.cells.form.print(&table::side_by_side(&rows));
    }
    Ok(Exit::Success)
}
