//! `attn measure`: how fast is it? Checked first, always.

use attn_report::{summary::Summary, table};

use super::check::Report;
use super::print_json;
use crate::args::{BackendArgs, CaseArgs, OutputArgs, PresetArgs, ThreadArgs};
use crate::exit::{Exit, Failure};
use crate::session::{self, Asked, Session};

/// Check, then time; print the table and keep nothing
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
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn measure -b faer,ndarray -c curated      two backends on the layers of known models
  attn measure -c sweep/seq-len/full -p full   the long sequences too, with more samples
  attn measure -b naive -c '*n=256' --json     all samples as JSON";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let session = Session::new(&Asked {
        backends: &args.backends,
        cases: &args.cases,
        threads: &args.threads,
        preset: session::preset(&args.preset),
        measure: true,
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
