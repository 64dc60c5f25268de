//! Estimates with their intervals, one below the other.

use super::canvas::{Align, Canvas, Color, INK, Pen, Sheet, Type, WHITE};
use super::frame::{BELOW, Form, Heading, Rows, SMALL, Tick, x_axis};
use super::scale::Scale;
use super::text::widest;
use crate::format::shorten_middle;

/// One line of such a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Of what.
    pub name: String,
    /// A change in percent ([`forest`](super::forest())) or a ratio ([`ratios`](super::ratios())).
    pub value: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
    /// What is said of it.
    pub verdict: String,
    /// How it is drawn.
    pub tone: Tone,
}

/// What an estimate means.
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

/// What estimates are read against.
pub(super) struct Axis<'a> {
    pub(super) name: &'a str,
    /// Between two pixels.
    pub(super) scale: &'a dyn Fn([f64; 2]) -> Scale,
    pub(super) ticks: &'a dyn Fn(&Scale) -> Vec<Tick>,
    /// Values of a grey band.
    pub(super) band: Option<[f64; 2]>,
    /// Upright lines.
    pub(super) lines: &'a [(f64, Color)],
}

/// The estimates in their order, below title and subtitle, with `origin` below.
pub(super) fn draw(
    form: Form,
    estimates: &[Estimate],
    axis: &Axis<'_>,
    [title, subtitle, origin]: [&str; 3],
) -> String {
    let subtitles = [subtitle];
    let subtitles = &subtitles[..usize::from(!subtitle.is_empty())];
    let heading = Heading::of(form.width(), title, subtitles);
    let names: Vec<String> =
        estimates.iter().map(|estimate| shorten_middle(&estimate.name, NAME)).collect();
    let verdicts = widest(estimates.iter().map(|estimate| estimate.verdict.as_str()), SMALL);
    let rows = Rows::of(form, &names, heading.bottom + 4.0, ROW, 36.0 + verdicts);
    let area = rows.area;
    let scale = (axis.scale)([area.left, area.right]);
    let size = (form.width(), area.bottom + BELOW + 10.0);
    Sheet { size, title, origin }.draw(|canvas| {
        heading.paint(canvas);
        if let Some([low, high]) = axis.band {
            canvas.rect((scale.at(low), area.top), (scale.at(high), area.bottom), GREY);
        }
        x_axis(canvas, area, &scale, &(axis.ticks)(&scale), axis.name);
        for (x, color) in axis.lines {
            let x = scale.at(*x);
            canvas.line((x, area.top), (x, area.bottom), Pen::solid(*color, 1.0));
        }
        for (at, (name, estimate)) in names.iter().zip(estimates).enumerate() {
            rows.name(canvas, at, name);
            mark(canvas, estimate, &scale, rows.middle(at));
            let bold = estimate.tone == Tone::Bad;
            let kind = Type { bold, ..Type::plain(SMALL, estimate.tone.color()) };
            let place = (area.right + 14.0, rows.middle(at));
            canvas.text(place, &estimate.verdict, kind, Align::Start);
        }
    })
}

/// The interval and the point; a point beyond the frame is an arrow at its edge.
fn mark(canvas: &mut Canvas, estimate: &Estimate, scale: &Scale, y: f64) {
    let color = estimate.tone.color();
    if let Some([low, high]) = estimate.interval {
        let pen = Pen::solid(color, 1.6);
        canvas.line((scale.clamped(low), y), (scale.clamped(high), y), pen);
    }
    let x = scale.clamped(estimate.value);
    let beyond = scale.at(estimate.value) - x;
    if beyond.abs() < 1e-9 {
        canvas.disc((x, y), 4.6, WHITE);
        canvas.disc((x, y), 3.6, color);
    } else {
        let length = 7.0 * beyond.signum();
        canvas.polygon(&[(x, y), (x - length, y - 4.5), (x - length, y + 4.5)], color);
    }
}
