//! `attn check --intervals`: how often do intervals hold?

use attn_bench::coverage::{coverage, to_markdown};

use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};

/// Cells of each kind: a share of 95 % is known to 0.2 % then.
const CELLS: u32 = 10_000;

/// The same figures every time: the simulation is seeded.
pub(super) fn run(output: OutputArgs) -> Result<Exit, Failure> {
    let found = coverage(CELLS);
    if output.json {
        print_json(&found)?;
    } else {
        print!("{}", to_markdown(&found));
    }
    Ok(Exit::Success)
}
