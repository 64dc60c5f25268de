//! How much of its error budget every checked cell used.

use attn_analysis::rows::grouped;
use attn_record::{Outcome, Record, stats};

use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, Sheet, Type};
use super::frame::{BELOW, Form, Heading, MARGIN, Rows, SMALL, x_axis};
use super::scale::Scale;
use super::{Chart, Drawing, Theme, TooltipPoint};
use crate::format::{count, percent};
use crate::table::{Cell, Column, Table};

/// Height of one backend's strip.
const STRIP: f64 = 32.0;
const TITLE: &str = "Error as a share of its budget";
/// What a result may use.
pub(super) const LIMIT: Color = Color(0xb0, 0x00, 0x20);

/// One backend's checked cells.
struct Strip<'a> {
    backend: &'a str,
    shares: Vec<Share<'a>>,
}

/// The share of the budget that one cell used, and whether its result was right.
#[derive(Clone, Copy)]
struct Share<'a> {
    value: f64,
    right: bool,
    case: &'a str,
}

/// Every checked cell, one strip per backend; `None` if nothing was checked.
pub(super) fn errors(records: &[&Record], theme: &Theme<'_>) -> Option<Chart> {
    let strips = strips(records);
    let shares = || strips.iter().flat_map(|s| &s.shares).map(|cell| cell.value);
    let low = shares().filter(|&s| s > 0.0).reduce(f64::min)?;
    // An exact result has no logarithm: it lies at the left edge.
    let low = low.clamp(1e-6, 0.01);
    let high = shares().fold(1.0, f64::max).min(1e6);
    let draw = |form| Painter::of(form, &strips, (low, high)).draw(theme);
    Some(Chart {
        caption: "What rounding may cause in the arithmetic that the backend states is 100%: \
                  a dot further left is a more accurate result, and right of the line it is wrong."
            .into(),
        data: data(&strips),
        ..Chart::new("error-budget", "", None, draw)
    })
}

/// The largest and the median error of every backend.
fn data(strips: &[Strip<'_>]) -> Table {
    let columns = [Column::backend("backend")].into_iter();
    let columns = columns.chain(["cells", "median", "largest"].map(Column::number));
    let rows = strips.iter().map(|strip| {
        let shares: Vec<f64> = strip.shares.iter().map(|share| share.value).collect();
        vec![
            strip.backend.into(),
            Cell::count(Some(shares.len())),
            Cell::value(stats::median(&shares), percent),
            Cell::value(shares.iter().copied().reduce(f64::max), percent),
        ]
    });
    Table::new(TITLE, columns).rows(rows)
}

struct Painter<'a> {
    strips: &'a [Strip<'a>],
    heading: Heading,
    rows: Rows,
    form: Form,
    x: Scale,
}

impl<'a> Painter<'a> {
    fn of(form: Form, strips: &'a [Strip<'a>], ends: (f64, f64)) -> Self {
        let how = "Every checked cell is a dot; the bar is the median; a cross is a wrong result";
        let heading = Heading::of(form.width(), TITLE, &[how]);
        let names: Vec<String> = strips.iter().map(|strip| strip.backend.into()).collect();
        let beside = match form {
            Form::Wide => 150.0,
            Form::Small => MARGIN,
        };
        let rows = Rows::of(form, &names, heading.bottom + 18.0, STRIP, beside);
        let x = Scale::log(ends, 0.03, rows.area.left, rows.area.right);
        Painter { strips, heading, rows, form, x }
    }

    fn draw(&self, theme: &Theme<'_>) -> Drawing {
        let area = self.rows.area;
        let size = (self.form.width(), area.bottom + BELOW + 10.0);
        let svg = Sheet { size, title: TITLE, origin: &theme.origin }.draw(|canvas| {
            self.heading.paint(canvas);
            let ticks = self.x.round_ticks(60.0, tick);
            x_axis(canvas, area, &self.x, &ticks, "Largest error / error allowed (logarithmic)");
            self.limit(canvas);
            for (at, strip) in self.strips.iter().enumerate() {
                canvas.series(strip.backend, |canvas| self.strip(canvas, at, strip, theme));
            }
        });
        Drawing { svg, spots: self.spots() }
    }

    /// Where the dot of the `cell`-th cell of the `at`-th strip lies.
    fn point(&self, at: usize, cell: usize, share: &Share<'_>) -> Point {
        (self.x.clamped(share.value), self.rows.middle(at) + jitter(cell) * STRIP * 0.3)
    }

    fn spots(&self) -> Vec<TooltipPoint> {
        let mut spots = Vec::new();
        for (at, strip) in self.strips.iter().enumerate() {
            let mut cells: Vec<(usize, &Share<'_>)> = strip.shares.iter().enumerate().collect();
            cells.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
            spots.extend(cells.into_iter().map(|(cell, share)| {
                let verdict = if share.right { "right" } else { "wrong" };
                let used = percent(share.value);
                let text =
                    format!("{}, {}\n{used} of its budget, {verdict}", strip.backend, share.case);
                TooltipPoint::at(self.point(at, cell, share), strip.backend, &text)
            }));
        }
        spots
    }

    /// The line that no right result crosses.
    fn limit(&self, canvas: &mut Canvas) {
        let (at, area) = (self.x.at(1.0), self.rows.area);
        let pen = Pen::solid(LIMIT, 1.25);
        canvas.line((at, area.top - 4.0), (at, area.bottom), pen);
        let kind = Type::plain(SMALL, LIMIT);
        canvas.text((at + 4.0, area.top - 10.0), "budget", kind, Align::End);
    }

    fn strip(&self, canvas: &mut Canvas, at: usize, strip: &Strip<'_>, theme: &Theme<'_>) {
        let style = theme.palette.style(strip.backend);
        self.rows.name(canvas, at, strip.backend);
        for (cell, share) in strip.shares.iter().enumerate() {
            let point = self.point(at, cell, share);
            if share.right {
                style.marker.draw_plain(canvas, point, 2.4, style.color);
            } else {
                cross(canvas, point, style.color);
            }
        }
        let y = self.rows.middle(at);
        let right: Vec<f64> = strip.shares.iter().filter(|s| s.right).map(|s| s.value).collect();
        if let Some(median) = stats::median(&right).filter(|_| right.len() > 2) {
            let at = self.x.clamped(median);
            let ends = [(at, y - STRIP * 0.4), (at, y + STRIP * 0.4)];
            canvas.path(&ends, Pen::solid(INK, 2.0));
        }
        let worst = strip.shares.iter().map(|s| s.value).fold(0.0, f64::max);
        let cells = count(strip.shares.len(), "cell");
        let note = format!("{cells}, max {}", percent(worst));
        let area = self.rows.area;
        let (place, align) = match self.form {
            Form::Wide => ((area.right + 12.0, y), Align::Start),
            Form::Small => ((area.right, y - STRIP / 2.0 - 6.0), Align::End),
        };
        canvas.text(place, &note, Type::plain(SMALL, MUTED), align);
    }
}

fn strips<'a>(records: &[&'a Record]) -> Vec<Strip<'a>> {
    let strips = grouped(records, |r| r.backend.as_str());
    let strips = strips.into_iter().map(|(backend, records)| Strip {
        backend,
        shares: records
            .iter()
            .filter(|r| matches!(r.outcome, Outcome::Ok | Outcome::Disagrees))
            .filter_map(|r| {
                let right = r.outcome == Outcome::Ok;
                Some(Share { value: r.budget_share()?, right, case: &r.case })
            })
            .collect(),
    });
    strips.filter(|s| !s.shares.is_empty()).collect()
}

fn cross(canvas: &mut Canvas, (x, y): (f64, f64), color: Color) {
    let pen = Pen::solid(color, 1.25);
    canvas.line((x - 3.0, y - 3.0), (x + 3.0, y + 3.0), pen);
    canvas.line((x - 3.0, y + 3.0), (x + 3.0, y - 3.0), pen);
}

/// From -1 to 1, spread evenly however many there are: multiples of the golden ratio, modulo 1.
fn jitter(at: usize) -> f64 {
    2.0 * (at as f64 * 0.618_034 + 0.5).fract() - 1.0
}

fn tick(share: f64) -> String {
    format!("{}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{checked, refs, with_outcome};
    use attn_analysis::peak_rates::PeakRates;

    use super::*;

    #[test]
    fn wrong_results_are_shown_and_others_without_a_result_are_not() {
        let records = [
            checked("g/a", "exact", 0.0),
            checked("g/a", "right", 0.03),
            with_outcome(checked("g/a", "wrong", 4.0), Outcome::Disagrees),
            with_outcome(checked("g/a", "refused", 0.5), Outcome::Unsupported),
        ];
        let (refs, peak_rates) = (refs(&records), PeakRates::default());
        let svg = errors(&refs, &Theme::of(&refs, &peak_rates, "")).unwrap().wide.svg;
        assert!(svg.contains("exact") && svg.contains("1 cell, max 3.0%"));
        assert!(svg.contains("wrong") && svg.contains("1 cell, max 400%"));
        assert!(!svg.contains("refused"));
    }

    #[test]
    fn no_check_no_chart() {
        assert!(errors(&[], &Theme::of(&[], &PeakRates::default(), "")).is_none());
    }

    #[test]
    fn jitter_stays_in_its_strip() {
        assert!((0..1000).all(|at| jitter(at).abs() <= 1.0));
        assert!(jitter(0).abs() < 1e-9);
    }
}
