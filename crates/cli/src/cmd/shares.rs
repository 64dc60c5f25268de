//! `attn shares`: how much of what the machine can do each backend gets.

use anyhow::anyhow;
use attn_analysis::compare::{Share, shares};
use attn_record::read_limits;
use attn_report::table;
use serde::Serialize;

use super::{CellsArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::program::program;

/// Shares of the FMA peak and of the bandwidth that the run measured, and what more threads bring
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellsArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn shares bench-results/ladder
  attn shares -b flash -c ladder/decode --markdown bench-results/ladder

The bandwidth is the limit where operands come from memory (timing kernel-cold) and there are too few
operations per byte for the peak; the peak is the limit elsewhere.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    shares: Vec<Share>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (run, records) = args.cells.read()?;
    let folder = run.display();
    let limits = read_limits(&run)?.ok_or_else(|| {
        anyhow!(
            "{folder}: no limits.json; expected the folder of a `{} run` that measured something",
            program()
        )
    })?;
    let shares = shares(&records, &limits);
    if shares.is_empty() {
        return Err(
            anyhow!("{folder}: no selected cell has both a time and a measured limit").into()
        );
    }
    if args.cells.form.json {
        print_json(&Report { shares })?;
    } else {
        args.cells.form.print(&table::shares(&shares));
    }
    Ok(Exit::Success)
}
