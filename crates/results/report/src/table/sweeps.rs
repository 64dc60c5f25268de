//! Sweeps: backends down, sizes across.

use attn_analysis::place::places;
use attn_analysis::sweep::{Line, Sweep};
use attn_record::{Outcome, Record};

use super::{Cell, Column, Table, Tone};
use crate::description::description;
use crate::format::time;

/// One table per machine, build and sweep: medians, the best of each size marked, `-` where there is no cell.
/// Cells that did not end `ok` show how they ended. Empty without a sweep.
pub fn sweeps(records: &[Record]) -> Vec<Table> {
    let all: Vec<&Record> = records.iter().collect();
    let places = places(&all);
    let several = places.len() > 1;
    let tables = places.iter().flat_map(|(place, records)| {
        let place = if several { format!("; {}", place.title()) } else { String::new() };
        let sweeps = Sweep::all(records);
        let shown = sweeps.iter().filter(|sweep| !sweep.sizes().is_empty());
        shown.map(|sweep| table(sweep, &place)).collect::<Vec<_>>()
    });
    tables.collect()
}

fn table(sweep: &Sweep<'_>, place: &str) -> Table {
    let sizes = sweep.sizes();
    let numbers = sizes.iter().map(|size| Column::number(size.to_string()));
    let columns = std::iter::once(Column::id(sweep.axis.symbol())).chain(numbers);
    let ran = |line: &Line<'_>| {
        line.cells.iter().any(|r| r.outcome == Outcome::Ok || r.outcome.is_failure())
    };
    let (lines, idle): (Vec<_>, Vec<_>) = sweep.lines().into_iter().partition(ran);
    let idle: Vec<String> = idle.iter().filter_map(left_out).collect();
    let idle = (!idle.is_empty()).then(|| format!("Not run: {}.", idle.join(", ")));
    let rows = lines.into_iter().map(|line| {
        let cells = sizes.iter().map(|&size| cell(sweep, &line, size));
        std::iter::once(line.backend.into()).chain(cells).collect()
    });
    let title = format!("Time per call, {}{place}", description(sweep));
    Table { repeated: 1, ..Table::new(title, columns).rows(rows.collect::<Vec<_>>()) }.notes(idle)
}

/// `additive (unsupported)`: a backend that was run nowhere, and how that ended.
fn left_out(line: &Line<'_>) -> Option<String> {
    Some(format!("{} ({})", line.backend, line.cells.first()?.outcome))
}

fn cell(sweep: &Sweep<'_>, line: &Line<'_>, size: usize) -> Cell {
    let record = line.cells.iter().find(|r| sweep.size(r) == size);
    match record {
        Some(record) if record.outcome != Outcome::Ok => record.outcome.to_string().into(),
        _ => {
            let ns = record.and_then(|record| record.median_ns());
            let best = record.is_some_and(|record| ns.is_some() && sweep.best(record) == ns);
            Cell::value(ns, time).tone(if best { Tone::Good } else { Tone::Plain })
        }
    }
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{elsewhere, sweep, with_outcome};

    use super::*;

    #[test]
    fn backends_down_and_sizes_across() {
        let mut records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        records[2] = with_outcome(records[2].clone(), Outcome::Timeout);
        records.remove(1);
        let refused = sweep("sweep/seq-len/full", &["none"], &[64]).remove(0);
        records.push(with_outcome(refused, Outcome::Unsupported));
        let expected = "\
Time per call, full attention, H = 1, D = 64, f32, 1 thread:

| N       |          64 |         128 |
| :------ | ----------: | ----------: |
| `naive` | **4.10 µs** |     timeout |
| `faer`  |           - | **32.8 µs** |

Not run: none (unsupported).
";
        assert_eq!(sweeps(&records)[0].markdown(), expected);
        let foreign: Vec<Record> = records.iter().cloned().map(elsewhere).collect();
        let both = sweeps(&[records, foreign].concat());
        assert_eq!(both.len(), 2);
        let title = &both[1].title;
        assert!(title.ends_with("1 thread; Other CPU, 2 cores; attn 0.1.0 (release)"), "{title}");
    }
}
