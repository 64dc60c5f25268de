//! The attention weights of one head as a heat map.

use attn_record::Map;

use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, RULE, Sheet, Type};
use super::colors::blues;
use super::frame::{BODY, Form, Heading, SMALL};
use super::scale::{Scale, round_steps};
use super::text::{widest, wrap};
use super::{Chart, Drawing};
use crate::table::{Cell, Column, Table};

/// Pixels of the longer side of the map on a wide sheet, as far as its cells allow, and of the narrowest such sheet.
const SIDE: f64 = 560.0;
/// Beside the map: the colour bar and its ticks.
const BESIDE: f64 = 132.0;
/// Lines of the source that are shown.
const LINES: usize = 3;
/// Steps of the colour bar and of the map, so that equal neighbours can be drawn as one.
pub(super) const STEPS: f64 = 100.0;
const BAR: f64 = 14.0;

/// The attention weights of one head, with `origin` below; `None` if the map has no weight.
pub fn attention_map(map: &Map, origin: &str) -> Option<Chart> {
    let title = format!("Attention weights of {}, head {}", map.case, map.head);
    let draw = |form| {
        let svg = heat_map(map, &title, "Weight", (form, origin)).unwrap_or_default();
        Drawing { svg, spots: Vec::new() }
    };
    largest(map)?;
    Some(Chart {
        caption: "A row shows how the output for one token is mixed: the stronger a cell's colour, the more \
                  of that key's value goes in; every row sums to 1."
            .into(),
        data: data(map, &title),
        ..Chart::new("attention-map", "", None, draw)
    })
}

/// The strongest weight.
fn largest(map: &Map) -> Option<f64> {
    let weights = map.weights.iter().flatten().flatten().copied();
    weights.filter(|w| *w > 0.0).reduce(f64::max)
}

/// A row per query, a column per key.
fn data(map: &Map, title: &str) -> Table {
    let columns = [Column::words("query")].into_iter();
    let columns = columns.chain(map.tokens_k.iter().map(Column::number));
    let rows = map.tokens_q.iter().zip(&map.weights).map(|(token, weights)| {
        let weights = weights.iter().map(|&w| Cell::value(w, |w| format!("{w:.3}")));
        [Cell::from(token.as_str())].into_iter().chain(weights).collect()
    });
    Table::new(title, columns).rows(rows)
}

/// The rows of `map` under a title; `cells` says what a cell is. `None` if no cell is above 0.
pub(super) fn heat_map(
    map: &Map,
    title: &str,
    cells: &str,
    (form, origin): (Form, &str),
) -> Option<String> {
    let layout = Layout::of(map, largest(map)?, title, form);
    Some(Sheet { size: layout.sheet, title, origin }.draw(|canvas| {
        layout.heading.paint(canvas);
        layout.cells(canvas, map);
        layout.tokens(canvas, map);
        layout.color_bar(canvas, cells);
    }))
}

/// Where everything goes.
struct Layout {
    sheet: Point,
    heading: Heading,
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
    fn of(map: &Map, largest: f64, title: &str, form: Form) -> Self {
        let rows = map.weights.len();
        let columns = map.weights.iter().map(Vec::len).max().unwrap_or(0);
        let names = |cell: f64, tokens: &[String]| widest(tokens.iter().map(|t| &**t), size(cell));
        let left = |cell: f64| (52.0 + names(cell, &map.tokens_q)).round();
        let of_side = |side: f64| (side / rows.max(columns) as f64).clamp(0.5, 28.0);
        let cell = match form {
            Form::Wide => of_side(SIDE),
            Form::Small => of_side(form.width() - BESIDE - left(of_side(SIDE))),
        };
        // Whole halves of a pixel, so that neighbours meet without a seam.
        let cell = ((cell * 2.0).floor() / 2.0).max(0.5);
        let least = if form == Form::Wide { SIDE } else { form.width() };
        let left = left(cell);
        let width = least.max(left + cell * columns as f64 + BESIDE);
        let source = source(map, width - 48.0);
        let source: Vec<&str> = source.iter().map(String::as_str).collect();
        let heading = Heading::of(width, title, &source);
        let top = (heading.bottom + 26.0 + names(cell, &map.tokens_k)).round();
        Layout {
            // The least is what the colour bar and the key below it need.
            sheet: (width, top + (cell * rows as f64 + 20.0).max(136.0)),
            heading,
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
    fn cells(&self, canvas: &mut Canvas, map: &Map) {
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
    fn hatching(&self, canvas: &mut Canvas, map: &Map) {
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
    fn hatching_key(&self, canvas: &mut Canvas) {
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

    fn border(&self, canvas: &mut Canvas) {
        let ((x0, y0), (x1, y1)) = (self.corner(0, 0), self.corner(self.rows, self.columns));
        let outline = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        canvas.path(&outline, FRAME);
    }

    /// Names along both sides; of a long text, every second or fourth and so on.
    fn tokens(&self, canvas: &mut Canvas, map: &Map) {
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

    fn color_bar(&self, canvas: &mut Canvas, cells: &str) {
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

const FRAME: Pen = Pen::solid(MUTED, 1.0);

/// Between two hatching lines, along an axis.
const HATCH: f64 = 6.0;

const HATCHING: Pen = Pen::solid(HATCH_COLOR, 0.75);
pub(super) const HATCH_COLOR: Color = Color(0xb8, 0xb8, 0xb8);

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
    use attn_analysis::fixture;

    use super::*;

    #[test]
    fn masked_cells_are_hatched_and_named() {
        let causal = attention_map(&fixture::map(5), "").unwrap().wide.svg;
        assert!(causal.contains("not admitted"));
        let mut full = fixture::map(5);
        full.weights = vec![vec![Some(0.2); 5]; 5];
        assert!(!attention_map(&full, "").unwrap().wide.svg.contains("not admitted"));
    }

    #[test]
    fn titles_say_which_head_of_what() {
        let svg = attention_map(&fixture::map(3), "").unwrap().wide.svg;
        for text in ["real/fluffy-dog/layer-2, head 8", "a model, layer 2", "##t1", "Weight"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn maps_of_any_size_are_drawn() {
        for n in [1, 2, 40, 300] {
            let svg = attention_map(&fixture::map(n), "").unwrap().wide.svg;
            assert!(crate::png::parse(&svg).is_ok(), "{n}");
        }
        let mut empty = fixture::map(2);
        empty.weights = vec![vec![None; 2]; 2];
        assert!(attention_map(&empty, "").is_none());
    }
}
