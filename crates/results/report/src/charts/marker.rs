//! The shapes that stand for a measured point.

use std::f64::consts::TAU;

use super::canvas::{Canvas, Color, Point, WHITE};

/// Half the size of a marker, pixels.
pub(super) const RADIUS: f64 = 4.0;

/// A shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Square,
    Diamond,
    /// A triangle that points up.
    Up,
    /// A triangle that points down.
    Down,
    /// A triangle that points right.
    Right,
    Hexagon,
    /// A hollow disc.
    Ring,
    /// A hollow square.
    Frame,
    /// A hollow diamond.
    Kite,
}

impl Marker {
    /// Draws the shape with half its size `radius`, with a white rim that sets it off against others.
    pub(super) fn draw(self, canvas: &mut Canvas<'_>, at: Point, radius: f64, color: Color) {
        self.shape(canvas, at, radius + 1.0, WHITE);
        self.shape(canvas, at, radius, color);
        if matches!(self, Marker::Ring | Marker::Frame | Marker::Kite) {
            self.shape(canvas, at, radius * 0.5, WHITE);
        }
    }

    fn shape(self, canvas: &mut Canvas<'_>, at: Point, radius: f64, color: Color) {
        // (corners, direction of the first in turns from right, size that looks the same as a disc's)
        let (corners, turn, size) = match self {
            Marker::Disc | Marker::Ring => return canvas.disc(at, radius, color),
            Marker::Square | Marker::Frame => (4, 0.125, 1.25),
            Marker::Diamond | Marker::Kite => (4, 0.0, 1.3),
            Marker::Up => (3, 0.75, 1.35),
            Marker::Down => (3, 0.25, 1.35),
            Marker::Right => (3, 0.0, 1.35),
            Marker::Hexagon => (6, 0.0, 1.15),
        };
        let corner = |i: u32| {
            let angle = (f64::from(i) / f64::from(corners) + turn) * TAU;
            let reach = radius * size;
            (at.0 + reach * angle.cos(), at.1 + reach * angle.sin())
        };
        let points: Vec<Point> = (0..corners).map(corner).collect();
        canvas.polygon(&points, color);
    }
}
