//! How often a slowdown is found, against how large it is.

use super::Figure;
use super::canvas::{Canvas, Pen, Sheet};
use super::frame::{Area, BELOW, Form, Heading, Key, Legend, MARGIN, x_axis, y_axis};
use super::palette::{Palette, Style};
use super::scale::{Scale, round_steps};

/// The power curve of one kind of case.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerCurve {
    /// The kind.
    pub name: String,
    /// (slowdown in percent, share that is found), replayed.
    pub replayed: Vec<(f64, f64)>,
    /// (slowdown in percent, share that was found, its interval), live.
    pub live: Vec<(f64, f64, [f64; 2])>,
}

const HEIGHT: f64 = 280.0;

/// One curve and one row of points per kind; `None` without any.
pub fn power(title: &str, subtitle: &str, curves: &[PowerCurve]) -> Option<Figure> {
    let xs = curves
        .iter()
        .flat_map(|curve| curve.replayed.iter().map(|p| p.0).chain(curve.live.iter().map(|p| p.0)));
    let most = xs.reduce(f64::max)?.max(1.0);
    let draw = |form| Painter { form, curves, most }.draw(title, subtitle);
    Some(Figure {
        caption: "How often a slowdown of known size is found. Points: live tries with their exact \
                  intervals; lines: the same procedure on replicates drawn from all that were measured."
            .into(),
        svg: draw(Form::Wide),
        small: draw(Form::Small),
    })
}

struct Painter<'a> {
    form: Form,
    curves: &'a [PowerCurve],
    /// Of all slowdowns, percent.
    most: f64,
}

impl Painter<'_> {
    fn draw(&self, title: &str, subtitle: &str) -> String {
        let width = self.form.width();
        let note = "line: replayed; points: live, with intervals at 95 %";
        let heading = Heading::of(width, title, &[subtitle, note]);
        let palette = Palette::parts(self.curves.iter().map(|curve| curve.name.as_str()));
        let legend = Legend::of(width, Key::Line, palette.iter());
        let top = heading.bottom + legend.height + 12.0;
        let area = Area { left: 70.0, right: width - MARGIN, top, bottom: top + HEIGHT };
        let size = (width, area.bottom + BELOW + 10.0);
        // Samples say nothing of the machine that they are of.
        Sheet { size, title, origin: "" }.draw(|canvas| {
            heading.paint(canvas);
            legend.paint(canvas, heading.bottom);
            self.paint(canvas, area, &palette);
        })
    }

    fn paint(&self, canvas: &mut Canvas, area: Area, palette: &Palette) {
        let x = Scale::linear(self.most * 1.04, area.left, area.right);
        let y = Scale::linear(1.02, area.bottom, area.top);
        let ticks = round_steps(self.most, 5).into_iter().filter(|at| *at <= self.most * 1.04);
        let ticks: Vec<_> = ticks.map(|at| (at, at.to_string())).collect();
        x_axis(canvas, area, &x, &ticks, "true slowdown, percent");
        let shares =
            [0.0, 0.25, 0.5, 0.75, 0.95].map(|share| (share, format!("{:.0}", share * 100.0)));
        y_axis(canvas, area, &y, &shares, "REGRESSED, percent of tries");
        for (at, curve) in self.curves.iter().enumerate() {
            let Style { color, marker, width } = palette.style(&curve.name);
            let points: Vec<_> = curve.replayed.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
            if points.len() > 1 {
                canvas.path(&points, Pen::solid(color, width));
            }
            // Side by side, so that intervals of different kinds do not cover each other.
            let shift = 5.0 * (at as f64 - (self.curves.len() as f64 - 1.0) / 2.0);
            for (percent, share, [low, high]) in &curve.live {
                let px = x.at(*percent) + shift;
                canvas.line((px, y.at(*low)), (px, y.at(*high)), Pen::solid(color, 1.2));
                marker.draw(canvas, (px, y.at(*share)), 3.6, color);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::parse;

    #[test]
    fn curves_and_points_are_drawn() {
        assert_eq!(power("t", "s", &[]), None);
        let curve = |name: &str| PowerCurve {
            name: name.into(),
            replayed: vec![(0.0, 0.0), (3.0, 0.97), (5.0, 1.0)],
            live: vec![(3.0, 1.0, [0.8, 1.0])],
        };
        let chart = power("t", "s", &[curve("compute-bound"), curve("threaded")]).unwrap();
        parse(&chart.svg).unwrap();
        assert!(chart.svg.contains("compute-bound") && chart.svg.contains("threaded"));
    }
}
