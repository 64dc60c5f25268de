//! `attn phases`: where the time of a call goes.

use anyhow::anyhow;
use attn_analysis::compare::{Breakdown, phases};
use attn_report::table;
use serde::Serialize;

use super::{CellsArgs, print_json};
use crate::exit::{Exit, Failure};

/// Where the time of a call goes, for backends that look: those of flash
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellsArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn phases bench-results/ladder
  attn phases -c ladder/full-d64 --threads 1 --markdown bench-results/ladder

pack: transposing q, widening half types; scores: Q K^T; softmax: what modifies scores, exponentials and sums;
values: P V; finish: dividing, transposing back, merging what threads did.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    phases: Vec<Breakdown>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (run, records) = args.cells.read()?;
    let phases = phases(&records);
    if phases.is_empty() {
        let folder = run.display();
        return Err(anyhow!(
            "{folder}: no selected cell says where its time went; expected cells of flash above scalar, \
             timing kernel"
        )
        .into());
    }
    if args.cells.form.json {
        print_json(&Report { phases })?;
    } else {
        args.cells.form.print(&table::phases(&phases));
    }
    Ok(Exit::Success)
}
