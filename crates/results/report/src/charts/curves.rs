//! Curves over a size, one per backend, named at their ends or in a legend.

use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, Sheet, Type};
use super::frame::{
    Area, BELOW, BODY, Form, Heading, Key, LINE, Legend, MARGIN, SMALL, SWATCH, Tick, x_axis,
    y_axis,
};
use super::labels::spread;
use super::marker::RADIUS;
use super::palette::{Palette, Style};
use super::scale::Scale;
use super::text::widest;
use super::{Drawing, TooltipPoint};
use crate::table::{Cell, Column, Table};

/// Height of the area.
const HEIGHT: f64 = 340.0;
const SMALL_HEIGHT: f64 = 230.0;
/// From the area to the swatch of a label.
const LEADER: f64 = 18.0;

/// What is drawn.
pub(super) struct Plot<'a> {
    /// What the curves are.
    pub(super) what: String,
    /// What they are of.
    pub(super) of: String,
    /// How they are to be read.
    pub(super) how: String,
    pub(super) x_name: String,
    pub(super) y_name: String,
    /// Ticks of the horizontal axis, which is logarithmic.
    pub(super) sizes: Vec<usize>,
    pub(super) y: Vertical,
    /// A value in words.
    pub(super) show: fn(f64) -> String,
    pub(super) curves: Vec<Curve<'a>>,
    pub(super) slopes: Vec<Slope>,
    pub(super) levels: Vec<Level>,
    pub(super) palette: &'a Palette,
    pub(super) origin: &'a str,
}

/// The vertical axis: from pixels of its ends to a scale and its ticks.
pub(super) type Vertical = fn(values: (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>);

/// One backend. Not empty.
pub(super) struct Curve<'a> {
    pub(super) backend: &'a str,
    pub(super) points: Vec<Mark>,
}

/// One point, with the range in which most samples lie, and what it says when it is pointed at.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) size: f64,
    pub(super) middle: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) text: String,
}

/// A grey line of `size^exponent` for comparison, on two logarithmic axes.
pub(super) struct Slope {
    pub(super) name: &'static str,
    pub(super) exponent: i32,
}

/// A horizontal line at a limit.
pub(super) struct Level {
    pub(super) name: String,
    pub(super) value: f64,
}

/// A name beside the area.
struct Label<'a> {
    text: &'a str,
    /// The end of what it names.
    from: Point,
    style: Option<Style>,
}

impl Plot<'_> {
    /// The smallest and the largest value; `None` without a point.
    fn ends(&self) -> Option<(f64, f64)> {
        let marks = || self.curves.iter().flat_map(|c| &c.points);
        let low = marks().map(|m| m.low).reduce(f64::min)?;
        let high = marks().map(|m| m.high).reduce(f64::max)?;
        Some((low, self.levels.iter().map(|level| level.value).fold(high, f64::max)))
    }

    /// Whether there is anything to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.ends().is_none() || self.sizes.is_empty()
    }

    /// Logarithmic; linear where sizes are equally far apart, as positions of tokens are, and no line of a power is drawn.
    fn x_scale(&self, left: f64, right: f64) -> Scale {
        let size = |size: Option<&usize>| size.copied().unwrap_or(1) as f64;
        let (first, last) = (size(self.sizes.first()), size(self.sizes.last()));
        let mut steps = self.sizes.windows(2).map(|pair| pair[1] - pair[0]);
        let step = steps.next();
        if self.sizes.len() > 3 && self.slopes.is_empty() && steps.all(|other| Some(other) == step)
        {
            let margin = 0.04 * (last - first);
            return Scale::linear_between(first - margin, last + margin, left, right);
        }
        Scale::log((first, last), 0.04, left, right)
    }

    /// What is drawn, as figures.
    pub(super) fn data(&self) -> Table {
        let number = |name: &str| Column::number(name);
        let columns = [Column::backend("backend"), number(&self.x_name), number(&self.y_name)];
        let points =
            self.curves.iter().flat_map(|curve| curve.points.iter().map(move |p| (curve, p)));
        let rows = points.map(|(curve, point)| {
            let value = |value| Cell::value(Some(value), self.show);
            vec![
                curve.backend.into(),
                Cell::value(Some(point.size), |size| size.to_string()),
                value(point.middle),
                value(point.low),
                value(point.high),
            ]
        });
        Table::new(self.title(), columns.into_iter().chain([number("from"), number("to")]))
            .rows(rows)
    }

    /// `Time per call: full attention, H = 1`.
    fn title(&self) -> String {
        let parts = [&*self.what, &*self.of].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(": ")
    }

    /// The picture and its points; nothing without a point.
    pub(super) fn draw(&self, form: Form) -> Drawing {
        let Some(ends) = self.ends() else {
            return Drawing { svg: String::new(), spots: Vec::new() };
        };
        let title = self.title();
        let heading = match form {
            Form::Wide => Heading::of(form.width(), &title, &[&self.how]),
            Form::Small => Heading::of(form.width(), &self.what, &[&self.of]),
        };
        let names = self.curves.iter().map(|c| (c.backend, self.palette.style(c.backend)));
        let legend = Legend::of(form.width(), Key::Line, names.filter(|_| form == Form::Small));
        let painter = Painter::of(self, form, heading.bottom, ends);
        let bottom = painter.area.bottom + BELOW;
        let sheet = Sheet {
            size: (form.width(), bottom + legend.height + 10.0),
            title: &title,
            origin: self.origin,
        };
        let svg = sheet.draw(|canvas| {
            heading.paint(canvas);
            painter.paint(canvas);
            legend.paint(canvas, bottom);
        });
        Drawing { svg, spots: painter.spots() }
    }
}

struct Painter<'a> {
    plot: &'a Plot<'a>,
    form: Form,
    area: Area,
    x: Scale,
    y: Scale,
    ticks: Vec<Tick>,
}

impl<'a> Painter<'a> {
    fn of(plot: &'a Plot<'a>, form: Form, heading: f64, ends: (f64, f64)) -> Self {
        let top = heading + if plot.slopes.is_empty() { 6.0 } else { 16.0 };
        let labels = plot.curves.len() + plot.slopes.len() + plot.levels.len();
        let height = match form {
            Form::Wide => HEIGHT.max(LINE * labels as f64),
            Form::Small => SMALL_HEIGHT,
        };
        let (y, ticks) = (plot.y)(ends, top + height, top);
        let names = plot.curves.iter().map(|c| c.backend);
        let names = names.chain(plot.levels.iter().map(|level| &*level.name));
        let beside = match form {
            Form::Wide => LEADER + SWATCH + widest(names, BODY) + 24.0,
            Form::Small => MARGIN,
        };
        let area = Area {
            left: 40.0 + widest(ticks.iter().map(|(_, label)| &**label), BODY),
            right: form.width() - beside,
            top,
            bottom: top + height,
        };
        let x = plot.x_scale(area.left, area.right);
        Painter { plot, form, area, x, y, ticks }
    }

    fn paint(&self, canvas: &mut Canvas) {
        let Painter { plot, area, .. } = self;
        let sizes: Vec<Tick> = plot.sizes.iter().map(|&n| (n as f64, n.to_string())).collect();
        x_axis(canvas, *area, &self.x, &sizes, &plot.x_name);
        y_axis(canvas, *area, &self.y, &self.ticks, &plot.y_name);
        let anchor = anchor(&plot.curves).filter(|_| plot.sizes.len() > 1);
        let slopes = plot.slopes.iter();
        let mut labels: Vec<Label<'_>> =
            slopes.filter_map(|slope| self.slope(canvas, anchor?, slope)).collect();
        labels.extend(plot.levels.iter().map(|level| self.level(canvas, level)));
        // Somebody's own comes last, and so above all others.
        let mut curves: Vec<&Curve<'_>> = plot.curves.iter().collect();
        curves.sort_by(|a, b| self.style(a).width.total_cmp(&self.style(b).width));
        for curve in curves {
            canvas.series(curve.backend, |canvas| self.curve(canvas, curve));
            labels.extend(self.label(curve));
        }
        self.labels(canvas, &labels);
    }

    fn style(&self, curve: &Curve<'_>) -> Style {
        self.plot.palette.style(curve.backend)
    }

    fn point(&self, mark: &Mark) -> Point {
        (self.x.at(mark.size), self.y.at(mark.middle))
    }

    fn curve(&self, canvas: &mut Canvas, curve: &Curve<'_>) {
        let style = self.style(curve);
        for mark in &curve.points {
            let x = self.x.at(mark.size);
            let (low, high) = (self.y.clamped(mark.low), self.y.clamped(mark.high));
            if low - high > 1.0 {
                canvas.line((x, low), (x, high), Pen::solid(style.color, 1.0));
            }
        }
        // A size without a measurement is a gap.
        let place = |mark: &Mark| self.plot.sizes.iter().position(|&n| n as f64 == mark.size);
        for piece in curve.points.chunk_by(|a, b| place(a).map(|p| p + 1) == place(b)) {
            let points: Vec<Point> = piece.iter().map(|m| self.point(m)).collect();
            if points.len() > 1 {
                canvas.path(&points, Pen::solid(style.color, style.width));
            }
        }
        for mark in &curve.points {
            style.marker.draw(canvas, self.point(mark), RADIUS, style.color);
        }
    }

    /// A reference line through `anchor`. Its name lies beside the area, or above it if it leaves there.
    fn slope(
        &self,
        canvas: &mut Canvas,
        (size, value): (f64, f64),
        slope: &Slope,
    ) -> Option<Label<'static>> {
        let at = |x: f64| value * (x / size).powi(slope.exponent);
        let (_, last) = self.x.ends();
        let start = (self.x.at(size), self.y.at(value));
        let end = (self.x.at(last), self.y.at(at(last)));
        let line = Pen::solid(MUTED, 0.75);
        let kind = Type::plain(SMALL, MUTED);
        if end.1 >= self.area.top {
            canvas.line(start, end, line);
            if self.form == Form::Wide {
                return Some(Label { text: slope.name, from: end, style: None });
            }
            if let Some(y) = [end.1 + 9.0, end.1 - 9.0].into_iter().find(|&y| self.is_free(y)) {
                canvas.text((self.area.right - 2.0, y), slope.name, kind, Align::End);
            }
            return None;
        }
        let share = (start.1 - self.area.top) / (start.1 - end.1);
        let exit = start.0 + share * (end.0 - start.0);
        canvas.line(start, (exit, self.area.top), line);
        // The steeper line leaves further left: with these ends no two names meet.
        let (x, align) = match slope.exponent {
            1 => (exit + 2.0, Align::Start),
            _ => (exit - 2.0, Align::End),
        };
        canvas.text((x, self.area.top - 8.0), slope.name, kind, align);
        None
    }

    /// Whether a name at this height and at the right end of the area meets no end of a curve.
    fn is_free(&self, y: f64) -> bool {
        let ends = self.plot.curves.iter().filter_map(|curve| curve.points.last());
        let mut ends =
            ends.map(|mark| self.point(mark)).filter(|end| self.area.right - end.0 < 30.0);
        ends.all(|end| (end.1 - y).abs() > RADIUS + 0.5 * SMALL)
    }

    /// A line across the area, with its name beside it.
    fn level<'l>(&self, canvas: &mut Canvas, level: &'l Level) -> Label<'l> {
        let y = self.y.at(level.value);
        let ends = [(self.area.left, y), (self.area.right, y)];
        canvas.path(&ends, Pen { dash: Some((5.0, 3.0)), ..Pen::solid(INK, 1.0) });
        if self.form == Form::Small {
            let at = (self.area.left + 6.0, y - 8.0);
            canvas.text(at, &level.name, Type::plain(SMALL, MUTED), Align::Start);
        }
        Label { text: &level.name, from: ends[1], style: None }
    }

    fn spots(&self) -> Vec<TooltipPoint> {
        let of_curve = |curve: &Curve<'_>| {
            let spots = curve.points.iter();
            let spots =
                spots.map(|mark| TooltipPoint::at(self.point(mark), curve.backend, &mark.text));
            spots.collect::<Vec<_>>()
        };
        self.plot.curves.iter().flat_map(of_curve).collect()
    }

    fn label<'c>(&self, curve: &Curve<'c>) -> Option<Label<'c>> {
        let from = self.point(curve.points.last()?);
        Some(Label { text: curve.backend, from, style: Some(self.style(curve)) })
    }

    /// Names beside the area, each with a line from the end of what it names: dotted where that is far.
    fn labels(&self, canvas: &mut Canvas, labels: &[Label<'_>]) {
        if self.form == Form::Small {
            return;
        }
        let wanted: Vec<f64> = labels.iter().map(|l| l.from.1).collect();
        let heights = spread(&wanted, LINE, self.area.top, self.area.bottom);
        let left = self.area.right + LEADER;
        for (label, &y) in labels.iter().zip(&heights) {
            let color = label.style.map_or(MUTED, |s| s.color);
            let (x, height) = label.from;
            let start = if label.style.is_some() { x + RADIUS + 2.0 } else { x };
            let pen = leader(color, self.area.right - start);
            canvas.path(&[(start, height), (self.area.right, height), (left, y)], pen);
            if let Some(style) = label.style {
                canvas.series(label.text, |canvas| {
                    Key::Line.entry(canvas, (left, y), label.text, style);
                });
            } else {
                let kind = Type::plain(SMALL, MUTED);
                canvas.text((left + 4.0, y), label.text, kind, Align::Start);
            }
        }
    }
}

/// The line from the end of a curve to its name, which is this far from the side.
fn leader(color: Color, far: f64) -> Pen {
    let dash = (far > 2.0 * RADIUS + LEADER).then_some((1.0, 3.0));
    Pen { dash, ..Pen::solid(color, 0.75) }
}

/// Where reference lines start: the smallest size, in the middle of what was measured there.
fn anchor(curves: &[Curve<'_>]) -> Option<(f64, f64)> {
    let marks = || curves.iter().flat_map(|c| &c.points);
    let first = marks().map(|m| m.size).reduce(f64::min)?;
    let values: Vec<f64> = marks().filter(|m| m.size == first).map(|m| m.middle).collect();
    Some((first, attn_record::stats::geometric_mean(&values)?))
}
