//! Changes with their intervals, one below the other, against what is tolerated and what must be found.

use super::Figure;
use super::canvas::MUTED;
use super::estimates::{Axis, BAD, Estimate, draw};
use super::frame::{Form, Tick};
use super::scale::Scale;

/// What changes are measured against, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Up to here is tolerated.
    pub tolerate: f64,
    /// From here on it must be found.
    pub detect: f64,
}

/// The changes in their order, with `origin` below, for a page and for a telephone; `None` without any.
pub fn forest(
    title: &str,
    subtitle: &str,
    changes: &[Estimate],
    band: Band,
    origin: &str,
) -> Option<Figure> {
    let reach = reach(changes, band);
    let axis = Axis {
        name: "Change of the time, percent",
        scale: &|[from, to]| Scale::linear_between(-reach, reach, from, to),
        ticks: &|_| ticks(reach),
        band: Some([-band.tolerate, band.tolerate]),
        lines: &[(0.0, MUTED), (band.detect, BAD)],
    };
    let draw = |form| draw(form, changes, &axis, [title, subtitle, origin]);
    (!changes.is_empty()).then(|| Figure {
        caption: format!(
            "Each line is one case: the change of its time and the interval at 95 %. Within the grey band \
             (±{} %) a change is tolerated; from the line at {} % on it must be found.",
            band.tolerate, band.detect
        ),
        svg: draw(Form::Wide),
        small: draw(Form::Small),
    })
}

/// Percent at both ends of the axis: room for every interval, but not for one that says nothing.
fn reach(changes: &[Estimate], band: Band) -> f64 {
    let ends = changes.iter().flat_map(|change| {
        let [low, high] = change.interval.unwrap_or([change.value; 2]);
        [low.abs(), high.abs(), change.value.abs()]
    });
    // A little more, so that a point at the end is inside the frame.
    1.05 * ends.fold(1.5 * band.detect, f64::max).min(10.0 * band.detect)
}

fn ticks(reach: f64) -> Vec<Tick> {
    let steps = super::scale::round_steps(reach, 4);
    let step = steps.get(1).copied().unwrap_or(reach);
    let count = (reach / step).floor() as i32;
    let label = |at: i32| (f64::from(at) * step, format!("{:+}", f64::from(at) * step));
    (-count..=count)
        .map(label)
        .map(|(x, text)| (x, if x == 0.0 { "0".into() } else { text }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::estimates::Tone;
    use super::*;
    use crate::png::parse;

    fn change(name: &str, percent: f64) -> Estimate {
        Estimate {
            name: name.into(),
            value: percent,
            interval: Some([percent - 1.0, percent + 1.0]),
            verdict: "PASS".into(),
            tone: Tone::Plain,
        }
    }

    const BAND: Band = Band { tolerate: 0.75, detect: 3.0 };

    #[test]
    fn whatever_the_numbers_it_is_well_formed() {
        assert_eq!(forest("t", "s", &[], BAND, "o"), None);
        let wild = Estimate { interval: Some([-900.0, 900.0]), ..change("<wild & \">", 500.0) };
        let changes = [change("faer:gate/prefill", 0.1), wild, change(&"long".repeat(30), -3.0)];
        let chart = forest("title", "subtitle", &changes, BAND, "origin").unwrap();
        for svg in [&chart.svg, &chart.small] {
            parse(svg).unwrap();
            assert_eq!(svg.matches("PASS").count(), 3);
            assert!(svg.contains(">origin<"));
        }
    }

    #[test]
    fn the_axis_holds_the_intervals_up_to_a_limit() {
        assert_eq!(reach(&[change("x", 0.0)], BAND), 1.05 * 4.5);
        assert_eq!(reach(&[change("x", 9.0)], BAND), 1.05 * 10.0);
        assert_eq!(reach(&[change("x", 900.0)], BAND), 1.05 * 30.0);
        let labels: Vec<String> = ticks(4.5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["-4", "-2", "0", "+2", "+4"]);
    }
}
