//! The table in a terminal, 80 columns wide.

use attn_report::table::Options;

use super::{remarks, table, versus, worst_first};
use crate::result::{Gate, Verdict};

/// Every case, worst first, and a sentence for each that did not simply pass.
pub fn terminal(gate: &Gate) -> String {
    let cases = worst_first(gate);
    let mut table = table(&cases);
    table.title = versus(gate);
    // What was found is a sentence, for which a line of the table has no room.
    table.columns.pop();
    table.rows.iter_mut().for_each(|row| row.truncate(4));
    for case in cases {
        if !matches!(case.verdict, Verdict::Pass | Verdict::NotTimed) {
            table.notes.push(format!("{} {}: {}", case.verdict, case.id, case.detail));
        }
        if let Some(reason) = &case.accepted {
            table.notes.push(format!("  accepted: {reason}"));
        }
    }
    table.notes.extend(remarks(gate));
    table.notes.push(format!("{} in {:.0} s.", gate.summary(), gate.seconds));
    table.terminal(Options::default())
}
