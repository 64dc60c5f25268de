//! `attn check`: is every backend right?

use super::{mutants, print_records};
use crate::args::{CellArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::session::{Purpose, Session};

/// Check backends against the f64 oracle, without timing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellArgs,
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

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.mutants {
        return mutants::run(&args.cells.cases, args.output);
    }
    let session = Session::new(&args.cells, Purpose::Check)?;
    let executed = session.execute(None)?;
    print_records(&executed.records, args.output)?;
    Ok(executed.exit())
}
