//! `attn check --intervals`: how often do intervals hold?

use attn_bench::coverage::{Coverage, coverage};
use attn_report::table::{Column, Table};

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
        print!("{}", table(&found).markdown());
    }
    Ok(Exit::Success)
}

/// A row for each of what was found.
fn table(found: &[Coverage]) -> Table {
    let rows = found.iter().map(|found| {
        let Coverage { preset, noise, processes, student, time, welch, ratio, .. } = found;
        let shares = [student, time, welch, ratio].map(|share| format!("{:.1} %", 100.0 * share));
        let noise = [preset.to_string(), noise.to_string(), format!("{processes:.1}")];
        noise.into_iter().chain(shares).map(Into::into).collect()
    });
    let names = ["preset", "processes differ by"].map(Column::words).into_iter();
    let numbers = ["processes", "Student's", "time", "Welch's", "ratio"].map(Column::number);
    let note = format!(
        "Processes of a cell on average; shares of {CELLS} cells whose true time Student's interval and the one that is \
         shown hold, and of half as many pairs whose true ratio Welch's interval and the one that is shown hold."
    );
    Table::new("", names.chain(numbers)).rows(rows).notes([note])
}
