//! Changes with their intervals, one below the other, against what is tolerated and what must be found.

use super::Figure;
use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Sheet, Type, WHITE};
use super::frame::{BELOW, Form, Heading, Rows, SMALL, x_axis};
use super::scale::Scale;
use super::text::widest;
use crate::format::shorten_middle;

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

pub(super) const GREY: Color = Color(0xee, 0xee, 0xee);
pub(super) const GOOD: Color = Color(0x00, 0x72, 0xb2);
pub(super) const BAD: Color = Color(0xb3, 0x47, 0x00);
pub(super) const OPEN: Color = Color(0x6b, 0x6b, 0x6b);

const ROW: f64 = 20.0;
/// Characters of a name.
const NAME: usize = 48;

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

/// The changes in their order, with `origin` below, for a page and for a telephone; `None` without any.
pub fn forest(
    title: &str,
    subtitle: &str,
    changes: &[Change],
    band: Band,
    origin: &str,
) -> Option<Figure> {
    let draw = |form| Painter::of(form, changes, band).draw([title, subtitle, origin]);
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

struct Painter<'a> {
    form: Form,
    changes: &'a [Change],
    band: Band,
    reach: f64,
    /// For the verdicts.
    beside: f64,
}

impl<'a> Painter<'a> {
    fn of(form: Form, changes: &'a [Change], band: Band) -> Self {
        let verdicts = widest(changes.iter().map(|change| change.verdict.as_str()), SMALL);
        Painter { form, changes, band, reach: reach(changes, band), beside: 36.0 + verdicts }
    }

    fn draw(&self, [title, subtitle, origin]: [&str; 3]) -> String {
        let heading = Heading::of(self.form.width(), title, &[subtitle]);
        let names: Vec<String> =
            self.changes.iter().map(|change| shorten_middle(&change.name, NAME)).collect();
        let rows = Rows::of(self.form, &names, heading.bottom + 4.0, ROW, self.beside);
        let area = rows.area;
        let scale = Scale::linear_between(-self.reach, self.reach, area.left, area.right);
        let size = (self.form.width(), area.bottom + BELOW + 10.0);
        Sheet { size, title, origin }.draw(|canvas| {
            heading.paint(canvas);
            let corner = (scale.at(self.band.tolerate), area.bottom);
            canvas.rect((scale.at(-self.band.tolerate), area.top), corner, GREY);
            x_axis(canvas, area, &scale, &ticks(self.reach), "Change of the time, percent");
            for (x, color) in [(0.0, MUTED), (self.band.detect, BAD)] {
                let x = scale.at(x);
                canvas.line((x, area.top), (x, area.bottom), Pen::solid(color, 1.0));
            }
            for (at, (name, change)) in names.iter().zip(self.changes).enumerate() {
                rows.name(canvas, at, name);
                mark(canvas, change, &scale, rows.middle(at));
                let bold = change.tone == Tone::Bad;
                let kind = Type { bold, ..Type::plain(SMALL, change.tone.color()) };
                let place = (area.right + 14.0, rows.middle(at));
                canvas.text(place, &change.verdict, kind, Align::Start);
            }
        })
    }
}

/// The interval and the point; a point beyond the frame is an arrow at its edge.
fn mark(canvas: &mut Canvas, change: &Change, scale: &Scale, y: f64) {
    let color = change.tone.color();
    if let Some([low, high]) = change.interval {
        let pen = Pen::solid(color, 1.6);
        canvas.line((scale.clamped(low), y), (scale.clamped(high), y), pen);
    }
    let x = scale.clamped(change.percent);
    if (scale.at(change.percent) - x).abs() < 1e-9 {
        canvas.disc((x, y), 4.6, WHITE);
        canvas.disc((x, y), 3.6, color);
    } else {
        let length = 7.0 * change.percent.signum();
        canvas.polygon(&[(x, y), (x - length, y - 4.5), (x - length, y + 4.5)], color);
    }
}

/// Percent at both ends of the axis: room for every interval, but not for one that says nothing.
fn reach(changes: &[Change], band: Band) -> f64 {
    let ends = changes.iter().flat_map(|change| {
        let [low, high] = change.interval.unwrap_or([change.percent; 2]);
        [low.abs(), high.abs(), change.percent.abs()]
    });
    // A little more, so that a point at the end is inside the frame.
    1.05 * ends.fold(1.5 * band.detect, f64::max).min(10.0 * band.detect)
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
        assert_eq!(forest("t", "s", &[], BAND, "o"), None);
        let wild = Change { interval: Some([-900.0, 900.0]), ..change("<wild & \">", 500.0) };
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
