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
    /// A triangle that points left.
    Left,
    Pentagon,
    /// A star with five points.
    Star,
    /// A hollow triangle that points up.
    HollowUp,
    /// A hollow triangle that points down.
    HollowDown,
    HollowHexagon,
    HollowPentagon,
}

impl Marker {
    /// Draws the shape with half its size `radius`, with a white rim that sets it off against others.
    pub(super) fn draw(self, canvas: &mut Canvas, at: Point, radius: f64, color: Color) {
        self.shape(canvas, at, radius + 1.0, WHITE);
        self.draw_plain(canvas, at, radius, color);
    }

    /// Draws the shape without a rim.
    pub(super) fn draw_plain(self, canvas: &mut Canvas, at: Point, radius: f64, color: Color) {
        self.shape(canvas, at, radius, color);
        let hollow = matches!(
            self,
            Marker::Ring
                | Marker::Frame
                | Marker::Kite
                | Marker::HollowUp
                | Marker::HollowDown
                | Marker::HollowHexagon
                | Marker::HollowPentagon
        );
        if hollow {
            self.shape(canvas, at, radius * 0.5, WHITE);
        }
    }

    fn shape(self, canvas: &mut Canvas, at: Point, radius: f64, color: Color) {
        // (corners, direction of the first in turns from right, size that looks the same as a disc's)
        let (corners, turn, size) = match self {
            Marker::Disc | Marker::Ring => return canvas.disc(at, radius, color),
            Marker::Square | Marker::Frame => (4, 0.125, 1.25),
            Marker::Diamond | Marker::Kite => (4, 0.0, 1.3),
            Marker::Up | Marker::HollowUp => (3, 0.75, 1.35),
            Marker::Down | Marker::HollowDown => (3, 0.25, 1.35),
            Marker::Right => (3, 0.0, 1.35),
            Marker::Left => (3, 0.5, 1.35),
            Marker::Pentagon | Marker::HollowPentagon => (5, 0.75, 1.2),
            Marker::Star => (10, 0.75, 1.5),
            Marker::Hexagon | Marker::HollowHexagon => (6, 0.0, 1.15),
        };
        let corner = |i: u32| {
            let angle = (f64::from(i) / f64::from(corners) + turn) * TAU;
            let inner = self == Marker::Star && i % 2 == 1;
            let reach = radius * if inner { 0.45 * size } else { size };
            (at.0 + reach * angle.cos(), at.1 + reach * angle.sin())
        };
        let points: Vec<Point> = (0..corners).map(corner).collect();
        canvas.polygon(&points, color);
    }
}
