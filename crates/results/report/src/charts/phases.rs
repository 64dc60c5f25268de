//! Where the time of a call goes: one bar per cell, one part per phase.

use attn_record::Record;

use super::canvas::{Align, Canvas, INK, MUTED, Type, draw};
use super::frame::{Area, BODY, SMALL, Tick, heading, x_axis};
use super::palette::style;
use super::scale::Scale;
use super::text::{widest, width};
use super::{Chart, TooltipPoint};
use crate::compare::{Breakdown, breakdowns, names};
use crate::format::{percent, time};

const SHEET: f64 = 820.0;
const TOP: f64 = 92.0;
const BELOW: f64 = 54.0;
/// Height of one cell's strip, and of the bar in it.
const STRIP: f64 = 20.0;
const BAR: f64 = 13.0;
const TITLE: &str = "Where the time of a call goes";

/// Every cell whose backend looked, with the fewest threads of its case; `None` without any.
pub(super) fn phases(records: &[&Record]) -> Option<Chart> {
    let mut bars = breakdowns(records);
    let threads = bars.iter().map(|bar| bar.threads).min()?;
    bars.retain(|bar| bar.threads == threads);
    let several = bars.iter().any(|bar| bar.backend != bars[0].backend);
    let label = |bar: &Breakdown| {
        if several { format!("{}, {}", bar.case, bar.backend) } else { bar.case.clone() }
    };
    let labels: Vec<String> = bars.iter().map(label).collect();
    let bottom = TOP + STRIP * bars.len() as f64;
    let left = 28.0 + widest(labels.iter().map(String::as_str), SMALL);
    let area = Area { left, right: SHEET - 84.0, top: TOP, bottom };
    let x = Scale::linear(1.0, area.left, area.right);
    let ticks: Vec<Tick> =
        [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format!("{}%", share * 100.0))).into();
    let names = names(&bars);
    let backend = &bars[0].backend;
    let subtitle = match (several, threads) {
        (false, 1) => format!("{backend}, one thread; right of each bar all of it"),
        (false, n) => format!("{backend}, {n} threads together; right of each bar all of it"),
        (true, _) => "All threads together; right of each bar all of it".into(),
    };
    let svg = draw((SHEET, bottom + BELOW), TITLE, |canvas| {
        heading(canvas, SHEET, TITLE, &subtitle);
        legend(canvas, &names);
        x_axis(canvas, area, &x, &ticks, "Share of the time");
        for (at, (bar, label)) in bars.iter().zip(&labels).enumerate() {
            let y = middle(at);
            canvas.text((area.left - 10.0, y), label, Type::plain(SMALL, INK), Align::End);
            for (name, [from, to]) in parts(bar, &names) {
                let corners = [(x.at(from), y - BAR / 2.0), (x.at(to), y + BAR / 2.0)];
                canvas.rect(corners[0], corners[1], style(name).color);
            }
            let total = time(bar.total_ns() as f64);
            canvas.text((area.right + 10.0, y), &total, Type::plain(SMALL, MUTED), Align::Start);
        }
    });
    let spots = bars.iter().enumerate().flat_map(|(at, bar)| {
        let (x, labels) = (&x, &labels);
        parts(bar, &names).into_iter().map(move |(name, [from, to])| {
            let ns = (to - from) * bar.total_ns() as f64;
            let text =
                format!("{name}, {}\n{} of it, {}", labels[at], percent(to - from), time(ns));
            TooltipPoint::at((x.at(f64::midpoint(from, to)), middle(at)), name, &text)
        })
    });
    Some(Chart {
        name: "phases".into(),
        group: None,
        caption: "Of the fastest of three calls that looked at the clock between the phases, which the timed \
                  calls do not."
            .into(),
        again: String::new(),
        spots: spots.collect(),
        svg,
    })
}

/// Height of the middle of a bar.
fn middle(at: usize) -> f64 {
    TOP + STRIP * (at as f64 + 0.5)
}

/// Where each phase begins and ends; those that took no time are left out.
fn parts<'n>(bar: &Breakdown, names: &[&'n str]) -> Vec<(&'n str, [f64; 2])> {
    let mut end = 0.0;
    let parts = names.iter().map(|&name| {
        let from = end;
        end += bar.share(name);
        (name, [from, end])
    });
    parts.filter(|(_, [from, to])| to > from).collect()
}

fn legend(canvas: &mut Canvas<'_>, names: &[&str]) {
    let (mut x, y) = (16.0, 66.0);
    for name in names {
        canvas.rect((x, y - 5.0), (x + 10.0, y + 5.0), style(name).color);
        canvas.text((x + 16.0, y), name, Type::plain(BODY, INK), Align::Start);
        x += 36.0 + width(name, BODY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ok, refs, with_phases};

    #[test]
    fn every_phase_says_its_share() {
        let records = [
            with_phases(ok("g/a", "x", 100.0), &[("pack", 10_000), ("scores", 30_000)]),
            with_phases(ok("g/b", "x", 100.0), &[("pack", 0), ("scores", 2_000_000)]),
        ];
        let chart = phases(&refs(&records)).unwrap();
        let texts: Vec<&str> = chart.spots.iter().map(|spot| spot.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "pack, g/a\n25% of it, 10.0 µs",
                "scores, g/a\n75% of it, 30.0 µs",
                "scores, g/b\n100% of it, 2.00 ms"
            ]
        );
        assert!(crate::png::parse(&chart.svg).is_ok());
        assert!(phases(&refs(&[ok("g/a", "x", 1.0)])).is_none());
    }
}
