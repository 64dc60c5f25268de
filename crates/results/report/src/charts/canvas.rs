//! A sheet to draw on, in pixels with fractions.
//!
//! Plotters writes the SVG. Its coordinates are integers, so the sheet is [`FINE`] times finer than the
//! pixels that everybody else counts in. Its axes and legends are not used: they place ticks and labels
//! without regard to each other.

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontFamily, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle,
};

/// Units of the SVG per pixel.
const FINE: f64 = 4.0;

/// Plotters divides every font size by this.
const FONT_SCALE: f64 = 1.24;

pub(super) type Color = RGBColor;

pub(super) const INK: Color = RGBColor(0x22, 0x22, 0x22);
pub(super) const MUTED: Color = RGBColor(0x66, 0x66, 0x66);
pub(super) const RULE: Color = RGBColor(0xe4, 0xe4, 0xe4);
pub(super) const WHITE: Color = RGBColor(0xff, 0xff, 0xff);

/// x to the right, y down.
pub(super) type Point = (f64, f64);

/// A stroke.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: Color,
    pub(super) width: f64,
}

/// Where a text lies relative to its point; always centred vertically.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Start,
    Middle,
    End,
    /// Read upwards, its middle at the point.
    Upright,
    /// Read upwards from the point.
    Climb,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) color: Color,
    pub(super) bold: bool,
}

impl Type {
    pub(super) const fn plain(size: f64, color: Color) -> Self {
        Type { size, color, bold: false }
    }
}

/// The sheet.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// A white sheet of `size` pixels that `paint` paints on; `title` is what it is called for those who
/// do not see it.
pub(super) fn draw(size: Point, title: &str, paint: impl FnOnce(&mut Canvas<'_>)) -> String {
    let (width, height) = size;
    let (fine_width, fine_height) = fine(size);
    let mut body = String::new();
    let backend = SVGBackend::with_string(&mut body, (fine_width as u32, fine_height as u32));
    let mut canvas = Canvas { backend };
    canvas.rect((0.0, 0.0), size, WHITE);
    paint(&mut canvas);
    done(canvas.backend.present());
    drop(canvas);
    // The first tag is replaced by one with a name and the size in pixels. No text holds a bare quote.
    let content = body.split_once('>').map_or("", |(_, content)| content);
    let content = content.replace(" opacity=\"1\"", "");
    let title = crate::format::escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {fine_width} {fine_height}\">{content}"
    )
}

impl Canvas<'_> {
    pub(super) fn line(&mut self, from: Point, to: Point, pen: Pen) {
        done(self.backend.draw_line(fine(from), fine(to), &stroke(pen)));
    }

    pub(super) fn path(&mut self, points: &[Point], pen: Pen) {
        let points = points.iter().map(|&p| fine(p));
        done(self.backend.draw_path(points, &stroke(pen)));
    }

    pub(super) fn polygon(&mut self, points: &[Point], color: Color) {
        let points = points.iter().map(|&p| fine(p));
        done(self.backend.fill_polygon(points, &fill(color)));
    }

    pub(super) fn disc(&mut self, center: Point, radius: f64, color: Color) {
        let radius = (radius * FINE).round() as u32;
        let center = fine(center);
        done(self.backend.draw_circle(center, radius, &fill(color), true));
    }

    /// The rectangle between two corners.
    pub(super) fn rect(&mut self, from: Point, to: Point, color: Color) {
        let style = fill(color);
        done(self.backend.draw_rect(fine(from), fine(to), &style, true));
    }

    pub(super) fn text(&mut self, at: Point, text: &str, kind: Type, align: Align) {
        let style = if kind.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FontFamily::SansSerif, kind.size * FINE * FONT_SCALE, style).into_font();
        let (h_pos, turned) = match align {
            Align::Start => (HPos::Left, false),
            Align::Middle => (HPos::Center, false),
            Align::End => (HPos::Right, false),
            Align::Upright => (HPos::Center, true),
            Align::Climb => (HPos::Left, true),
        };
        // `VPos::Center` centres the small letters; this moves the middle of the capitals there.
        let shift = 0.1 * kind.size;
        let (at, font) = if turned {
            let font = font.transform(FontTransform::Rotate270);
            ((at.0 + shift, at.1), font)
        } else {
            ((at.0, at.1 + shift), font)
        };
        let style = TextStyle::from(font).color(&kind.color).pos(Pos::new(h_pos, VPos::Center));
        done(self.backend.draw_text(text, &style, fine(at)));
    }
}

/// In units of the SVG.
pub(super) fn fine((x, y): Point) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

fn stroke(pen: Pen) -> ShapeStyle {
    ShapeStyle { stroke_width: (pen.width * FINE).round() as u32, ..ShapeStyle::from(&pen.color) }
}

fn fill(color: Color) -> ShapeStyle {
    ShapeStyle::from(&color).filled()
}

fn done<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("the backend writes into a String, which cannot fail");
}
