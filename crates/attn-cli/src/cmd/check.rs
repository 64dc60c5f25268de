//! `attn check`: is every backend right?

use attn_report::{summary::Summary, table};
use serde::Serialize;

use super::{mutants, print_json};
use crate::args::{BackendArgs, CaseArgs, OutputArgs, PresetArgs, ThreadArgs};
use crate::exit::{Exit, Failure};
use crate::session::{self, Asked, Session};

/// Check backends against the f64 oracle, without timing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    cases: CaseArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    preset: PresetArgs,
    /// Check the checker: run deliberately wrong backends instead; exit 0 if all are caught
    #[arg(long, conflicts_with_all = ["backend", "threads"])]
    mutants: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn check                         every backend on every case of the quick preset
  attn check -b 'candle/*' -c real   candle's backends on real activations
  attn check -c '*causal*' --json    records and summary as JSON
  attn check --mutants               which deliberately wrong backends are caught, and by what";

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) summary: Summary,
    pub(super) records: &'a [attn_record::Record],
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.mutants {
        return mutants::run(&args.cases, args.output);
    }
    let session = Session::new(&Asked {
        backends: &args.backends,
        cases: &args.cases,
        threads: &args.threads,
        preset: session::preset(&args.preset),
        measure: false,
    })?;
    let executed = session.execute(&mut |_| Ok(()))?;
    let records = &executed.records;
    if args.output.json {
        print_json(&Report { summary: Summary::of(records), records })?;
    } else {
        print!("{}", table::render(records, table::Options::default()));
    }
    Ok(executed.exit())
}
