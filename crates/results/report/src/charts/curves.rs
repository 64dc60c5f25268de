//! Curves over a size, one per backend, with their names at their ends.

use super::TooltipPoint;
use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, Type, draw};
use super::frame::{Area, BODY, SMALL, Tick, heading, x_axis, y_axis};
use super::labels::spread;
use super::marker::RADIUS;
use super::palette::{Style, style};
use super::scale::Scale;
use super::text::widest;

const SHEET: f64 = 820.0;
const TOP: f64 = 68.0;
const BELOW: f64 = 54.0;
const HEIGHT: f64 = 360.0;
/// From the area to the swatch of a label.
const LEADER: f64 = 16.0;
const SWATCH: f64 = 22.0;
/// A curve that ends further from the labels has no leader, which would cross others.
const NEAR: f64 = 60.0;
/// From one label to the next.
const LINE: f64 = 17.0;

/// What is drawn.
pub(super) struct Plot<'a> {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) x_name: String,
    pub(super) y_name: String,
    /// Ticks of the horizontal axis, which is logarithmic.
    pub(super) sizes: Vec<usize>,
    pub(super) y: Vertical,
    pub(super) curves: Vec<Curve<'a>>,
    pub(super) slopes: Vec<Slope>,
    pub(super) levels: Vec<Level>,
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
    wanted: f64,
    /// Where the leader starts; a curve that ends early has none.
    from: Option<Point>,
    style: Option<Style>,
}

/// The picture and its points; `None` without a point.
pub(super) fn picture(chart: &Plot<'_>) -> Option<(String, Vec<TooltipPoint>)> {
    let marks = || chart.curves.iter().flat_map(|c| &c.points);
    let low = marks().map(|m| m.low).reduce(f64::min)?;
    let high = marks().map(|m| m.high).reduce(f64::max)?;
    let high = chart.levels.iter().map(|level| level.value).fold(high, f64::max);
    let sizes = (*chart.sizes.first()? as f64, *chart.sizes.last()? as f64);
    let labels = chart.curves.len() + chart.slopes.len() + chart.levels.len();
    let bottom = TOP + HEIGHT.max(LINE * labels as f64);
    let (y, ticks) = (chart.y)((low, high), bottom, TOP);
    let names = chart.curves.iter().map(|c| c.backend);
    let names = names.chain(chart.levels.iter().map(|level| &*level.name));
    let area = Area {
        left: 44.0 + widest(ticks.iter().map(|(_, label)| &**label), BODY),
        right: SHEET - LEADER - SWATCH - widest(names, BODY) - 24.0,
        top: TOP,
        bottom,
    };
    let x = Scale::log(sizes, 0.04, area.left, area.right);
    let painter = Painter { area, x, y };
    let svg = draw((SHEET, bottom + BELOW), &chart.title, |canvas| {
        heading(canvas, SHEET, &chart.title, &chart.subtitle);
        let sizes: Vec<Tick> = chart.sizes.iter().map(|&n| (n as f64, n.to_string())).collect();
        x_axis(canvas, area, &x, &sizes, &chart.x_name);
        y_axis(canvas, area, &y, &ticks, &chart.y_name);
        painter.paint(canvas, chart);
    });
    Some((svg, painter.spots(chart)))
}

struct Painter {
    area: Area,
    x: Scale,
    y: Scale,
}

impl Painter {
    fn paint(&self, canvas: &mut Canvas<'_>, chart: &Plot<'_>) {
        let mut labels: Vec<Label<'_>> = Vec::new();
        let anchor = anchor(&chart.curves).filter(|_| chart.sizes.len() > 1);
        for slope in &chart.slopes {
            labels.extend(anchor.and_then(|anchor| self.slope(canvas, anchor, slope)));
        }
        labels.extend(chart.levels.iter().map(|level| self.level(canvas, level)));
        for curve in &chart.curves {
            self.curve(canvas, curve, &chart.sizes);
        }
        for curve in &chart.curves {
            self.markers(canvas, curve);
            labels.extend(self.label(curve));
        }
        self.labels(canvas, &labels);
    }

    fn point(&self, mark: &Mark) -> Point {
        (self.x.at(mark.size), self.y.at(mark.middle))
    }

    fn curve(&self, canvas: &mut Canvas<'_>, curve: &Curve<'_>, sizes: &[usize]) {
        let style = style(curve.backend);
        for mark in &curve.points {
            let x = self.x.at(mark.size);
            let (low, high) = (self.y.clamped(mark.low), self.y.clamped(mark.high));
            canvas.line((x, low), (x, high), pen(style.color, 1.0));
        }
        // A size without a measurement is a gap.
        let place = |mark: &Mark| sizes.iter().position(|&n| n as f64 == mark.size);
        for piece in curve.points.chunk_by(|a, b| place(a).map(|p| p + 1) == place(b)) {
            let points: Vec<Point> = piece.iter().map(|m| self.point(m)).collect();
            if style.dashed {
                dashes(canvas, &points, pen(style.color, 1.75));
            } else {
                canvas.path(&points, pen(style.color, 1.75));
            }
        }
    }

    fn markers(&self, canvas: &mut Canvas<'_>, curve: &Curve<'_>) {
        let style = style(curve.backend);
        for mark in &curve.points {
            let at = self.point(mark);
            style.marker.draw(canvas, at, RADIUS, style.color);
        }
    }

    /// A reference line through `anchor`. Its name lies beside the area, or above it if it leaves there.
    fn slope(
        &self,
        canvas: &mut Canvas<'_>,
        anchor: (f64, f64),
        slope: &Slope,
    ) -> Option<Label<'static>> {
        let (size, value) = anchor;
        let at = |x: f64| value * (x / size).powi(slope.exponent);
        let (_, last) = self.x.ends();
        let start = (self.x.at(size), self.y.at(value));
        let end = (self.x.at(last), self.y.at(at(last)));
        let line = pen(MUTED, 0.75);
        if end.1 >= self.area.top {
            canvas.line(start, end, line);
            return Some(Label { text: slope.name, wanted: end.1, from: Some(end), style: None });
        }
        let share = (start.1 - self.area.top) / (start.1 - end.1);
        let exit = start.0 + share * (end.0 - start.0);
        canvas.line(start, (exit, self.area.top), line);
        // The steeper line leaves further left: with these ends no two names meet.
        let (x, align) = match slope.exponent {
            1 => (exit + 2.0, Align::Start),
            _ => (exit - 2.0, Align::End),
        };
        let at = (x, self.area.top - 8.0);
        canvas.text(at, slope.name, Type::plain(SMALL, MUTED), align);
        None
    }

    /// A line across the area, with its name beside it.
    fn level<'a>(&self, canvas: &mut Canvas<'_>, level: &'a Level) -> Label<'a> {
        let y = self.y.at(level.value);
        let ends = [(self.area.left, y), (self.area.right, y)];
        dashes(canvas, &ends, pen(INK, 1.0));
        Label { text: &level.name, wanted: y, from: Some(ends[1]), style: None }
    }

    fn spots(&self, chart: &Plot<'_>) -> Vec<TooltipPoint> {
        let of_curve = |curve: &Curve<'_>| {
            let spots = curve.points.iter();
            let spots =
                spots.map(|mark| TooltipPoint::at(self.point(mark), curve.backend, &mark.text));
            spots.collect::<Vec<_>>()
        };
        chart.curves.iter().flat_map(of_curve).collect()
    }

    fn label<'a>(&self, curve: &Curve<'a>) -> Option<Label<'a>> {
        let at = self.point(curve.points.last()?);
        Some(Label {
            text: curve.backend,
            wanted: at.1,
            from: (self.area.right - at.0 < NEAR).then_some((at.0 + RADIUS, at.1)),
            style: Some(style(curve.backend)),
        })
    }

    fn labels(&self, canvas: &mut Canvas<'_>, labels: &[Label<'_>]) {
        let wanted: Vec<f64> = labels.iter().map(|l| l.wanted).collect();
        let heights = spread(&wanted, LINE, self.area.top, self.area.bottom);
        let left = self.area.right + LEADER;
        for (label, &y) in labels.iter().zip(&heights) {
            let color = label.style.map_or(MUTED, |s| s.color);
            if let Some(from) = label.from {
                canvas.line(from, (left, y), pen(color, 0.75));
            }
            if let Some(style) = label.style {
                swatch(canvas, (left, y), style);
                let at = (left + SWATCH + 6.0, y);
                canvas.text(at, label.text, Type::plain(BODY, INK), Align::Start);
            } else {
                let at = (left + 4.0, y);
                canvas.text(at, label.text, Type::plain(SMALL, MUTED), Align::Start);
            }
        }
    }
}

/// A short piece of the curve with its marker.
fn swatch(canvas: &mut Canvas<'_>, (x, y): Point, style: Style) {
    canvas.line((x, y), (x + SWATCH, y), pen(style.color, 1.75));
    let middle = (x + SWATCH / 2.0, y);
    style.marker.draw(canvas, middle, RADIUS, style.color);
}

/// Where reference lines start: the smallest size, in the middle of what was measured there.
fn anchor(curves: &[Curve<'_>]) -> Option<(f64, f64)> {
    let marks = || curves.iter().flat_map(|c| &c.points);
    let first = marks().map(|m| m.size).reduce(f64::min)?;
    let values: Vec<f64> = marks().filter(|m| m.size == first).map(|m| m.middle).collect();
    Some((first, attn_record::stats::geometric_mean(&values)?))
}

/// A dashed polyline.
fn dashes(canvas: &mut Canvas<'_>, points: &[Point], pen: Pen) {
    const PERIOD: f64 = 8.0;
    const DASH: f64 = 5.0;
    // How far into the pattern the segment starts.
    let mut phase = 0.0;
    for ends in points.windows(2) {
        let (a, b) = (ends[0], ends[1]);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let at = |t: f64| {
            let share = (t / length).clamp(0.0, 1.0);
            (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
        };
        let mut start = -phase;
        while start < length {
            if start + DASH > 0.0 {
                canvas.line(at(start), at(start + DASH), pen);
            }
            start += PERIOD;
        }
        phase = length - (start - PERIOD);
    }
}

const fn pen(color: Color, width: f64) -> Pen {
    Pen { color, width }
}
