//! Speed-up over threads.

use attn_record::Record;

use super::Chart;
use super::curves::{Curve, Mark, Plot, Slope, picture};
use super::frame::Tick;
use super::scale::Scale;
use crate::format::{percent, ratio, significant};
use crate::rows::{grouped, leaf, shown_timing};
use crate::scaling::{Speedup, Threads};

/// One picture per case that was measured with several numbers of threads, all backends in it.
pub(super) fn speedups(records: &[&Record]) -> Vec<Chart> {
    let cases = grouped(records, |r| r.case.as_str()).into_iter();
    cases.filter_map(|(case, records)| of_case(case, &records)).collect()
}

fn of_case(case: &str, records: &[&Record]) -> Option<Chart> {
    let timing = shown_timing(records)?;
    let cells: Vec<&Record> =
        records.iter().filter(|r| r.timing == Some(timing)).copied().collect();
    let all = Threads::of(&cells);
    let mut sizes: Vec<usize> =
        all.iter().flat_map(|threads| &threads.speedups).map(|s| s.threads).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let first = *cells.first()?;
    let problem = attn_core::Problem::new(first.problem.clone()).ok()?;
    let chart = Plot {
        title: format!("Speed-up by threads: {} ({problem})", leaf(first)),
        subtitle: format!(
            "{timing}; time with the fewest threads over time with this many; higher is better"
        ),
        x_name: "Threads".into(),
        y_name: "Speed-up".into(),
        y: factors,
        curves: all.iter().map(curve).collect(),
        slopes: vec![Slope { name: "perfect", exponent: 1 }],
        levels: Vec::new(),
        sizes,
    };
    let (svg, spots) = picture(&chart)?;
    Some(Chart {
        name: format!("threads-{}", case.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        group: Some(first.group().into()),
        caption:
            "Perfect is as many times as fast as there are threads. A curve below it shares memory \
                  bandwidth, waits, or has less parallel work than threads."
                .into(),
        again: format!("-c '{case}' --timing {timing}"),
        svg,
        spots,
    })
}

fn curve(threads: &Threads) -> Curve<'_> {
    let mark = |s: &Speedup| {
        let ends = s.interval.map_or((s.speedup, s.speedup), |i| (i.low, i.high));
        Mark {
            size: s.threads as f64,
            middle: s.speedup,
            low: ends.0.min(s.speedup),
            high: ends.1.max(s.speedup),
            text: format!(
                "{}, threads: {}\n{} as fast ({} to {})\nefficiency {}",
                threads.backend,
                s.threads,
                ratio(s.speedup),
                significant(ends.0),
                significant(ends.1),
                percent(s.efficiency),
            ),
        }
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
    use super::*;
    use crate::fixture::{ok, refs};

    #[test]
    fn cases_with_several_numbers_of_threads_are_drawn() {
        let cell = |case, threads, ns| Record { threads, ..ok(case, "faer", ns) };
        let records = [cell("g/a", 1, 1000.0), cell("g/a", 2, 625.0), cell("g/b", 1, 1.0)];
        let charts = speedups(&refs(&records));
        assert_eq!(charts.len(), 1);
        assert_eq!(charts[0].name, "threads-g-a");
        let text = "faer, threads: 2\n1.60x as fast (1.60 to 1.60)\nefficiency 80%";
        assert_eq!(charts[0].spots[1].text, text);
        assert!(crate::png::parse(&charts[0].svg).is_ok());
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
