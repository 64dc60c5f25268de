//! The frame of a chart: title, axes, grid, ticks.

use super::canvas::{Align, Canvas, INK, MUTED, Pen, Point, RULE, Type};
use super::scale::Scale;
use super::text::width;

pub(super) const TITLE: f64 = 15.0;
pub(super) const BODY: f64 = 12.0;
pub(super) const SMALL: f64 = 11.0;

/// Length of a tick, pixels.
const TICK: f64 = 4.0;

/// The rectangle that data are drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// A value with its label.
pub(super) type Tick = (f64, String);

/// Title and subtitle, at the left of the sheet. The title shrinks rather than be cut off.
pub(super) fn heading(canvas: &mut Canvas<'_>, sheet: f64, title: &str, subtitle: &str) {
    let room = sheet - 32.0;
    // Bold is up to 1.15 times as wide.
    let size = TITLE.min(TITLE * room / (1.15 * width(title, TITLE)));
    let bold = Type { bold: true, ..Type::plain(size, INK) };
    canvas.text((16.0, 22.0), title, bold, Align::Start);
    let kind = Type::plain(SMALL, MUTED);
    canvas.text((16.0, 42.0), subtitle, kind, Align::Start);
}

/// The horizontal axis below the area, with faint lines at its ticks.
pub(super) fn x_axis(
    canvas: &mut Canvas<'_>,
    area: Area,
    scale: &Scale,
    ticks: &[Tick],
    name: &str,
) {
    let mut free = f64::NEG_INFINITY;
    for (value, label) in ticks {
        let x = scale.at(*value);
        vertical(canvas, area, x);
        canvas.line((x, area.bottom), (x, area.bottom + TICK), AXIS);
        let half = width(label, BODY) / 2.0;
        if x - half > free {
            let at = (x, area.bottom + TICK + 10.0);
            canvas.text(at, label, Type::plain(BODY, INK), Align::Middle);
            free = x + half + 6.0;
        }
    }
    canvas.line((area.left, area.bottom), (area.right, area.bottom), AXIS);
    let middle = f64::midpoint(area.left, area.right);
    let at = (middle, area.bottom + 38.0);
    canvas.text(at, name, Type::plain(BODY, INK), Align::Middle);
}

/// The vertical axis left of the area, with faint lines at its ticks.
pub(super) fn y_axis(
    canvas: &mut Canvas<'_>,
    area: Area,
    scale: &Scale,
    ticks: &[Tick],
    name: &str,
) {
    for (value, label) in ticks {
        let y = scale.at(*value);
        canvas.line((area.left, y), (area.right, y), GRID);
        canvas.line((area.left - TICK, y), (area.left, y), AXIS);
        let at = (area.left - TICK - 4.0, y);
        canvas.text(at, label, Type::plain(BODY, INK), Align::End);
    }
    canvas.line((area.left, area.top), (area.left, area.bottom), AXIS);
    let middle = f64::midpoint(area.top, area.bottom);
    let kind = Type::plain(BODY, INK);
    canvas.text((20.0, middle), name, kind, Align::Upright);
}

/// A faint vertical line across the area.
fn vertical(canvas: &mut Canvas<'_>, area: Area, x: f64) {
    let ends: [Point; 2] = [(x, area.top), (x, area.bottom)];
    canvas.line(ends[0], ends[1], GRID);
}

const AXIS: Pen = Pen { color: MUTED, width: 1.0 };

const GRID: Pen = Pen { color: RULE, width: 1.0 };
