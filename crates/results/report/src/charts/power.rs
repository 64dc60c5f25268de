//! How often a slowdown is found, against how large it is.

use super::Figure;
use super::canvas::{Align, INK, MUTED, Pen, Type, draw};
use super::frame::{Area, BODY, SMALL, heading, x_axis, y_axis};
use super::palette::{Style, style};
use super::scale::Scale;

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

/// Whose colours and markers the kinds have: three that are easily told apart.
const LOOKS: [&str; 3] = ["flash/avx2", "candle/fused", "ndarray"];

const SIZE: (f64, f64) = (680.0, 400.0);
const AREA: Area = Area { left: 70.0, right: 500.0, top: 62.0, bottom: 340.0 };

/// One curve and one row of points per kind; `None` without any.
pub fn power(title: &str, subtitle: &str, curves: &[PowerCurve]) -> Option<Figure> {
    let xs = curves
        .iter()
        .flat_map(|curve| curve.replayed.iter().map(|p| p.0).chain(curve.live.iter().map(|p| p.0)));
    let most = xs.reduce(f64::max)?;
    let x = Scale::linear(most.max(1.0) * 1.04, AREA.left, AREA.right);
    let y = Scale::linear(1.02, AREA.bottom, AREA.top);
    let svg = draw(SIZE, title, |canvas| {
        heading(canvas, SIZE.0, title, subtitle);
        let percent = |at: &f64| (*at, format!("{at}"));
        let ticks: Vec<_> =
            super::scale::round_steps(most.max(1.0), 5).iter().map(percent).collect();
        x_axis(canvas, AREA, &x, &ticks, "true slowdown, percent");
        let shares = [0.0, 0.25, 0.5, 0.75, 0.95, 1.0].map(|s| (s, format!("{:.0}", s * 100.0)));
        y_axis(canvas, AREA, &y, &shares, "REGRESSED, percent of tries");
        for (at, curve) in curves.iter().enumerate() {
            let Style { color, marker, .. } = style(LOOKS[at % LOOKS.len()]);
            let points: Vec<_> = curve.replayed.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
            if points.len() > 1 {
                canvas.path(&points, Pen { color, width: 1.6 });
            }
            // Side by side, so that intervals of different kinds do not cover each other.
            let shift = 5.0 * (at as f64 - (curves.len() as f64 - 1.0) / 2.0);
            for (percent, share, [low, high]) in &curve.live {
                let px = x.at(*percent) + shift;
                let pen = Pen { color, width: 1.2 };
                canvas.line((px, y.at(*low)), (px, y.at(*high)), pen);
                marker.draw(canvas, (px, y.at(*share)), 3.6, color);
            }
            let line = AREA.top + 16.0 + 20.0 * at as f64;
            marker.draw(canvas, (AREA.right + 18.0, line), 3.6, color);
            canvas.text(
                (AREA.right + 30.0, line),
                &curve.name,
                Type::plain(BODY, INK),
                Align::Start,
            );
        }
        let note = AREA.top + 30.0 + 20.0 * curves.len() as f64;
        for (at, text) in ["line: replayed", "points: live, 95 %"].into_iter().enumerate() {
            let place = (AREA.right + 12.0, note + 16.0 * at as f64);
            canvas.text(place, text, Type::plain(SMALL, MUTED), Align::Start);
        }
    });
    Some(Figure {
        caption: "How often a slowdown of known size is found. Points: live tries with their exact \
                  intervals; lines: the same procedure on replicates drawn from all that were measured."
            .into(),
        svg,
    })
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
