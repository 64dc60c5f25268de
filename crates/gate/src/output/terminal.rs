//! The table in a terminal, 80 columns wide.

use attn_report::table::{Grid, Options};

use super::{change, interval, remarks, versus, worst_first};
use crate::result::{Gate, Verdict};

/// Every case, worst first, and a sentence for each that did not simply pass.
pub fn terminal(gate: &Gate) -> String {
    let head = ["verdict", "case", "change", "95 % interval"].map(String::from).to_vec();
    let mut rows = vec![head];
    let mut notes = Vec::new();
    for case in worst_first(gate) {
        rows.push(vec![case.verdict.name().into(), case.id.clone(), change(case), interval(case)]);
        if !matches!(case.verdict, Verdict::Pass | Verdict::NotTimed) {
            notes.push(format!("{} {}: {}", case.verdict, case.id, case.detail));
        }
        if let Some(reason) = &case.accepted {
            notes.push(format!("  accepted: {reason}"));
        }
    }
    notes.extend(remarks(gate));
    notes.push(format!("{} in {:.0} s.", gate.summary(), gate.seconds));
    let grid = Grid { title: versus(gate), rows, names: 2, notes };
    grid.terminal(Options::default())
}
