//! Scaling in the terminal, and as Markdown.

use attn_record::stats::Interval;

use super::columns::Columns;
use super::compare::{by, group, leaf};
use super::{Grid, Options};
use crate::format::{percent, shorten, significant, two_decimals};
use crate::place::Place;
use crate::rows::distinct;
use crate::scaling::{Exponent, Line, Scaling, Sweep, Threads};

const INDENT: &str = "  ";

/// Exponents by sweep and backend, then what else is to be said, then speed-ups by threads.
pub fn scaling(scaling: &Scaling, options: Options) -> String {
    let width = options.width.max(72);
    let mut blocks = Vec::new();
    for (place, title) in named(scaling) {
        if !title.is_empty() {
            blocks.push(shorten(&format!("== {title}"), width) + "\n");
        }
        let sweeps = scaling.sweeps.iter().filter(|sweep| sweep.place == *place);
        blocks.extend(sweeps.map(|sweep| block(sweep, width)));
        let grids = speedups(&scaling.threads, place);
        blocks.extend(grids.iter().map(|grid| grid.terminal(options)));
    }
    blocks.join("\n")
}

/// Exponents and sentences as Markdown; empty if there is nothing to say.
pub fn scaling_markdown(scaling: &Scaling) -> String {
    let of_sweep = |sweep: &Sweep| {
        let said: String = sweep.sentences().iter().map(|said| item(said)).collect();
        format!("{}:\n\n{said}", sweep.title())
    };
    let mut parts = Vec::new();
    for (place, title) in named(scaling) {
        if !title.is_empty() {
            parts.push(format!("On {title}:\n"));
        }
        let sweeps = scaling.sweeps.iter().filter(|sweep| sweep.place == *place);
        parts.extend(sweeps.map(of_sweep));
        parts.extend(speedups(&scaling.threads, place).iter().map(Grid::markdown));
    }
    parts.join("\n")
}

/// Every place, with its title where there are several.
fn named(scaling: &Scaling) -> Vec<(&Place, String)> {
    let sweeps = scaling.sweeps.iter().map(|sweep| &sweep.place);
    let places = distinct(sweeps.chain(scaling.threads.iter().map(|threads| &threads.place)));
    let several = places.len() > 1;
    let title = |place: &Place| if several { place.title() } else { String::new() };
    places.into_iter().map(|place| (place, title(place))).collect()
}

fn item(said: &str) -> String {
    ["- ", said, "\n"].concat()
}

fn block(sweep: &Sweep, width: usize) -> String {
    let symbol = sweep.symbol();
    let expected = sweep.expected.map_or_else(String::new, |e| format!(": expected {symbol}^{e}"));
    let title = shorten(&format!("{}{expected}", sweep.title()), width) + "\n";
    let exponents = sweep.backends.iter().flat_map(|l| [sweep.of_time(l), sweep.of_memory(l)]);
    let in_table: Vec<String> = exponents.flatten().collect();
    let others = sweep.sentences().into_iter().filter(|said| !in_table.contains(said));
    let others: String = others.map(|said| wrap(&said, width)).collect();
    [title, indented(&exponent_rows(sweep), 1, width), slopes(sweep, width), others].concat()
}

/// Backend, exponent of the time, its interval, and the same of the memory where it was counted.
fn exponent_rows(sweep: &Sweep) -> Vec<Vec<String>> {
    let symbol = sweep.symbol();
    let mut head = vec!["backend".into(), format!("time ~ {symbol}^"), "95 %".into()];
    let memory = sweep.backends.iter().any(|line| line.memory.best().is_some());
    if memory {
        head.extend([format!("peak memory ~ {symbol}^"), "95 %".into()]);
    }
    let row = |line: &Line| {
        let mut cells = vec![line.backend.clone()];
        cells.extend(exponent(&line.time));
        if memory {
            cells.extend(exponent(&line.memory));
        }
        cells
    };
    std::iter::once(head).chain(sweep.backends.iter().map(row)).collect()
}

fn exponent(exponent: &Exponent) -> [String; 2] {
    let fit = exponent.best();
    let interval = fit.and_then(|fit| fit.interval);
    [
        fit.map_or_else(|| "-".into(), |fit| two_decimals(fit.slope)),
        interval.map_or_else(|| "-".into(), ends),
    ]
}

fn ends(interval: Interval) -> String {
    format!("{} to {}", two_decimals(interval.low), two_decimals(interval.high))
}

/// Slopes from size to size: each below the larger one.
fn slopes(sweep: &Sweep, width: usize) -> String {
    let mut sizes: Vec<usize> =
        sweep.backends.iter().flat_map(|l| &l.slopes).map(|s| s.to).collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.is_empty() {
        return String::new();
    }
    let mut head = vec![format!("slope up to {} =", sweep.symbol())];
    head.extend(sizes.iter().map(usize::to_string));
    let row = |line: &Line| {
        let of = |size| line.slopes.iter().find(|s| s.to == size);
        let cells = sizes.iter().map(|&size| of(size).map(|s| two_decimals(s.slope)));
        let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".into()));
        std::iter::once(line.backend.clone()).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(sweep.backends.iter().map(row)).collect();
    indented(&rows, 1, width)
}

/// Speed-ups at one place, one table per group of cases and model.
fn speedups(threads: &[Threads], place: &Place) -> Vec<Grid> {
    let threads: Vec<&Threads> = threads.iter().filter(|cell| cell.place == *place).collect();
    let groups = by(&threads, |cell| (group(&cell.case).to_owned(), cell.model)).into_iter();
    let grids = groups.map(|((group, model), cells)| {
        let head = ["case", "backend", "threads", "speed-up", "95 %", "efficiency"];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(cells.into_iter().flat_map(|cell| speedup(cell)));
        Grid { title: format!("threads: {group}, {model}"), rows, names: 2, notes: Vec::new() }
    });
    grids.collect()
}

fn speedup(cell: &Threads) -> impl Iterator<Item = Vec<String>> {
    let ends = |i: Interval| format!("{} to {}", significant(i.low), significant(i.high));
    cell.speedups.iter().skip(1).map(move |s| {
        vec![
            leaf(&cell.case).to_owned(),
            cell.backend.clone(),
            s.threads.to_string(),
            format!("{}x", significant(s.speedup)),
            s.interval.map_or_else(|| "-".into(), ends),
            percent(s.efficiency),
        ]
    })
}

/// `rows` in columns, of which the first `names` hold names.
pub(super) fn indented(rows: &[Vec<String>], names: usize, width: usize) -> String {
    let columns = Columns::fit(rows, names, width - INDENT.len());
    rows.iter().map(|row| INDENT.to_owned() + &columns.line(row)).collect()
}

/// `text` on lines of at most `width` characters, indented.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a first line");
        let room = width - INDENT.len();
        if last.is_empty() {
            *last = shorten(word, room);
        } else if last.chars().count() + 1 + word.chars().count() <= room {
            *last += " ";
            *last += word;
        } else {
            lines.push(format!("  {}", shorten(word, room - 2)));
        }
    }
    lines.iter().map(|line| [INDENT, line, "\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_sweep_reads_like_this() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([1e6, 2e6, 2e6, 4e6, 4e6, 8e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        let found = Scaling::of(&records, &[]);
        let expected = "\
sweep/seq-len/full, f32, kernel, 1 thread: expected N^2
  backend  time ~ N^          95 %
  a             1.00  1.00 to 1.00
  b             1.00  1.00 to 1.00
  slope up to N =  1024  2048
  a                1.00  1.00
  b                1.00  1.00
";
        let text = scaling(&found, Options::default());
        assert!(text.starts_with(expected), "{text}");
        let markdown = scaling_markdown(&found);
        assert!(
            markdown.contains(
                "- a: time grows as N^1.00 (1.00 to 1.00) for N >= 512; expected is 2.\n"
            )
        );
    }

    #[test]
    fn machines_are_told_apart() {
        let here = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024]);
        let there: Vec<_> = here.iter().cloned().map(fixture::elsewhere).collect();
        let found = Scaling::of(&[here, there].concat(), &[]);
        let text = scaling(&found, Options::default());
        assert_eq!(text.matches("sweep/seq-len/full, f32").count(), 2, "{text}");
        assert!(text.contains("== Other CPU, 2 cores"), "{text}");
        assert!(scaling_markdown(&found).contains("On Other CPU, 2 cores"));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(group in "[a-z]{1,90}", backend in "[a-z]{1,90}", width in 72usize..120) {
            let mut records = fixture::sweep(&group, &[&backend, "b"], &[64, 128, 256, 512]);
            records.extend(records.clone().into_iter().map(|mut r| { r.threads = 64; r }));
            records[0].volatile.measurement = Some(fixture::certain(1e9));
            let found = Scaling::of(&records, &[]);
            for line in scaling(&found, Options { width }).lines() {
                prop_assert!(line.chars().count() <= width, "{}", line);
            }
        }
    }
}
