//! `attn gate explain`: how a verdict came about.

use std::path::PathBuf;

use anyhow::anyhow;
use attn_gate::output;
use attn_gate::result::{read, read_replicates};

use super::OUT;
use crate::exit::{Exit, Failure};

/// Print blocks, replicates and the reason of a verdict
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A part of the ids of cases
    #[arg(value_name = "CASE")]
    case: String,
    /// The folder of the gate
    #[arg(long, value_name = "DIR", default_value = OUT)]
    from: PathBuf,
    /// Print every block
    #[arg(long)]
    blocks: bool,
}

const EXAMPLES: &str = "\
Examples:
  attn gate explain faer:gate/prefill             its replicates, with the test
  attn gate explain faer:gate/prefill --blocks    and every block of each";

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let gate = read(&args.from)?;
    let taken = read_replicates(&args.from)?;
    let cases: Vec<_> = gate.cases.iter().filter(|case| case.id.contains(&args.case)).collect();
    if cases.is_empty() {
        let ids: Vec<&str> = gate.cases.iter().map(|case| case.id.as_str()).collect();
        let error =
            anyhow!("no case of this gate contains `{}`, there are {}", args.case, ids.join(", "));
        return Err(Failure::usage(error));
    }
    for case in cases {
        print!("{}", output::explain(&gate, case, &taken, args.blocks));
    }
    Ok(Exit::Success)
}
