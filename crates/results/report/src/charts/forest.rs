//! Changes with their intervals, one below the other, against what is tolerated and what must be found.

use super::Figure;
use super::canvas::{Align, Color, INK, MUTED, Pen, Type, WHITE, draw};
use super::frame::{Area, BODY, SMALL, heading, x_axis};
use super::scale::Scale;
use super::text::widest;

/// One line of a forest plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What changed.
    pub name: String,
    /// By how much, percent.
    pub percent: f64,
    /// The interval, percent.
    pub interval: Option<[f64; 2]>,
    /// What is said of it.
    pub verdict: String,
    /// How it is drawn.
    pub tone: Tone,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// Good.
    Good,
    /// Bad.
    Bad,
    /// Inconclusive.
    Open,
}

/// What changes are measured against, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Up to here is tolerated.
    pub tolerate: f64,
    /// From here on it must be found.
    pub detect: f64,
}

const GREY: Color = plotters::style::RGBColor(0xee, 0xee, 0xee);
const GOOD: Color = plotters::style::RGBColor(0x00, 0x72, 0xb2);
const BAD: Color = plotters::style::RGBColor(0xd5, 0x5e, 0x00);
const OPEN: Color = plotters::style::RGBColor(0x99, 0x99, 0x99);

const WIDTH: f64 = 760.0;
const ROW: f64 = 20.0;
const TOP: f64 = 62.0;

impl Tone {
    const fn color(self) -> Color {
        match self {
            Tone::Plain => INK,
            Tone::Good => GOOD,
            Tone::Bad => BAD,
            Tone::Open => OPEN,
        }
    }
}

/// The changes in their order; `None` without any.
pub fn forest(title: &str, subtitle: &str, changes: &[Change], band: Band) -> Option<Figure> {
    if changes.is_empty() {
        return None;
    }
    let names = widest(changes.iter().map(|change| change.name.as_str()), BODY).min(330.0);
    let verdicts = widest(changes.iter().map(|change| change.verdict.as_str()), SMALL);
    let area = Area {
        left: 16.0 + names + 14.0,
        right: WIDTH - 16.0 - verdicts - 14.0,
        top: TOP,
        bottom: TOP + ROW * changes.len() as f64 + 6.0,
    };
    let reach = reach(changes, band);
    let scale = Scale::linear_between(-reach, reach, area.left, area.right);
    let svg = draw((WIDTH, area.bottom + 54.0), title, |canvas| {
        heading(canvas, WIDTH, title, subtitle);
        let corner = (scale.at(band.tolerate), area.bottom);
        canvas.rect((scale.at(-band.tolerate), area.top), corner, GREY);
        let ticks = ticks(reach);
        x_axis(canvas, area, &scale, &ticks, "time of HEAD against base, percent");
        for (x, color) in [(0.0, MUTED), (band.detect, BAD)] {
            let pen = Pen { color, width: 1.0 };
            canvas.line((scale.at(x), area.top), (scale.at(x), area.bottom), pen);
        }
        for (at, change) in changes.iter().enumerate() {
            let y = area.top + ROW * (at as f64 + 0.5) + 3.0;
            let color = change.tone.color();
            let name =
                Type::plain(BODY.min(BODY * names / super::text::width(&change.name, BODY)), INK);
            canvas.text((area.left - 14.0, y), &change.name, name, Align::End);
            if let Some([low, high]) = change.interval {
                let pen = Pen { color, width: 1.6 };
                canvas.line((scale.clamped(low), y), (scale.clamped(high), y), pen);
            }
            canvas.disc((scale.clamped(change.percent), y), 4.6, WHITE);
            canvas.disc((scale.clamped(change.percent), y), 3.6, color);
            let kind = Type { bold: change.tone == Tone::Bad, ..Type::plain(SMALL, color) };
            canvas.text((area.right + 14.0, y), &change.verdict, kind, Align::Start);
        }
    });
    Some(Figure {
        caption: format!(
            "Each line is one case: the change of its time and the interval at 95 %. Within the grey band \
             (±{} %) a change is tolerated; from the line at {} % on it must be found.",
            band.tolerate, band.detect
        ),
        svg,
    })
}

/// Percent at both ends of the axis: room for every interval, but not for one that says nothing.
fn reach(changes: &[Change], band: Band) -> f64 {
    let ends = changes.iter().flat_map(|change| {
        let [low, high] = change.interval.unwrap_or([change.percent; 2]);
        [low.abs(), high.abs(), change.percent.abs()]
    });
    ends.fold(1.5 * band.detect, f64::max).min(10.0 * band.detect)
}

fn ticks(reach: f64) -> Vec<(f64, String)> {
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
    use super::*;
    use crate::png::parse;

    fn change(name: &str, percent: f64) -> Change {
        Change {
            name: name.into(),
            percent,
            interval: Some([percent - 1.0, percent + 1.0]),
            verdict: "PASS".into(),
            tone: Tone::Plain,
        }
    }

    const BAND: Band = Band { tolerate: 0.75, detect: 3.0 };

    #[test]
    fn whatever_the_numbers_it_is_well_formed() {
        assert_eq!(forest("t", "s", &[], BAND), None);
        let wild = Change { interval: Some([-900.0, 900.0]), ..change("<wild & \">", 500.0) };
        let changes = [change("faer:gate/prefill", 0.1), wild, change(&"long".repeat(30), -3.0)];
        let chart = forest("title", "subtitle", &changes, BAND).unwrap();
        parse(&chart.svg).unwrap();
        assert_eq!(chart.svg.matches("PASS").count(), 3);
    }

    #[test]
    fn the_axis_holds_the_intervals_up_to_a_limit() {
        assert_eq!(reach(&[change("x", 0.0)], BAND), 4.5);
        assert_eq!(reach(&[change("x", 9.0)], BAND), 10.0);
        assert_eq!(reach(&[change("x", 900.0)], BAND), 30.0);
        let labels: Vec<String> = ticks(4.5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["-4", "-2", "0", "+2", "+4"]);
    }
}
