//! `attn measure`: how fast is it? Checked first, always.

use super::{FormArgs, print_records};
use crate::args::CellArgs;
use crate::exit::{Exit, Failure};
use crate::failures;
use crate::session::{Purpose, Session};

/// Check, then time; print the table and keep nothing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cells: CellArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn measure -b faer,ndarray -c curated      two backends on the layers of known models
  attn measure --shape 'H12 N128 D64 bf16'     a problem of your own
  attn measure -c sweep/seq-len/full -p full   the long sequences too, with more samples
  attn measure -b naive -c '*n=256' --json     all samples as JSON
  attn measure -c curated --csv                a line for each cell, for a spreadsheet";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let session = Session::new(&args.cells, Purpose::Measure)?;
    let executed = session.execute(None)?;
    failures::say(&executed.failures);
    print_records(&executed.records, args.form)?;
    Ok(executed.exit())
}
