//! The attention weights of one head as a heat map.

use attn_record::Map;

use super::Chart;
use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, RULE, Type, draw};
use super::colors::blues;
use super::frame::{BODY, SMALL, heading};
use super::scale::{Scale, round_steps};
use super::text::{widest, wrap};

/// Pixels of the longer side of the map, as far as its cells allow.
const SIDE: f64 = 560.0;
/// The narrowest sheet.
const SHEET: f64 = 560.0;
/// Beside the map: the colour bar and its ticks.
const BESIDE: f64 = 132.0;
/// Lines of the source that are shown.
const LINES: usize = 3;
/// Steps of the colour bar and of the map, so that equal neighbours can be drawn as one.
pub(super) const STEPS: f64 = 100.0;
const BAR: f64 = 14.0;

/// The attention weights of one head; `None` if the map has no weight.
pub fn attention_map(map: &Map) -> Option<Chart> {
    let title = format!("Attention weights of {}, head {}", map.case, map.head);
    Some(Chart {
        name: "attention-map".into(),
        group: None,
        caption: "A row shows how the output for one token is mixed: the stronger a cell's colour, the more \
                  of that key's value goes in; every row sums to 1."
            .into(),
        again: String::new(),
        spots: Vec::new(),
        svg: heat_map(map, &title, "Weight")?,
    })
}

/// The rows of `map` under a title; `cells` says what a cell is. `None` if no cell is above 0.
pub(super) fn heat_map(map: &Map, title: &str, cells: &str) -> Option<String> {
    let largest = map.weights.iter().flatten().flatten().copied();
    let largest = largest.filter(|w| *w > 0.0).reduce(f64::max)?;
    let layout = Layout::of(map, largest);
    Some(draw(layout.sheet, title, |canvas| {
        heading(canvas, layout.sheet.0, title, &layout.subtitle[0]);
        for (line, text) in layout.subtitle.iter().enumerate().skip(1) {
            let at = (16.0, 42.0 + 15.0 * line as f64);
            canvas.text(at, text, Type::plain(SMALL, MUTED), Align::Start);
        }
        layout.cells(canvas, map);
        layout.tokens(canvas, map);
        layout.color_bar(canvas, cells);
    }))
}

/// Where everything goes.
struct Layout {
    sheet: Point,
    subtitle: Vec<String>,
    /// Upper left corner of the map.
    left: f64,
    top: f64,
    /// Side of a cell.
    cell: f64,
    rows: usize,
    columns: usize,
    /// Ticks of the colour bar; the last is its end.
    steps: Vec<f64>,
}

impl Layout {
    fn of(map: &Map, largest: f64) -> Self {
        let rows = map.weights.len();
        let columns = map.weights.iter().map(Vec::len).max().unwrap_or(0);
        let cell = (SIDE / rows.max(columns) as f64).clamp(0.5, 28.0);
        // Whole halves of a pixel, so that neighbours meet without a seam.
        let cell = (cell * 2.0).floor() / 2.0;
        let names = |tokens: &[String]| widest(tokens.iter().map(|t| &**t), size(cell));
        let left = (52.0 + names(&map.tokens_q)).round();
        let width = SHEET.max(left + cell * columns as f64 + BESIDE);
        let subtitle = source(map, width - 48.0);
        let heading = 56.0 + 15.0 * (subtitle.len() - 1) as f64;
        let top = (heading + 32.0 + names(&map.tokens_k)).round();
        Layout {
            // The least is what the colour bar and the key below it need.
            sheet: (width, top + (cell * rows as f64 + 20.0).max(130.0)),
            subtitle,
            left,
            top,
            cell,
            rows,
            columns,
            steps: round_steps(largest, 5),
        }
    }

    fn corner(&self, row: usize, column: usize) -> Point {
        let (x, y) = (column as f64 * self.cell, row as f64 * self.cell);
        (self.left + x, self.top + y)
    }

    /// Every cell reaches a little under those drawn after it: no seams, whatever the scale.
    fn cells(&self, canvas: &mut Canvas<'_>, map: &Map) {
        let end = self.steps.last().copied().unwrap_or(1.0);
        let step = |weight: &Option<f64>| weight.map(|w| (w / end * STEPS).round());
        for (i, row) in map.weights.iter().enumerate() {
            let mut from = 0;
            for run in row.chunk_by(|a, b| step(a) == step(b)) {
                let to = from + run.len();
                let color = step(&run[0]).map_or(RULE, |step| blues(step / STEPS));
                let (x, y) = self.corner(i + 1, to);
                let (x, y) =
                    (x + self.overlap(to < row.len()), y + self.overlap(i + 1 < self.rows));
                canvas.rect(self.corner(i, from), (x, y), color);
                from = to;
            }
        }
        if map.weights.iter().flatten().any(Option::is_none) {
            self.hatching(canvas, map);
            self.hatching_key(canvas);
        }
        self.border(canvas);
    }

    fn overlap(&self, inside: bool) -> f64 {
        if inside { self.cell.min(1.0) / 2.0 } else { 0.0 }
    }

    /// Diagonal lines over what is not admitted.
    fn hatching(&self, canvas: &mut Canvas<'_>, map: &Map) {
        let admitted = |(x, y): Point| {
            let (i, j) = ((y / self.cell) as usize, (x / self.cell) as usize);
            map.weights.get(i).and_then(|row| row.get(j)).is_none_or(Option::is_some)
        };
        let (width, height) = (self.columns as f64 * self.cell, self.rows as f64 * self.cell);
        let lines = ((width + height) / HATCH) as usize;
        for c in (1..=lines).map(|line| line as f64 * HATCH) {
            // Points of x + y = c inside the map.
            let (first, last) = (f64::max(c - height, 0.0), f64::min(c, width));
            let points: Vec<Point> = (0..=((last - first) * 2.0) as usize)
                .map(|at| first + at as f64 / 2.0)
                .map(|x| (x, c - x))
                .collect();
            for piece in points.chunk_by(|&a, &b| admitted(a) == admitted(b)) {
                let (a, b) = (piece[0], piece[piece.len() - 1]);
                if !admitted(a) {
                    let at = |(x, y): Point| (self.left + x, self.top + y);
                    canvas.line(at(a), at(b), HATCHING);
                }
            }
        }
    }

    /// What hatching means, below the colour bar.
    fn hatching_key(&self, canvas: &mut Canvas<'_>) {
        let (x, y) = (self.bar_left(), self.bar_bottom() + 20.0);
        canvas.rect((x, y), (x + BAR, y + BAR), RULE);
        for c in [4.0, 10.0] {
            canvas.line((x + c, y), (x, y + c), HATCHING);
            let (near, far) = (c, BAR);
            canvas.line((x + far, y + near), (x + near, y + far), HATCHING);
        }
        let at = (x + BAR + 8.0, y + BAR / 2.0);
        canvas.text(at, "not admitted", Type::plain(SMALL, INK), Align::Start);
    }

    fn bar_left(&self) -> f64 {
        self.corner(0, self.columns).0 + 24.0
    }

    fn bar_bottom(&self) -> f64 {
        self.top + (self.cell * self.rows as f64).clamp(80.0, 260.0)
    }

    fn border(&self, canvas: &mut Canvas<'_>) {
        let ((x0, y0), (x1, y1)) = (self.corner(0, 0), self.corner(self.rows, self.columns));
        let outline = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        canvas.path(&outline, FRAME);
    }

    /// Names along both sides; of a long text, every second or fourth and so on.
    fn tokens(&self, canvas: &mut Canvas<'_>, map: &Map) {
        let kind = Type::plain(size(self.cell), INK);
        let every = (10.0 / self.cell).ceil().max(1.0) as usize;
        for (j, token) in map.tokens_k.iter().enumerate().step_by(every) {
            let (x, y) = self.corner(0, j);
            let at = (x + self.cell / 2.0, y - 6.0);
            canvas.text(at, token, kind, Align::Climb);
        }
        for (i, token) in map.tokens_q.iter().enumerate().step_by(every) {
            let (x, y) = self.corner(i, 0);
            let at = (x - 6.0, y + self.cell / 2.0);
            canvas.text(at, token, kind, Align::End);
        }
        let kind = Type::plain(BODY, INK);
        let (width, height) = (self.columns as f64, self.rows as f64);
        let middle = self.left + self.cell * width / 2.0;
        let names = widest(map.tokens_k.iter().map(|t| &**t), size(self.cell));
        let above = self.top - names - 20.0;
        canvas.text((middle, above), "Key (attended to)", kind, Align::Middle);
        let middle = self.top + self.cell * height / 2.0;
        canvas.text((22.0, middle), "Query", kind, Align::Upright);
    }

    fn color_bar(&self, canvas: &mut Canvas<'_>, cells: &str) {
        let (left, top, bottom) = (self.bar_left(), self.top, self.bar_bottom());
        let end = self.steps.last().copied().unwrap_or(1.0);
        let scale = Scale::linear(end, bottom, top);
        // From the top down, each step covering all that lies below it: no seams.
        for step in (0..STEPS as usize).rev() {
            let high = scale.at(end * (step + 1) as f64 / STEPS);
            let color = blues((step + 1) as f64 / STEPS);
            canvas.rect((left, high), (left + BAR, bottom), color);
        }
        let right = left + BAR;
        let outline = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.path(&outline, FRAME);
        let names = self.steps.iter().map(f64::to_string);
        let decimals = names.map(|n| n.split_once('.').map_or(0, |(_, d)| d.len()));
        let digits = decimals.max().unwrap_or(0);
        for &step in &self.steps {
            let y = scale.at(step);
            canvas.line((right, y), (right + 4.0, y), FRAME);
            let kind = Type::plain(SMALL, INK);
            canvas.text((right + 8.0, y), &format!("{step:.digits$}"), kind, Align::Start);
        }
        let middle = f64::midpoint(top, bottom);
        let kind = Type::plain(SMALL, INK);
        canvas.text((right + 46.0, middle), cells, kind, Align::Upright);
    }
}

const FRAME: Pen = Pen { color: MUTED, width: 1.0 };

/// Between two hatching lines, along an axis.
const HATCH: f64 = 6.0;

const HATCHING: Pen = Pen { color: HATCH_COLOR, width: 0.75 };
pub(super) const HATCH_COLOR: Color = plotters::style::RGBColor(0xb8, 0xb8, 0xb8);

/// The source in a few lines.
fn source(map: &Map, width: f64) -> Vec<String> {
    let mut lines = wrap(&map.source, SMALL, width);
    if lines.is_empty() {
        lines.push(String::new());
    }
    if lines.len() > LINES {
        lines.truncate(LINES);
        lines[LINES - 1].push_str(" …");
    }
    lines
}

/// Font size of the tokens beside cells of this side.
fn size(cell: f64) -> f64 {
    (cell * 0.7).clamp(8.0, BODY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn masked_cells_are_hatched_and_named() {
        let causal = attention_map(&fixture::map(5)).unwrap().svg;
        assert!(causal.contains("not admitted"));
        let mut full = fixture::map(5);
        full.weights = vec![vec![Some(0.2); 5]; 5];
        assert!(!attention_map(&full).unwrap().svg.contains("not admitted"));
    }

    #[test]
    fn titles_say_which_head_of_what() {
        let svg = attention_map(&fixture::map(3)).unwrap().svg;
        for text in ["real/fluffy-dog/layer-2, head 8", "a model, layer 2", "##t1", "Weight"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn maps_of_any_size_are_drawn() {
        for n in [1, 2, 40, 300] {
            let svg = attention_map(&fixture::map(n)).unwrap().svg;
            assert!(crate::png::parse(&svg).is_ok(), "{n}");
        }
        let mut empty = fixture::map(2);
        empty.weights = vec![vec![None; 2]; 2];
        assert!(attention_map(&empty).is_none());
    }
}
