//! `attn phases`: where the time of a call goes.

use std::path::PathBuf;

use anyhow::anyhow;
use attn_report::compare::{Breakdown, phases};
use attn_report::table;
use serde::Serialize;

use super::{FormArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::records::RecordArgs;

/// Where the time of a call goes, for backends that look: those of flash
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
    let phases = phases(&args.records.read(&[&args.run])?.concat());
    if phases.is_empty() {
        let folder = args.run.display();
        return Err(anyhow!(
            "{folder}: no selected cell says where its time went; expected cells of flash above scalar, \
             model kernel"
        )
        .into());
    }
    if args.form.json {
        print_json(&Report { phases })?;
    } else {
        args.form.print(&table::phases(&phases));
    }
    Ok(Exit::Success)
}
