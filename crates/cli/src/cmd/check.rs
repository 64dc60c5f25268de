//! `attn check`: is every backend right?

use super::limits::Extent;
use super::{FormArgs, cheats, intervals, limits, mutants, print_records};
use crate::args::CellArgs;
use crate::exit::{Exit, Failure};
use crate::failures;
use crate::session::{Purpose, Session};

/// Check backends against the f64 oracle, without timing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_arg("timings", |arg| arg.requires("cheats").help(TIMED)))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what to check instead, of which one at most is given"
)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellArgs,
    /// Check the checker: run deliberately wrong backends instead; exit 0 if all are caught
    #[arg(long, conflicts_with_all = ["backend", "threads", "csv", "markdown"])]
    mutants: bool,
    /// Check the clock: time backends that look faster than they are instead, in every timing and before the gate; exit 0 if
    /// none gains by it
    #[arg(long, conflicts_with_all = ["mutants", "threads", "shapes", "csv", "markdown"])]
    cheats: bool,
    /// How wrong must a file be to be refused? Judge deliberately wrong and honest kernels as if their results came
    /// in files; exit 0 if all that can be told from rounding are refused and no honest one is
    #[arg(long, conflicts_with_all = ["backend", "threads", "case", "suite", "shapes", "mutants", "cheats", "csv", "markdown"])]
    limits: bool,
    /// With --limits, the longest sequence
    #[arg(long, value_name = "N", default_value_t = 8192, requires = "limits",
          value_parser = clap::value_parser!(u64).range(64..))]
    up_to: u64,
    /// How often do the intervals of times and ratios hold? Simulate cells and the rule that says when one has enough
    /// processes
    #[arg(long, conflicts_with_all = ["backend", "threads", "case", "suite", "shapes", "dtype", "mutants", "limits", "cheats", "csv", "markdown"])]
    intervals: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Nothing is timed otherwise.
const TIMED: &str = "With --cheats, what is timed: kernel, kernel-cold, end-to-end, prepare, separated by commas [default: all but prepare]";

const EXAMPLES: &str = "\
Examples:
  attn check                          all backends on the quick preset's cases
  attn check -b 'candle/*' -c real    candle's backends on real activations
  attn check -c '*causal*' --json     records and summary as JSON
  attn check -c real --csv            a line for each cell, for a spreadsheet
  attn check --shape 'N77 D40 causal' --shape 'N1x99 D64'
                                      problems of your own
  attn check --mutants                wrong backends: which are caught, by what
  attn check --cheats                 the same of kernels that cheat the clock
  attn check --limits --up-to 256     how wrong must a file be to be refused?
  attn check --intervals              how often do the intervals hold?

Exit code 0 if every backend is right, 1 if one is wrong, 3 if one fails.";

impl Args {
    /// Whether it only computes what it prints: every other check runs kernels.
    pub(super) const fn only_reads(&self) -> bool {
        self.intervals
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.mutants {
        return mutants::run(&args.cells.cases, args.form.output());
    }
    if args.cheats {
        return cheats::run(&args.cells, args.form.output());
    }
    if args.limits {
        let up_to = usize::try_from(args.up_to).unwrap_or(usize::MAX);
        return limits::run(&Extent { up_to, dtype: args.cells.cases.dtype }, args.form.output());
    }
    if args.intervals {
        return intervals::run(args.form.output());
    }
    let session = Session::new(&args.cells, Purpose::Check)?;
    let executed = session.execute(None)?;
    failures::say(&executed.failures);
    print_records(&executed.records, args.form)?;
    Ok(executed.exit())
}
