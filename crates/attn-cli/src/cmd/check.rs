//! `attn check`: is every backend right?

use super::limits::Extent;
use super::{limits, mutants, print_records};
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
    /// How wrong must a file be to be refused? Judge deliberately wrong and honest kernels as if their results came
    /// in files; exit 0 if all that can be told from rounding are refused and no honest one is
    #[arg(long, conflicts_with_all = ["backend", "threads", "case", "cases", "mutants"])]
    limits: bool,
    /// With --limits, the longest sequence
    #[arg(long, value_name = "N", default_value_t = 8192, requires = "limits",
          value_parser = clap::value_parser!(u64).range(64..))]
    up_to: u64,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn check                         every backend on every case of the quick preset
  attn check -b 'candle/*' -c real   candle's backends on real activations
  attn check -c '*causal*' --json    records and summary as JSON
  attn check --mutants               which deliberately wrong backends are caught, and by what
  attn check --limits --up-to 256    how wrong a result in a file must be to be refused";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.mutants {
        return mutants::run(&args.cells.cases, args.output);
    }
    if args.limits {
        let up_to = usize::try_from(args.up_to).unwrap_or(usize::MAX);
        return limits::run(&Extent { up_to, dtype: args.cells.cases.dtype }, args.output);
    }
    let session = Session::new(&args.cells, Purpose::Check)?;
    let executed = session.execute(None)?;
    print_records(&executed.records, args.output)?;
    Ok(executed.exit())
}
