//! Sweeps as Markdown: backends down, sizes across.

use attn_record::{Outcome, Record};

use crate::format::time;
use crate::place::places;
use crate::sweep::{Line, Sweep};

/// One table per machine, build and sweep: medians, the best of each size in bold, `-` where there is no cell.
/// Cells that did not end `ok` show how they ended. Empty without a sweep.
pub fn markdown(records: &[Record]) -> String {
    let all: Vec<&Record> = records.iter().collect();
    let places = places(&all);
    let several = places.len() > 1;
    let tables = places.iter().flat_map(|(place, records)| {
        let title = if several { format!("; {}", place.title()) } else { String::new() };
        let tables = Sweep::all(records);
        tables.iter().map(|sweep| table(sweep, &title)).collect::<Vec<_>>()
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn table(sweep: &Sweep<'_>, place: &str) -> String {
    let sizes = sweep.sizes();
    let symbol = sweep.symbol();
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
    format!("Time per call, {title}{place}:\n\n{}\n", lines.join("\n"))
}

fn cell(sweep: &Sweep<'_>, line: &Line<'_>, size: usize) -> String {
    match line.cells.iter().find(|r| sweep.size(r) == size) {
        None => "-".into(),
        Some(record) if record.outcome != Outcome::Ok => record.outcome.to_string(),
        Some(record) => match record.median_ns() {
            None => "-".into(),
            Some(ns) if sweep.best(record) == Some(ns) => format!("**{}**", time(ns)),
            Some(ns) => time(ns),
        },
    }
}

/// What would end a cell of the table.
fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{elsewhere, sweep, with_outcome};

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
        let foreign: Vec<Record> = records.iter().cloned().map(elsewhere).collect();
        let both = markdown(&[records, foreign].concat());
        assert!(both.contains("1 thread; Other CPU, 2 cores; attn 0.1.0 (release):"), "{both}");
        assert_eq!(both.matches("| naive |").count(), 2);
    }
}
