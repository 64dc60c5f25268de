//! A sheet to draw on, in pixels with fractions: it writes SVG.
//!
//! What belongs to one backend is a group that names it, so that a page can show all of it or fade it.

use std::fmt::Write as _;

use super::text::wrap;
use crate::format::escape;

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(pub(super) u8, pub(super) u8, pub(super) u8);

impl Color {
    pub(super) const fn hex(hex: u32) -> Self {
        Color((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
    }
}

/// As in SVG: `#304F8F`.
impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Color(r, g, b) = self;
        write!(f, "#{r:02X}{g:02X}{b:02X}")
    }
}

pub(super) const INK: Color = Color::hex(0x22_22_22);
pub(super) const MUTED: Color = Color::hex(0x5f_5f_5f);
pub(super) const RULE: Color = Color::hex(0xe4_e4_e4);
pub(super) const WHITE: Color = Color::hex(0xff_ff_ff);

/// x to the right, y down.
pub(super) type Point = (f64, f64);

/// A stroke.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: Color,
    pub(super) width: f64,
    /// Lengths of a dash and of the gap after it.
    pub(super) dash: Option<(f64, f64)>,
}

impl Pen {
    pub(super) const fn solid(color: Color, width: f64) -> Self {
        Pen { color, width, dash: None }
    }
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

/// A white sheet.
pub(super) struct Sheet<'a> {
    /// Pixels, without the lines that say where the figures come from.
    pub(super) size: Point,
    /// What it is called for those who do not see it.
    pub(super) title: &'a str,
    /// Machine, program and day.
    pub(super) origin: &'a str,
}

/// Font size and height of a line of the origin.
const ORIGIN: (f64, f64) = (9.5, 13.0);
/// White space at the sides of a text that is as wide as the sheet.
const MARGIN: f64 = 16.0;

impl Sheet<'_> {
    /// The sheet that `paint` paints on, with its origin below.
    pub(super) fn draw(&self, paint: impl FnOnce(&mut Canvas)) -> String {
        let (width, above) = self.size;
        let origin = wrap(self.origin, ORIGIN.0, width - 2.0 * MARGIN);
        let height = above + ORIGIN.1 * origin.len() as f64;
        let mut canvas = Canvas::default();
        canvas.rect((0.0, 0.0), (width, height), WHITE);
        paint(&mut canvas);
        for (line, text) in origin.iter().enumerate() {
            let at = (width - MARGIN, above + ORIGIN.1 * (line as f64 + 0.3));
            canvas.text(at, text, Type::plain(ORIGIN.0, MUTED), Align::End);
        }
        let (title, body) = (escape(self.title), canvas.finish());
        let [width, height] = [width, height].map(number);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\">\n{body}</svg>"
        )
    }
}

/// What is drawn so far.
#[derive(Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    /// What `paint` paints belongs to the backend `name`.
    pub(super) fn series(&mut self, name: &str, paint: impl FnOnce(&mut Self)) {
        self.write(format_args!("<g data-series=\"{}\">", escape(name)));
        paint(self);
        self.write(format_args!("</g>"));
    }

    pub(super) fn line(&mut self, from: Point, to: Point, pen: Pen) {
        self.path(&[from, to], pen);
    }

    pub(super) fn path(&mut self, points: &[Point], pen: Pen) {
        let (color, width) = (pen.color, number(pen.width));
        let dash = pen.dash.map_or_else(String::new, |(dash, gap)| {
            format!(" stroke-dasharray=\"{} {}\"", number(dash), number(gap))
        });
        let steps = steps(points);
        self.write(format_args!(
            "<path fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{dash} d=\"{steps}\"/>"
        ));
    }

    pub(super) fn polygon(&mut self, points: &[Point], color: Color) {
        self.write(format_args!("<path fill=\"{color}\" d=\"{}z\"/>", steps(points)));
    }

    pub(super) fn disc(&mut self, (x, y): Point, radius: f64, color: Color) {
        let [x, y, radius] = [x, y, radius].map(number);
        self.write(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{color}\"/>"));
    }

    /// The rectangle between two corners.
    pub(super) fn rect(&mut self, from: Point, to: Point, color: Color) {
        let [x, y] = [from.0.min(to.0), from.1.min(to.1)].map(number);
        let [width, height] = [(to.0 - from.0).abs(), (to.1 - from.1).abs()].map(number);
        self.write(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{color}\"/>"
        ));
    }

    pub(super) fn text(&mut self, (x, y): Point, text: &str, kind: Type, align: Align) {
        let (anchor, turned) = match align {
            Align::Start => ("start", false),
            Align::Middle => ("middle", false),
            Align::End => ("end", false),
            Align::Upright => ("middle", true),
            Align::Climb => ("start", true),
        };
        // From the middle of the capitals to the line that they stand on.
        let down = 0.36 * kind.size;
        let place = if turned {
            let [x, y] = [x + down, y].map(number);
            format!("x=\"{x}\" y=\"{y}\" transform=\"rotate(270 {x} {y})\"")
        } else {
            let [x, y] = [x, y + down].map(number);
            format!("x=\"{x}\" y=\"{y}\"")
        };
        let weight = if kind.bold { " font-weight=\"bold\"" } else { "" };
        let (size, color, text) = (number(kind.size), kind.color, escape(text));
        self.write(format_args!(
            "<text {place} text-anchor=\"{anchor}\" font-size=\"{size}\"{weight} fill=\"{color}\">{text}</text>"
        ));
    }

    /// The elements that were drawn.
    pub(super) fn finish(self) -> String {
        self.body
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// `M1 2L3 4`: from point to point.
fn steps(points: &[Point]) -> String {
    let mut steps = String::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        let _ = write!(steps, "{command}{} {}", number(x), number(y));
    }
    steps
}

/// Rounded to tenths of a pixel.
pub(super) fn number(x: f64) -> f64 {
    // Adding 0 makes -0 a plain 0.
    (x * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::parse;

    #[test]
    fn what_belongs_to_a_backend_is_a_group_and_words_are_only_text() {
        let hostile = "<\"&'>";
        let sheet = Sheet { size: (100.0, 50.0), title: hostile, origin: hostile };
        let svg = sheet.draw(|canvas| {
            canvas.series(hostile, |canvas| canvas.disc((1.0, -0.01), 2.0, INK));
            canvas.text((0.0, 0.0), hostile, Type::plain(9.0, INK), Align::Climb);
        });
        assert!(parse(&svg).is_ok(), "{svg}");
        assert!(svg.contains("<g data-series=\"&lt;&quot;&amp;&#39;&gt;\">"), "{svg}");
        assert!(svg.contains("cy=\"0\""), "{svg}");
    }

    #[test]
    fn a_long_origin_takes_several_lines_and_the_sheet_grows() {
        let sheet = |origin: &str| Sheet { size: (120.0, 50.0), title: "t", origin }.draw(|_| {});
        assert!(sheet("").contains("height=\"50\""));
        let long = sheet("a processor with a long name; a program; a day");
        assert!(long.contains("height=\"89\"") || long.contains("height=\"76\""), "{long}");
    }
}
