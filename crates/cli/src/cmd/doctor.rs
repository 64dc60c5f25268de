//! `attn doctor`: what this machine and this build can do, and what would disturb a measurement.

mod diagnosis;
mod text;

use attn_bench::limits::{Effort, Question};
use attn_bench::machine;

use self::diagnosis::{Diagnosis, Surroundings};
use super::FormArgs;
use crate::exit::{Exit, Failure};
use crate::session;

/// Measure this machine's limits, and say what is missing or would disturb a measurement
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Two seconds instead of ten: as `attn run` measures before its cells
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn doctor            machine, build, peaks, bandwidths, clock, noise, backends
  attn doctor --quick    the same from fewer samples
  attn doctor --csv      what the machine can do, for a spreadsheet; --markdown for a page
  attn doctor --json     all of it as data, every rate with its median and number of samples

A limit is what the fastest of many short samples reaches. The smallest difference is what two
programs that are measured in turns have to differ by to be told apart four times out of five, at
95 %, as far as the machine is concerned.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // Before the probes, which are a load themselves.
    let surroundings = Surroundings::now();
    let _measuring = session::announce_measuring();
    let machine = machine::detect();
    let threads = if machine.cores > 1 { vec![1, machine.cores] } else { vec![1] };
    let effort = if args.quick { Effort::QUICK } else { Effort::THOROUGH };
    let limits = session::probe(&Question { machine: &machine, threads: &threads, effort });
    let diagnosis = Diagnosis::of(surroundings, limits);
    args.form.show_or(&diagnosis, text::limits, |diagnosis| print!("{}", text::render(diagnosis)))
}
