//! `attn diff`: one run against another.

use std::path::PathBuf;

use attn_analysis::compare::diff;
use attn_report::table;

use super::{FormArgs, print_json};
use crate::exit::{Exit, Failure};
use crate::records::RecordArgs;
use crate::runs;

/// Compare a run with an older one: what is faster, slower, the same
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run folder to compare with [default: the last but one of bench-results/runs]
    #[arg(value_name = "OLD")]
    old: Option<PathBuf>,
    /// The run folder in question [default: the latest of bench-results/runs]
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    #[command(flatten)]
    records: RecordArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn diff                               the last two runs of bench-results/runs
  attn diff bench-results/runs/2026-01-31T12-00-00Z bench-results/runs/2026-02-01T12-00-00Z
  attn diff -b faer --json OLD NEW

Faster or slower: the interval of new/old at 95 % leaves out 1. Same: all of it is within 5 % of 1.
Undecided: the samples cannot tell. Times of one process are given 10 % on both sides, so that only
runs with several processes per cell find that something stayed the same. Beside the processes of both
runs, an interval allows for what sets two runs apart: as much as processes of cells of its kind, those
in the processor's private caches and those beyond them, typically differ. new/old is at equal clock:
a processor whose frequency is 3 % lower today makes everything 3 % slower, and nothing about the
program has changed. So each sample is taken between two readings of how long a fixed number of the
processor's cycles takes, and its time is counted in those; the last lines say how the times as such
compare. A GPU's times, and runs that hold no such readings, are compared as they are. Cells are
compared with those of the same machine; where the runs have none in common, and where builds differ,
the head says so. The exit code is 0 whatever the verdicts are.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let folders = match &args.old {
        None => {
            let [old, new] = runs::latest()?;
            note!("attn: the last two runs: {} and {}", old.display(), new.display());
            [old, new]
        }
        Some(old) => [runs::named(Some(old))?, runs::named(args.new.as_deref())?],
    };
    let runs = args.records.read(&folders)?;
    let found = diff(&runs[0], &runs[1]);
    if args.form.json {
        print_json(&found)?;
    } else {
        args.form.print(&table::diff(&found));
    }
    Ok(Exit::Success)
}
