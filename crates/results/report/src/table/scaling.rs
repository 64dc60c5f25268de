//! How time and memory grow: exponents, slopes and speed-ups.

use attn_analysis::place::Place;
use attn_analysis::rows::distinct;
use attn_analysis::scaling::{Bound, Exponent, Line, Scaling, Slope, Sweep, Threads};
use attn_record::stats::Interval;
use attn_record::{Axis, group_of, leaf_of};

use super::compare::by;
use super::{Cell, Column, Table, Tone};
use crate::format::{percent, ratio, significant, two_decimals};
use crate::sentences::{sweep_sentences, sweep_title};

/// By machine: exponents by sweep and backend with what else is to be said, then speed-ups by threads.
pub fn scaling(scaling: &Scaling) -> Vec<Table> {
    let sweeps = scaling.sweeps.iter().map(|sweep| &sweep.place);
    let places = distinct(sweeps.chain(scaling.threads.iter().map(|threads| &threads.place)));
    let several = places.len() > 1;
    let mut tables = Vec::new();
    for place in places {
        if several {
            tables.push(Table::new(format!("On {}", place.title()), []));
        }
        let sweeps = scaling.sweeps.iter().filter(|sweep| sweep.place == *place);
        tables.extend(sweeps.flat_map(of_sweep));
        tables.extend(speedups(&scaling.threads, place));
    }
    tables
}

/// Exponents, then slopes where there are any, and below the last of them the sentences.
fn of_sweep(sweep: &Sweep) -> Vec<Table> {
    let mut tables = vec![exponents(sweep)];
    tables.extend(slopes(sweep));
    if let Some(last) = tables.last_mut() {
        last.notes.extend(sweep_sentences(sweep));
    }
    tables
}

/// Backend, exponent of the time, and the same of the memory where it was counted.
fn exponents(sweep: &Sweep) -> Table {
    let symbol = sweep.axis.symbol();
    let expected = sweep.expected.map_or_else(String::new, |e| format!(": expected {symbol}^{e}"));
    let memory = sweep.backends.iter().any(|line| line.memory.best().is_some());
    let mut columns = vec![Column::backend("backend")];
    columns.extend([format!("time ~ {symbol}^"), "95 %".into()].map(Column::number));
    columns.push(Column::number("sizes").detail().if_several());
    if memory {
        columns.extend([format!("peak memory ~ {symbol}^"), "95 %".into()].map(Column::number));
        columns.push(Column::number("expected").detail());
    }
    let row = |line: &Line| {
        let mut cells = vec![line.backend.clone().into()];
        cells.extend(exponent(&line.time));
        cells.push(Cell::or_dash(sizes(sweep.axis, &line.time)));
        if memory {
            cells.extend(exponent(&line.memory));
            cells.push(Cell::or_dash(line.memory_expected.map(bound)));
        }
        cells
    };
    let rows: Vec<Vec<Cell>> = sweep.backends.iter().map(row).collect();
    let unclear = rows.iter().flatten().any(|cell| cell.text == "unclear");
    Table::new(sweep_title(sweep) + &expected, columns)
        .rows(rows)
        .notes(unclear.then_some(UNCLEAR_NOTE))
        .without_empty()
}

/// The exponent and its interval, if that says something.
fn exponent(exponent: &Exponent) -> [Cell; 2] {
    let fit = exponent.best();
    let interval = fit.and_then(|fit| fit.interval);
    let slope = Cell::value(fit.map(|fit| fit.slope), two_decimals);
    if interval.is_some_and(|interval| interval.high - interval.low > UNCLEAR) {
        return [Cell { text: "unclear".into(), ..slope }, Cell::or_dash(None)];
    }
    [slope, ends(interval, two_decimals)]
}

/// An interval of an exponent that is wider does not even tell linear from quadratic growth.
const UNCLEAR: f64 = 1.0;
const UNCLEAR_NOTE: &str =
    "Unclear: an interval wider than 1, since the sizes are few or not on a line on log-log axes.";

/// `1.93 to 2.03`.
fn ends(interval: Option<Interval>, show: fn(f64) -> String) -> Cell {
    let ends = interval.map(|i| format!("{} to {}", show(i.low), show(i.high)));
    Cell::or_dash(ends).tone(Tone::Muted)
}

/// `4, from 512 on`.
fn sizes(axis: Axis, exponent: &Exponent) -> Option<String> {
    let fit = exponent.best()?;
    let large = axis == Axis::Len && exponent.large == Some(fit);
    Some(format!("{}{}", fit.points, if large { ", from 512 on" } else { "" }))
}

fn bound(bound: Bound) -> String {
    let at_most = if bound.at_most { "≤ " } else { "" };
    format!("{at_most}{}", bound.exponent)
}

/// Slopes from size to size, each below the larger one; `None` without one.
fn slopes(sweep: &Sweep) -> Option<Table> {
    let mut sizes: Vec<usize> =
        sweep.backends.iter().flat_map(|l| &l.slopes).map(|s| s.to).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let row = |line: &Line| {
        let of = |size| line.slopes.iter().find(|s| s.to == size);
        let cells = sizes.iter().map(|&size| slope(sweep, of(size)));
        std::iter::once(line.backend.clone().into()).chain(cells).collect()
    };
    let first = Column::id(format!("slope up to {} =", sweep.axis.symbol()));
    let numbers = sizes.iter().map(|size| Column::number(size.to_string()));
    let table = Table::new("", std::iter::once(first).chain(numbers));
    let table = table.rows(sweep.backends.iter().map(row));
    // Of two sizes, the slope is the exponent.
    (sizes.len() > 1).then_some(Table { repeated: 1, ..table })
}

fn slope(sweep: &Sweep, slope: Option<&Slope>) -> Cell {
    let marked = slope.is_some_and(|slope| sweep.is_marked(slope));
    let tone = if marked { Tone::Unexpected } else { Tone::Plain };
    Cell::value(slope.map(|s| s.slope), two_decimals).tone(tone)
}

/// Speed-ups at one place, one table per group of cases and timing.
fn speedups(threads: &[Threads], place: &Place) -> Vec<Table> {
    let threads: Vec<&Threads> = threads.iter().filter(|cell| cell.place == *place).collect();
    let groups = by(&threads, |cell| (group_of(&cell.case).to_owned(), cell.timing)).into_iter();
    let tables = groups.map(|((group, timing), cells)| {
        let names = ["case", "backend"].map(Column::id).into_iter();
        let numbers = ["threads", "speed-up", "95 %", "efficiency"].map(Column::number);
        let numbers = numbers
            .map(|column| if column.name == "threads" { column.if_several() } else { column });
        Table::new(format!("speed-up by threads: {group}, {timing}"), names.chain(numbers))
            .rows(cells.into_iter().flat_map(|cell| speedup(cell)))
    });
    tables.collect()
}

fn speedup(cell: &Threads) -> impl Iterator<Item = Vec<Cell>> {
    cell.speedups.iter().skip(1).map(move |s| {
        vec![
            leaf_of(&cell.case).into(),
            cell.backend.clone().into(),
            Cell::count(Some(s.threads)),
            Cell::value(Some(s.speedup), ratio),
            ends(s.interval, significant),
            Cell::value(Some(s.efficiency), percent),
        ]
    })
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;
    use proptest::prelude::*;

    use super::*;
    use crate::table::Options;

    fn terminal(found: &Scaling, width: usize) -> String {
        scaling(found)
            .iter()
            .map(|table| table.terminal(Options { width, ..Options::default() }))
            .collect()
    }

    #[test]
    fn a_sweep_reads_like_this() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([1e6, 2e6, 2e6, 4e6, 4e6, 8e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        let found = Scaling::of(&records, &[]);
        let expected = "\
sweep/seq-len/full, f32, kernel, 1 thread: expected N^2, sizes 3, from 512 on
  backend  time ~ N^          95 %
  a             1.00  1.00 to 1.00
  b             1.00  1.00 to 1.00
  slope up to N =  1024  2048
  a                1.00  1.00
  b                1.00  1.00
";
        let text = terminal(&found, 80);
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn slopes_that_are_not_expected_stand_out() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([1e6, 9e6, 36e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        let slopes = &scaling(&Scaling::of(&records, &[]))[1];
        let tones: Vec<Tone> = slopes.rows[0].iter().map(|cell| cell.tone).collect();
        assert_eq!(tones, [Tone::Plain, Tone::Unexpected, Tone::Plain]);
        assert!(slopes.html().contains("number departs\" data-value=\"3.1699"));
    }

    #[test]
    fn speedups_are_listed() {
        let cell = |threads, ns| {
            let mut record = fixture::ok("g/a", "x", ns);
            record.threads = threads;
            record
        };
        let text = terminal(&Scaling::of(&[cell(1, 1000.0), cell(2, 500.0)], &[]), 80);
        assert!(text.contains("2.00x") && text.contains("100%"), "{text}");
    }

    #[test]
    fn machines_are_told_apart() {
        let here = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024]);
        let there: Vec<_> = here.iter().cloned().map(fixture::elsewhere).collect();
        let found = Scaling::of(&[here, there].concat(), &[]);
        let text = terminal(&found, 80);
        assert_eq!(text.matches("sweep/seq-len/full, f32").count(), 2, "{text}");
        assert!(text.contains("On Other CPU, 2 cores"), "{text}");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(group in "[a-z]{1,90}", backend in "[a-z]{1,90}", width in 72usize..120) {
            let mut records = fixture::sweep(&group, &[&backend, "b"], &[64, 128, 256, 512]);
            records.extend(records.clone().into_iter().map(|mut r| { r.threads = 64; r }));
            records[0].volatile.measurement = Some(fixture::certain(1e9));
            let found = Scaling::of(&records, &[]);
            for line in terminal(&found, width).lines() {
                prop_assert!(line.chars().count() <= width, "{}", line);
            }
        }
    }
}
