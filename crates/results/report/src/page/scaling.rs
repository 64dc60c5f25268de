//! How time and memory grow, in tables and sentences.

use attn_record::Axis;
use attn_record::stats::Fit;

use super::Section;
use super::html::{Cell, heading, list, paragraph, table, text};
use crate::format::{percent, ratio, significant, two_decimals};
use crate::scaling::{Bound, Exponent, Line, Scaling, Slope, Sweep, Threads};

/// Exponents, slopes and crossings of every sweep, then speed-ups; `None` if there is nothing to say.
pub(super) fn section(scaling: &Scaling) -> Option<Section> {
    if scaling.is_empty() {
        return None;
    }
    let intro = paragraph(
        "Exponents are fitted to the medians on log-log axes, over the sizes from 512 on where these are \
         three or more. A local slope is that between one size and the one before; from N = 512 on it is marked \
         where it is more than 0.1 away from the exponent of the work. Where time grew faster than the work and \
         the working set (peak memory, inputs and output), or else the scores of a head, outgrew a cache of the \
         machine, the cache is named.",
    );
    let sweeps: String = scaling.sweeps.iter().map(sweep).collect();
    let content = [intro, sweeps, speedups(&scaling.threads)].concat();
    Some(Section { title: "How it scales".into(), content })
}

fn sweep(sweep: &Sweep) -> String {
    let outgrown = sweep
        .backends
        .iter()
        .flat_map(|line| line.slopes.iter().filter_map(|slope| sweep.of_slope(line, slope)));
    let crossings = sweep.crossings.iter().map(|crossing| sweep.of_crossing(crossing));
    let said: Vec<String> = crossings.chain(outgrown).map(|said| text(&said)).collect();
    [heading(&sweep.title()), exponents(sweep), slopes(sweep), list(&said)].concat()
}

fn exponents(sweep: &Sweep) -> String {
    let memory = sweep.backends.iter().any(|line| line.memory.best().is_some());
    let symbol = sweep.symbol();
    let mut head = vec![Cell::text("backend"), Cell::number(&format!("time ~ {symbol}^"))];
    head.extend(["95 %", "work", "sizes"].map(Cell::number));
    if memory {
        head.push(Cell::number(&format!("scratch ~ {symbol}^")));
        head.extend(["95 %", "expected"].map(Cell::number));
    }
    let rows = sweep.backends.iter().map(|line| {
        let work = sweep.expected;
        let mut cells = vec![Cell::code(&line.backend)];
        cells.extend(fitted(&line.time));
        cells.push(Cell::value(work, |e| e.to_string()));
        cells.push(Cell::number(&sizes(sweep.axis, &line.time)));
        if memory {
            cells.extend(fitted(&line.memory));
            cells.push(Cell::number(&line.memory_expected.map_or_else(|| "–".into(), bound)));
        }
        cells
    });
    table(&head, rows)
}

fn fitted(exponent: &Exponent) -> [Cell; 2] {
    let fit = exponent.best();
    let interval = fit.and_then(|fit: Fit| fit.interval);
    let ends = interval.map(|i| format!("{} to {}", two_decimals(i.low), two_decimals(i.high)));
    [
        Cell::value(fit.map(|fit| fit.slope), two_decimals),
        Cell::number(&ends.unwrap_or_else(|| "–".into())).class("number muted"),
    ]
}

/// `4, from 512 on`.
fn sizes(axis: Axis, exponent: &Exponent) -> String {
    let Some(fit) = exponent.best() else {
        return "–".into();
    };
    let large = axis == Axis::Len && exponent.large == Some(fit);
    format!("{}{}", fit.points, if large { ", from 512 on" } else { "" })
}

fn bound(bound: Bound) -> String {
    let at_most = if bound.at_most { "≤ " } else { "" };
    format!("{at_most}{}", bound.exponent)
}

/// Slopes from size to size: each below the larger one.
fn slopes(sweep: &Sweep) -> String {
    let mut sizes: Vec<usize> =
        sweep.backends.iter().flat_map(|l| &l.slopes).map(|s| s.to).collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.is_empty() {
        return String::new();
    }
    let mut head =
        vec![Cell::text(&format!("local slope of the time, up to {} =", sweep.symbol()))];
    head.extend(sizes.iter().map(|size| Cell::number(&size.to_string())));
    let row = |line: &Line| {
        let of = |size| line.slopes.iter().find(|s| s.to == size);
        let mut cells = vec![Cell::code(&line.backend)];
        cells.extend(sizes.iter().map(|&size| slope(sweep, of(size))));
        cells
    };
    table(&head, sweep.backends.iter().map(row))
}

fn slope(sweep: &Sweep, slope: Option<&Slope>) -> Cell {
    let cell = Cell::value(slope.map(|s| s.slope), two_decimals);
    if slope.is_some_and(|slope| sweep.is_marked(slope)) {
        cell.class("number departs")
    } else {
        cell
    }
}

fn speedups(threads: &[Threads]) -> String {
    if threads.is_empty() {
        return String::new();
    }
    let head = [Cell::text("case"), Cell::text("backend"), Cell::text("model")].into_iter();
    let numbers = ["threads", "speed-up", "95 %", "efficiency"].map(Cell::number);
    let head: Vec<Cell> = head.chain(numbers).collect();
    let rows = threads.iter().flat_map(|cell| {
        cell.speedups.iter().skip(1).map(move |s| {
            let ends =
                s.interval.map(|i| format!("{} to {}", significant(i.low), significant(i.high)));
            vec![
                Cell::code(&cell.case),
                Cell::code(&cell.backend),
                Cell::text(cell.model.name()),
                Cell::value(Some(s.threads as f64), |n| n.to_string()),
                Cell::value(Some(s.speedup), ratio),
                Cell::number(&ends.unwrap_or_else(|| "–".into())).class("number muted"),
                Cell::value(Some(s.efficiency), percent),
            ]
        })
    });
    heading("Speed-up by threads") + &table(&head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn exponents_slopes_caches_and_crossings_are_said() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([9e5, 1e6, 9e6, 4e6, 36e6, 16e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        for (record, mib) in records.iter_mut().step_by(2).zip([1, 3, 12]) {
            record.volatile.memory = Some(fixture::peak(mib << 20));
        }
        let html = section(&Scaling::of(&records, &[])).unwrap().content;
        for part in [
            ">2.66</td>",
            "class=\"number departs\" data-value=\"3.32",
            "outgrew the L2 cache (2 MiB)",
            "b overtakes a at N = 554.",
            "3, from 512 on",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("Speed-up"));
    }

    #[test]
    fn speedups_are_listed() {
        let cell = |threads, ns| {
            let mut record = fixture::ok("g/a", "x", ns);
            record.threads = threads;
            record
        };
        let html = section(&Scaling::of(&[cell(1, 1000.0), cell(2, 500.0)], &[])).unwrap().content;
        assert!(html.contains("2.00x") && html.contains("100%"), "{html}");
        assert!(section(&Scaling::of(&[], &[])).is_none());
    }
}
