//! Sweeps as Markdown: backends down, sizes across.

use attn_record::{Axis, Outcome, Record};

use crate::format::time;
use crate::rows::best_ns;
use crate::sweep::{Line, Sweep};

/// One table per sweep: medians, the best of each size in bold, `-` where there is no cell.
/// Cells that did not end `ok` show how they ended. Empty without a sweep.
pub fn markdown(records: &[Record]) -> String {
    let tables: Vec<String> = Sweep::all(records).iter().map(table).collect();
    tables.join("\n")
}

fn table(sweep: &Sweep<'_>) -> String {
    let sizes = sweep.sizes();
    let symbol = match sweep.axis {
        Axis::Len => "N",
        Axis::Dim => "D",
    };
    let row = |name: &str, cells: Vec<String>| format!("| {name} | {} |", cells.join(" | "));
    let mut lines = vec![
        row(symbol, sizes.iter().map(usize::to_string).collect()),
        format!("|:---|{}", "---:|".repeat(sizes.len())),
    ];
    for line in sweep.lines() {
        let cells = sizes.iter().map(|&size| cell(sweep, &line, size));
        lines.push(row(&escape(line.backend), cells.collect()));
    }
    let title = sweep.description();
    format!("Time per call, {title}:\n\n{}\n", lines.join("\n"))
}

fn cell(sweep: &Sweep<'_>, line: &Line<'_>, size: usize) -> String {
    match line.cells.iter().find(|r| sweep.size(r) == size) {
        None => "-".into(),
        Some(record) if record.outcome != Outcome::Ok => record.outcome.to_string(),
        Some(record) => match record.median_ns() {
            None => "-".into(),
            Some(ns) if best(sweep, size) == Some(ns) => format!("**{}**", time(ns)),
            Some(ns) => time(ns),
        },
    }
}

/// The shortest median at a size.
fn best(sweep: &Sweep<'_>, size: usize) -> Option<f64> {
    let rivals = sweep.records.iter().filter(|r| sweep.size(r) == size);
    best_ns(&rivals.copied().collect::<Vec<_>>())
}

/// What would end a cell of the table.
fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{sweep, with_outcome};

    #[test]
    fn backends_down_and_sizes_across() {
        let mut records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        records[2] = with_outcome(records[2].clone(), Outcome::Timeout);
        records.remove(1);
        let expected = "\
Time per call, full attention, H = 1, D = 64, f32, 1 thread:

| N | 64 | 128 |
|:---|---:|---:|
| naive | **4.10 µs** | timeout |
| faer | - | **32.8 µs** |
";
        assert_eq!(markdown(&records), expected);
    }
}
