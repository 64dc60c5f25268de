//! What charts have in common: their forms, headings, axes, grids, ticks, legends.

use super::canvas::{Align, Canvas, INK, MUTED, Pen, Point, RULE, Type};
use super::marker::RADIUS;
use super::palette::Style;
use super::scale::Scale;
use super::text::{width, wrap};

pub(super) const BODY: f64 = 12.0;
pub(super) const SMALL: f64 = 11.0;
/// Length of a tick, pixels.
const TICK: f64 = 4.0;
/// White space at the sides of a sheet.
pub(super) const MARGIN: f64 = 16.0;
/// From one line of a legend to the next.
pub(super) const LINE: f64 = 17.0;
/// Width of a piece of a curve in a legend.
pub(super) const SWATCH: f64 = 22.0;

/// For what a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A file, or the width of a page: names stand beside what they name.
    Wide,
    /// A telephone, or one of several side by side: names stand in a legend below.
    Small,
}

impl Form {
    /// Of the sheet.
    pub(super) const fn width(self) -> f64 {
        match self {
            Form::Wide => 820.0,
            Form::Small => 420.0,
        }
    }
}

/// The rectangle that data are drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// A value with its label; without one it is a small tick.
pub(super) type Tick = (f64, String);

/// Title and subtitles, at the left of the sheet.
pub(super) struct Heading {
    lines: Vec<(f64, String, Type)>,
    /// Where it ends.
    pub(super) bottom: f64,
}

impl Heading {
    /// On a sheet of this width: words that are wider than it shrink rather than be cut off.
    pub(super) fn of(sheet: f64, title: &str, subtitles: &[&str]) -> Self {
        let size = if sheet > 500.0 { 15.0 } else { 13.5 };
        let bold = Type { bold: true, ..Type::plain(size, INK) };
        let mut heading = Heading { lines: Vec::new(), bottom: 12.0 };
        heading.add(sheet, title, bold);
        for text in subtitles {
            heading.add(sheet, text, Type::plain(SMALL, MUTED));
        }
        heading.bottom += 6.0;
        heading
    }

    fn add(&mut self, sheet: f64, text: &str, kind: Type) {
        let room = sheet - 2.0 * MARGIN;
        // Bold is up to 1.15 times as wide.
        let size = if kind.bold { 1.15 * kind.size } else { kind.size };
        for line in wrap(text, size, room) {
            let shrunk = kind.size * (room / width(&line, size)).min(1.0);
            let height = 1.4 * kind.size;
            self.lines.push((self.bottom + height / 2.0, line, Type { size: shrunk, ..kind }));
            self.bottom += height;
        }
    }

    pub(super) fn paint(&self, canvas: &mut Canvas) {
        for (y, text, kind) in &self.lines {
            canvas.text((MARGIN, *y), text, *kind, Align::Start);
        }
    }
}

/// The horizontal axis below the area, with faint lines at its ticks.
pub(super) fn x_axis(canvas: &mut Canvas, area: Area, scale: &Scale, ticks: &[Tick], name: &str) {
    let mut free = f64::NEG_INFINITY;
    for (value, label) in ticks {
        let x = scale.at(*value);
        if label.is_empty() {
            canvas.line((x, area.bottom), (x, area.bottom + TICK / 2.0), AXIS);
            continue;
        }
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
    let at = (middle, area.bottom + 36.0);
    canvas.text(at, name, Type::plain(BODY, INK), Align::Middle);
}

/// Height of what [`x_axis`] draws below the area.
pub(super) const BELOW: f64 = 50.0;

/// The vertical axis left of the area, with faint lines at its ticks.
pub(super) fn y_axis(canvas: &mut Canvas, area: Area, scale: &Scale, ticks: &[Tick], name: &str) {
    for (value, label) in ticks {
        let y = scale.at(*value);
        if label.is_empty() {
            canvas.line((area.left - TICK / 2.0, y), (area.left, y), AXIS);
            continue;
        }
        canvas.line((area.left, y), (area.right, y), GRID);
        canvas.line((area.left - TICK, y), (area.left, y), AXIS);
        let at = (area.left - TICK - 4.0, y);
        canvas.text(at, label, Type::plain(BODY, INK), Align::End);
    }
    canvas.line((area.left, area.top), (area.left, area.bottom), AXIS);
    let middle = f64::midpoint(area.top, area.bottom);
    let kind = Type::plain(BODY, INK);
    canvas.text((MARGIN, middle), name, kind, Align::Upright);
}

/// A faint vertical line across the area.
fn vertical(canvas: &mut Canvas, area: Area, x: f64) {
    canvas.line((x, area.top), (x, area.bottom), GRID);
}

const AXIS: Pen = Pen::solid(MUTED, 1.0);
const GRID: Pen = Pen::solid(RULE, 1.0);

/// How the entries of a legend show what they name.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// A piece of a curve.
    Line,
    /// A marker.
    Point,
    /// A filled rectangle.
    Field,
}

/// Names in rows as wide as the sheet.
pub(super) struct Legend<'a> {
    entries: Vec<(Point, &'a str, Style)>,
    key: Key,
    pub(super) height: f64,
}

impl<'a> Legend<'a> {
    pub(super) fn of(sheet: f64, key: Key, names: impl Iterator<Item = (&'a str, Style)>) -> Self {
        let mut legend = Legend { entries: Vec::new(), key, height: 0.0 };
        let (mut x, mut y) = (MARGIN, LINE / 2.0);
        for (name, style) in names {
            let wide = key.width() + 6.0 + width(name, BODY);
            if x > MARGIN && x + wide > sheet - MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            legend.entries.push(((x, y), name, style));
            legend.height = y + LINE / 2.0;
            x += wide + 16.0;
        }
        legend
    }

    /// Below `top`.
    pub(super) fn paint(&self, canvas: &mut Canvas, top: f64) {
        for ((x, y), name, style) in &self.entries {
            let at = (*x, top + y);
            match self.key {
                // Parts of a whole, no backends.
                Key::Field => self.key.entry(canvas, at, name, *style),
                key => canvas.series(name, |canvas| key.entry(canvas, at, name, *style)),
            }
        }
    }
}

impl Key {
    const fn width(self) -> f64 {
        match self {
            Key::Line => SWATCH,
            Key::Point | Key::Field => 12.0,
        }
    }

    /// What stands for the series, and its name, from `at` on.
    pub(super) fn entry(self, canvas: &mut Canvas, (x, y): Point, name: &str, style: Style) {
        let middle = (x + self.width() / 2.0, y);
        match self {
            Key::Line => {
                canvas.line((x, y), (x + SWATCH, y), Pen::solid(style.color, style.width));
                style.marker.draw(canvas, middle, RADIUS, style.color);
            }
            Key::Point => style.marker.draw(canvas, middle, RADIUS, style.color),
            Key::Field => canvas.rect((x, y - 5.0), (x + 10.0, y + 5.0), style.color),
        }
        let at = (x + self.width() + 6.0, y);
        canvas.text(at, name, Type::plain(BODY, INK), Align::Start);
    }
}

/// Rows one below the other, each with a name: beside it on a wide sheet, above it on a small one.
pub(super) struct Rows {
    pub(super) area: Area,
    form: Form,
    /// Of a row's data.
    strip: f64,
}

impl Rows {
    /// Rows from `top` on, their data `strip` pixels high, with `beside` pixels for what stands right of them.
    pub(super) fn of(form: Form, names: &[String], top: f64, strip: f64, beside: f64) -> Self {
        let left = match form {
            Form::Wide => MARGIN + 10.0 + super::text::widest(names.iter().map(|n| &**n), SMALL),
            Form::Small => MARGIN,
        };
        let mut rows = Rows {
            area: Area { left, right: form.width() - beside, top, bottom: top },
            form,
            strip,
        };
        rows.area.bottom = top + rows.pitch() * names.len() as f64;
        rows
    }

    /// From one row to the next.
    fn pitch(&self) -> f64 {
        match self.form {
            Form::Wide => self.strip,
            Form::Small => self.strip + 15.0,
        }
    }

    /// Height of the middle of a row's data.
    pub(super) fn middle(&self, at: usize) -> f64 {
        self.area.top + self.pitch() * (at + 1) as f64 - self.strip / 2.0
    }

    pub(super) fn name(&self, canvas: &mut Canvas, at: usize, name: &str) {
        let (y, kind) = (self.middle(at), Type::plain(SMALL, INK));
        match self.form {
            Form::Wide => canvas.text((self.area.left - 10.0, y), name, kind, Align::End),
            Form::Small => {
                canvas.text((self.area.left, y - self.strip / 2.0 - 6.0), name, kind, Align::Start);
            }
        }
    }
}
