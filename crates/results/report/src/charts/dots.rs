//! Speed-ups with one other number of threads: a row per case, a dot per backend.

use attn_analysis::rows::distinct;

use super::canvas::{Canvas, MUTED, Pen, Point, Sheet};
use super::frame::{BELOW, Form, Heading, Key, Legend, MARGIN, Rows, Tick, x_axis};
use super::scale::{Scale, round_steps};
use super::{Drawing, Theme, TooltipPoint};

/// One measured speed-up.
pub(super) struct Dot<'a> {
    pub(super) backend: &'a str,
    pub(super) value: f64,
    /// Its interval.
    pub(super) ends: (f64, f64),
    /// What it says when it is pointed at.
    pub(super) text: String,
}

/// The dots of one case.
pub(super) struct Row<'a> {
    pub(super) name: String,
    pub(super) dots: Vec<Dot<'a>>,
}

pub(super) struct Dots<'a> {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) rows: Vec<Row<'a>>,
    /// What a perfect one is.
    pub(super) perfect: f64,
}

/// Height of a row where there are few,
const STRIP: f64 = 24.0;
/// of all rows where there are many, so that the chart is seen at once,
const ALL: f64 = 480.0;
/// of each backend's part of a row, and of what is between rows, at least.
const PART: f64 = 10.0;
const BETWEEN: f64 = 4.0;

impl<'a> Dots<'a> {
    fn backends(&self) -> Vec<&'a str> {
        distinct(self.rows.iter().flat_map(|row| &row.dots).map(|dot| dot.backend))
    }

    pub(super) fn draw(&self, form: Form, theme: &Theme<'_>) -> Drawing {
        let heading = Heading::of(form.width(), &self.title, &[&self.subtitle]);
        let backends = self.backends();
        let styles = backends.iter().map(|&name| (name, theme.palette.style(name)));
        let legend = Legend::of(form.width(), Key::Point, styles);
        let names: Vec<String> = self.rows.iter().map(|row| row.name.clone()).collect();
        let top = heading.bottom + legend.height + 8.0;
        let strip = STRIP.min(ALL / names.len() as f64);
        let strip = strip.max(PART * backends.len() as f64 + BETWEEN);
        let rows = Rows::of(form, &names, top, strip, MARGIN + 8.0);
        let high = self.rows.iter().flat_map(|row| &row.dots).map(|dot| dot.ends.1);
        let high = high.fold(self.perfect, f64::max).min(2.0 * self.perfect);
        let x = Scale::linear(1.04 * high, rows.area.left, rows.area.right);
        let size = (form.width(), rows.area.bottom + BELOW + 10.0);
        let painter = Painter { dots: self, backends, rows, strip, x };
        let svg = Sheet { size, title: &self.title, origin: &theme.origin }.draw(|canvas| {
            heading.paint(canvas);
            legend.paint(canvas, heading.bottom);
            painter.paint(canvas, theme);
        });
        Drawing { svg, spots: painter.spots() }
    }
}

struct Painter<'a> {
    dots: &'a Dots<'a>,
    backends: Vec<&'a str>,
    rows: Rows,
    /// Height of a row.
    strip: f64,
    x: Scale,
}

impl Painter<'_> {
    fn paint(&self, canvas: &mut Canvas, theme: &Theme<'_>) {
        let area = self.rows.area;
        let inside = |step: &f64| *step <= self.x.ends().1;
        let ticks: Vec<Tick> = round_steps(self.x.ends().1, 5)
            .into_iter()
            .filter(inside)
            .map(|step| (step, format!("{step}x")))
            .collect();
        x_axis(canvas, area, &self.x, &ticks, "Times as fast");
        for at in [1.0, self.dots.perfect] {
            let x = self.x.at(at);
            canvas.line((x, area.top), (x, area.bottom), Pen::solid(MUTED, 1.0));
        }
        for (at, row) in self.dots.rows.iter().enumerate() {
            self.rows.name(canvas, at, &row.name);
            for dot in &row.dots {
                let (place, style) = (self.place(at, dot), theme.palette.style(dot.backend));
                let [low, high] = [dot.ends.0, dot.ends.1].map(|end| self.x.clamped(end));
                canvas.series(dot.backend, |canvas| {
                    let pen = Pen::solid(style.color, 1.2);
                    canvas.line((low, place.1), (high, place.1), pen);
                    style.marker.draw(canvas, place, 3.6, style.color);
                });
            }
        }
    }

    /// Backends have heights of their own within a row, so that equal values do not cover each other.
    fn place(&self, at: usize, dot: &Dot<'_>) -> Point {
        let order = self.backends.iter().position(|name| *name == dot.backend).unwrap_or(0);
        let shift = (order as f64 + 0.5) / self.backends.len() as f64 - 0.5;
        (self.x.clamped(dot.value), self.rows.middle(at) + 0.8 * self.strip * shift)
    }

    fn spots(&self) -> Vec<TooltipPoint> {
        let mut spots = Vec::new();
        for backend in &self.backends {
            for (at, row) in self.dots.rows.iter().enumerate() {
                let own = row.dots.iter().filter(|dot| dot.backend == *backend);
                spots.extend(
                    own.map(|dot| TooltipPoint::at(self.place(at, dot), backend, &dot.text)),
                );
            }
        }
        spots
    }
}
