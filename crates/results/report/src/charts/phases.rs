//! Where the time of a call goes: one bar per cell, one part per phase.

use attn_analysis::compare::{Breakdown, breakdowns, names};
use attn_record::Record;

use super::canvas::{Align, Canvas, MUTED, Sheet, Type};
use super::frame::{BELOW, Form, Heading, Key, Legend, Rows, SMALL, Tick, x_axis};
use super::palette::Palette;
use super::scale::Scale;
use super::{Chart, Drawing, Theme, TooltipPoint};
use crate::format::{percent, time};
use crate::table::{Cell, Column, Table};

/// Height of one cell's strip, and of the bar in it.
const STRIP: f64 = 19.0;
const BAR: f64 = 13.0;
const TITLE: &str = "Where the time of a call goes";

/// The cells of one picture.
struct Bars<'a> {
    cells: &'a [Breakdown],
    labels: Vec<String>,
    names: Vec<&'a str>,
    subtitle: String,
}

/// Every cell whose backend looked, with the fewest threads of its case, sorted by the phase that takes most;
/// `None` without any.
pub(super) fn phases(records: &[&Record], theme: &Theme<'_>) -> Option<Chart> {
    let mut bars = breakdowns(records);
    let threads = bars.iter().map(|bar| bar.threads).min()?;
    bars.retain(|bar| bar.threads == threads);
    let largest = largest(&bars)?.to_owned();
    bars.sort_by(|a, b| b.share(&largest).total_cmp(&a.share(&largest)));
    let bars = Bars::of(&bars, threads);
    Some(Chart {
        caption: format!(
            "Of the fastest of three calls that looked at the clock between the phases, which the timed \
             calls do not. Cells are sorted by the share of {largest}."
        ),
        data: bars.data(),
        ..Chart::new("phases", "", None, |form| bars.draw(form, theme))
    })
}

/// The phase that takes the largest share over all cells.
fn largest(bars: &[Breakdown]) -> Option<&str> {
    let share = |name: &str| bars.iter().map(|bar| bar.share(name)).sum::<f64>();
    names(bars).into_iter().max_by(|a, b| share(a).total_cmp(&share(b)))
}

impl<'a> Bars<'a> {
    fn of(bars: &'a [Breakdown], threads: usize) -> Self {
        let several = bars.iter().any(|bar| bar.backend != bars[0].backend);
        let label = |bar: &Breakdown| {
            if several { format!("{}, {}", bar.case, bar.backend) } else { bar.case.clone() }
        };
        let backend = &bars[0].backend;
        let subtitle = match (several, threads) {
            (false, 1) => format!("{backend}, one thread; right of each bar all of it"),
            (false, n) => format!("{backend}, {n} threads together; right of each bar all of it"),
            (true, _) => "All threads together; right of each bar all of it".into(),
        };
        Bars { cells: bars, labels: bars.iter().map(label).collect(), names: names(bars), subtitle }
    }

    fn draw(&self, form: Form, theme: &Theme<'_>) -> Drawing {
        let heading = Heading::of(form.width(), TITLE, &[&self.subtitle]);
        let palette = Palette::parts(self.names.iter().copied());
        let legend = Legend::of(form.width(), Key::Field, palette.iter());
        let top = heading.bottom + legend.height + 8.0;
        let rows = Rows::of(form, &self.labels, top, STRIP, 76.0);
        let x = Scale::linear(1.0, rows.area.left, rows.area.right);
        let size = (form.width(), rows.area.bottom + BELOW + 10.0);
        let svg = Sheet { size, title: TITLE, origin: &theme.origin }.draw(|canvas| {
            heading.paint(canvas);
            legend.paint(canvas, heading.bottom);
            let ticks: Vec<Tick> = [0.0, 0.25, 0.5, 0.75, 1.0]
                .map(|share| (share, format!("{}%", share * 100.0)))
                .into();
            x_axis(canvas, rows.area, &x, &ticks, "Share of the time");
            self.paint(canvas, &rows, &x, &palette);
        });
        Drawing { svg, spots: self.spots(&rows, &x) }
    }

    fn paint(&self, canvas: &mut Canvas, rows: &Rows, x: &Scale, palette: &Palette) {
        for (at, (bar, label)) in self.cells.iter().zip(&self.labels).enumerate() {
            let y = rows.middle(at);
            rows.name(canvas, at, label);
            for (name, [from, to]) in parts(bar, &self.names) {
                let corners = [(x.at(from), y - BAR / 2.0), (x.at(to), y + BAR / 2.0)];
                canvas.rect(corners[0], corners[1], palette.style(name).color);
            }
            let (place, total) = ((rows.area.right + 10.0, y), time(bar.total_ns() as f64));
            canvas.text(place, &total, Type::plain(SMALL, MUTED), Align::Start);
        }
    }

    fn spots(&self, rows: &Rows, x: &Scale) -> Vec<TooltipPoint> {
        let spots = self.cells.iter().enumerate().flat_map(|(at, bar)| {
            parts(bar, &self.names).into_iter().map(move |(name, [from, to])| {
                let ns = (to - from) * bar.total_ns() as f64;
                let share = percent(to - from);
                let text = format!("{name}, {}\n{share} of it, {}", self.labels[at], time(ns));
                TooltipPoint::at((x.at(f64::midpoint(from, to)), rows.middle(at)), name, &text)
            })
        });
        spots.collect()
    }

    fn data(&self) -> Table {
        let names = [Column::id("case"), Column::backend("backend")].into_iter();
        let phases = self.names.iter().map(|name| Column::number(*name));
        let rows = self.cells.iter().map(|bar| {
            let cells = [bar.case.as_str(), &bar.backend].map(Cell::from).into_iter();
            let shares = self.names.iter().map(|name| Cell::value(Some(bar.share(name)), percent));
            let total = Cell::value(Some(bar.total_ns() as f64), time);
            cells.chain(shares).chain([total]).collect()
        });
        let columns = names.chain(phases).chain([Column::number("time")]);
        Table::new(TITLE, columns).rows(rows)
    }
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

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{ok, refs, with_phases};
    use attn_analysis::peak_rates::PeakRates;

    use super::*;

    #[test]
    fn every_phase_says_its_share() {
        let records = [
            with_phases(ok("g/a", "x", 100.0), &[("pack", 10_000), ("scores", 30_000)]),
            with_phases(ok("g/b", "x", 100.0), &[("pack", 0), ("scores", 2_000_000)]),
        ];
        let peak_rates = PeakRates::default();
        let drawn = |records: &[Record]| {
            let refs = refs(records);
            phases(&refs, &Theme::of(&refs, &peak_rates, ""))
        };
        let chart = drawn(&records).unwrap();
        let texts: Vec<&str> = chart.wide.spots.iter().map(|spot| spot.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "scores, g/b\n100% of it, 2.00 ms",
                "pack, g/a\n25% of it, 10.0 µs",
                "scores, g/a\n75% of it, 30.0 µs"
            ]
        );
        assert!(crate::png::parse(&chart.wide.svg).is_ok());
        assert!(drawn(&[ok("g/a", "x", 1.0)]).is_none());
    }
}
