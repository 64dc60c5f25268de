//! Speed-up over threads.

use attn_analysis::rows::{grouped, shown_timing};
use attn_analysis::scaling::{Speedup, Threads};
use attn_record::Record;

use super::curves::{Curve, Mark, Plot, Slope};
use super::dots::{Dot, Dots, Row};
use super::frame::Tick;
use super::scale::Scale;
use super::{Chart, Theme};
use crate::format::{percent, ratio, significant};
use crate::table::{Cell, Column, Table};

/// Fewer numbers of threads than this are no curve.
const CURVE: usize = 3;

/// One case that was measured with several numbers of threads.
struct Case<'a> {
    /// One of its cells.
    first: &'a Record,
    threads: Vec<Threads>,
    /// The numbers of threads.
    sizes: Vec<usize>,
}

impl Case<'_> {
    /// What the most threads gain.
    fn row(&self) -> Row<'_> {
        let dots = self.threads.iter().filter_map(|threads| {
            let speedup = threads.speedups.last()?;
            let text = words(&format!("{}, {}", threads.backend, self.first.case), speedup);
            let (value, ends) = (speedup.speedup, ends(speedup));
            Some(Dot { backend: &threads.backend, value, ends, text })
        });
        Row { name: self.first.case.clone(), dots: dots.collect() }
    }
}

/// A curve for every case with three numbers of threads or more; one picture of all cases with two.
pub(super) fn speedups(records: &[&Record], theme: &Theme<'_>) -> Vec<Chart> {
    let cases = grouped(records, |r| r.case.as_str()).into_iter();
    let cases = cases.filter_map(|(_, records)| of_case(&records));
    let (curves, dots): (Vec<Case<'_>>, Vec<Case<'_>>) =
        cases.partition(|case| case.sizes.len() >= CURVE);
    let curves = curves.iter().filter_map(|case| of_many(case, theme));
    curves.chain(of_two(&dots, theme)).collect()
}

fn of_case<'a>(records: &[&'a Record]) -> Option<Case<'a>> {
    let timing = shown_timing(records)?;
    let cells: Vec<&Record> =
        records.iter().filter(|r| r.timing == Some(timing)).copied().collect();
    let threads = Threads::of(&cells);
    let mut sizes: Vec<usize> =
        threads.iter().flat_map(|threads| &threads.speedups).map(|s| s.threads).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let first = *cells.first()?;
    (!sizes.is_empty()).then_some(Case { first, threads, sizes })
}

fn of_many(case: &Case<'_>, theme: &Theme<'_>) -> Option<Chart> {
    let Case { first, threads, sizes } = case;
    let problem = attn_core::Problem::new(first.problem.clone()).ok()?;
    let timing = first.timing?;
    let plot = Plot {
        what: "Speed-up by threads".into(),
        of: format!("{} ({problem})", first.leaf()),
        how: format!(
            "{timing}; time with the fewest threads over time with this many; higher is better"
        ),
        x_name: "Threads".into(),
        y_name: "Speed-up".into(),
        sizes: sizes.clone(),
        y: factors,
        show: ratio,
        curves: threads.iter().map(curve).collect(),
        slopes: vec![Slope { name: "perfect", exponent: 1 }],
        levels: Vec::new(),
        palette: &theme.palette,
        origin: &theme.origin,
    };
    let slug = first.case.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let draw = |form| plot.draw(form);
    (!plot.is_empty()).then(|| Chart {
        caption:
            "Perfect is as many times as fast as there are threads. A curve below it shares memory \
                  bandwidth, waits, or has less parallel work than threads."
                .into(),
        again: format!("-c '{}' --timing {timing}", first.case),
        data: plot.data(),
        anchor: format!("{}/threads", first.case),
        ..Chart::new("threads", &slug, Some(first.group()), draw)
    })
}

/// What follows the first number of threads, all cases in one picture; `None` without any.
fn of_two(cases: &[Case<'_>], theme: &Theme<'_>) -> Option<Chart> {
    let most = cases.iter().filter_map(|case| case.sizes.last()).max()?;
    let fewest = cases.iter().filter_map(|case| case.sizes.first()).min()?;
    let dots = Dots {
        title: format!("Speed-up by threads: {most} against {fewest}"),
        subtitle:
            "Time with the fewest threads over time with the most; the right line is perfect; \
                   lines are intervals at 95 %"
                .into(),
        rows: cases.iter().map(Case::row).collect(),
        perfect: *most as f64 / *fewest as f64,
    };
    let draw = |form| dots.draw(form, theme);
    Some(Chart {
        caption: "Perfect is as many times as fast as there are threads. A dot left of that shares memory \
                  bandwidth, waits, or has less parallel work than threads."
            .into(),
        again: String::new(),
        data: data(&dots),
        ..Chart::new("threads", "", None, draw)
    })
}

fn data(dots: &Dots<'_>) -> Table {
    let names = [Column::id("case"), Column::backend("backend")].into_iter();
    let columns = names.chain(["speed-up", "from", "to"].map(Column::number));
    let rows = dots.rows.iter().flat_map(|row| {
        row.dots.iter().map(|dot| {
            let value = |value| Cell::value(Some(value), ratio);
            let names = [row.name.as_str(), dot.backend].map(Cell::from).into_iter();
            names.chain([dot.value, dot.ends.0, dot.ends.1].map(value)).collect()
        })
    });
    Table::new(dots.title.clone(), columns).rows(rows)
}

/// The interval of a speed-up, which holds it.
fn ends(s: &Speedup) -> (f64, f64) {
    let ends = s.interval.map_or((s.speedup, s.speedup), |i| (i.low, i.high));
    (ends.0.min(s.speedup), ends.1.max(s.speedup))
}

fn words(of: &str, s: &Speedup) -> String {
    let ends = ends(s);
    format!(
        "{of}, threads: {}\n{} as fast ({} to {})\nefficiency {}",
        s.threads,
        ratio(s.speedup),
        significant(ends.0),
        significant(ends.1),
        percent(s.efficiency),
    )
}

fn curve(threads: &Threads) -> Curve<'_> {
    let mark = |s: &Speedup| {
        let (low, high) = ends(s);
        let text = words(&threads.backend, s);
        Mark { size: s.threads as f64, middle: s.speedup, low, high, text }
    };
    Curve { backend: &threads.backend, points: threads.speedups.iter().map(mark).collect() }
}

fn factors((low, high): (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    let scale = Scale::log((low.clamp(0.25, 0.8), high.max(2.1)), 0.06, from, to);
    let (first, last) = scale.ends();
    let steps = if last / first < 6.0 {
        vec![0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0]
    } else {
        (-2..12).map(|power| 2f64.powi(power)).collect()
    };
    let inside = steps.into_iter().filter(|factor| (first..=last).contains(factor));
    (scale, inside.map(|factor| (factor, format!("{factor}x"))).collect())
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{ok, refs};
    use attn_analysis::peak_rates::PeakRates;

    use super::*;

    fn drawn(records: &[Record]) -> Vec<Chart> {
        let (refs, peak_rates) = (refs(records), PeakRates::default());
        let charts = speedups(&refs, &Theme::of(&refs, &peak_rates, ""));
        for chart in &charts {
            for svg in [&chart.wide.svg, &chart.small.svg] {
                assert!(crate::png::parse(svg).is_ok());
            }
        }
        charts
    }

    #[test]
    fn two_numbers_of_threads_are_dots_of_one_picture_and_three_are_a_curve() {
        let cell = |case, threads, ns| Record { threads, ..ok(case, "faer", ns) };
        let two = [
            cell("g/a", 1, 1000.0),
            cell("g/a", 2, 625.0),
            cell("g/b", 1, 1.0),
            cell("g/c", 1, 1000.0),
            cell("g/c", 2, 500.0),
        ];
        let charts = drawn(&two);
        assert_eq!((charts.len(), charts[0].name.as_str()), (1, "threads"));
        assert_eq!((charts[0].wide.spots.len(), charts[0].data.rows.len()), (2, 2));
        let text = "faer, g/a, threads: 2\n1.60x as fast (1.60 to 1.60)\nefficiency 80%";
        assert_eq!(charts[0].wide.spots[0].text, text);
        let charts = drawn(&[&two[..], &[cell("g/a", 4, 300.0)]].concat());
        let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
        assert_eq!(names, ["threads-g-a", "threads"]);
        assert_eq!(charts[0].anchor, "g/a/threads");
    }

    #[test]
    fn ticks_are_round_factors() {
        let labels = |ends| {
            let ticks = factors(ends, 0.0, 1.0).1.into_iter();
            ticks.map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels((1.0, 1.9)), ["1x", "1.25x", "1.5x", "2x"]);
        assert_eq!(labels((1.0, 60.0)), ["1x", "2x", "4x", "8x", "16x", "32x", "64x"]);
    }
}
