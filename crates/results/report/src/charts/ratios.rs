//! Ratios with their intervals, one below the other, on an axis that holds all of them.

use super::Figure;
use super::canvas::MUTED;
use super::estimates::{Axis, Estimate, draw};
use super::frame::{Form, Tick};
use super::scale::{Scale, round_steps};

/// The axis reaches this far to both sides of 1 at least: less would make differences of nothing.
const LEAST: f64 = 1.02;
/// Beyond this factor from end to end, ticks are at 1, 2 and 5 of each decade.
const WIDE: f64 = 6.0;

/// The ratios in their order on a logarithmic axis, each with its whole interval, with `origin` below, for a page and for a
/// telephone; `None` without any.
pub fn ratios(
    [title, subtitle, axis]: [&str; 3],
    ratios: &[Estimate],
    origin: &str,
) -> Option<Figure> {
    let (low, high) = ends(ratios);
    let axis = Axis {
        name: axis,
        scale: &|[from, to]| Scale::log((low, high), 0.04, from, to),
        ticks: &ticks,
        band: None,
        lines: &[(1.0, MUTED)],
    };
    let draw = |form| draw(form, ratios, &axis, [title, subtitle, origin]);
    (!ratios.is_empty()).then(|| Figure {
        caption: format!("Each line is one case: {}, and the interval at 95 %.", axis.name),
        svg: draw(Form::Wide),
        small: draw(Form::Small),
    })
}

/// Of all intervals, and 1.
fn ends(ratios: &[Estimate]) -> (f64, f64) {
    let all = ratios.iter().flat_map(|one| {
        let [low, high] = one.interval.unwrap_or([one.value; 2]);
        [low, one.value, high]
    });
    let all = all.filter(|ratio| ratio.is_finite() && *ratio > 0.0);
    all.fold((1.0 / LEAST, LEAST), |(low, high), ratio| (low.min(ratio), high.max(ratio)))
}

/// Round ratios: 1, 2 and 5 of each decade, or steps of one size where the axis is short.
fn ticks(scale: &Scale) -> Vec<Tick> {
    let (low, high) = scale.ends();
    if high / low > WIDE {
        return scale.round_ticks(36.0, |ratio| format!("{ratio}x"));
    }
    let step = round_steps(high - low, 5)[1];
    let decimals = usize::try_from((-step.log10().floor()) as i32).unwrap_or(0);
    let first = (low / step).ceil() as i32;
    let last = (high / step).floor() as i32;
    (first..=last).map(|at| f64::from(at) * step).map(|x| (x, format!("{x:.decimals$}x"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::estimates::Tone;
    use super::*;
    use crate::png::parse;

    fn ratio(name: &str, value: f64, [low, high]: [f64; 2]) -> Estimate {
        let (name, verdict) = (name.into(), "faster".into());
        Estimate { name, value, interval: Some([low, high]), verdict, tone: Tone::Plain }
    }

    fn labels(ratios: &[Estimate]) -> String {
        let scale = Scale::log(ends(ratios), 0.04, 200.0, 600.0);
        let named = ticks(&scale).into_iter().map(|(_, name)| name).filter(|name| !name.is_empty());
        named.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_interval_and_1_are_inside_the_frame_and_ticks_are_round() {
        for (value, [low, high], ticks) in [
            (1.001, [0.999, 1.003], "0.98x 0.99x 1.00x 1.01x 1.02x"),
            (1.03, [1.02, 1.04], "0.98x 1.00x 1.02x 1.04x"),
            (1.4, [1.2, 1.7], "1.0x 1.2x 1.4x 1.6x"),
            (7.0, [6.8, 7.1], "1x 2x 5x"),
            (0.02, [0.018, 0.022], "0.02x 0.05x 0.1x 0.2x 0.5x 1x"),
            (108.0, [100.0, 120.0], "1x 2x 5x 10x 20x 50x 100x"),
        ] {
            let rows = [ratio("case", value, [low, high])];
            assert_eq!(labels(&rows), ticks);
            let scale = Scale::log(ends(&rows), 0.04, 200.0, 600.0);
            for inside in [low, value, high, 1.0] {
                assert!((201.0..599.0).contains(&scale.at(inside)), "{inside}");
            }
        }
    }

    #[test]
    fn whatever_the_numbers_it_is_well_formed() {
        assert_eq!(ratios(["t", "", "a"], &[], "o"), None);
        let odd = Estimate { interval: None, ..ratio("<wild & \">", 1e4, [0.0; 2]) };
        let rows = [
            ratio("gate/prefill", 1.0, [0.99, 1.01]),
            odd,
            ratio(&"long".repeat(30), 0.1, [0.0, 0.2]),
        ];
        let chart = ratios(["title", "", "axis"], &rows, "origin").unwrap();
        for svg in [&chart.svg, &chart.small] {
            parse(svg).unwrap();
            assert_eq!(svg.matches("faster").count(), 3);
            assert!(svg.contains(">origin<") && svg.contains(">axis<"));
        }
    }
}
