//! How much of its error budget every checked cell used.

use attn_record::{Outcome, Record, stats};

use super::canvas::{Align, Canvas, Color, INK, MUTED, Pen, Point, Type, draw};
use super::frame::{Area, BODY, SMALL, Tick, heading, x_axis};
use super::palette::style;
use super::scale::Scale;
use super::text::widest;
use super::{Chart, TooltipPoint};
use crate::format::{count, percent};
use crate::rows::grouped;

const SHEET: f64 = 820.0;
const TOP: f64 = 72.0;
const BELOW: f64 = 54.0;
/// Height of one backend's strip.
const STRIP: f64 = 34.0;
const TITLE: &str = "Error as a share of its budget";
/// What a result may use.
pub(super) const LIMIT: Color = plotters::style::RGBColor(0xb0, 0x00, 0x20);

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
pub(super) fn errors(records: &[&Record]) -> Option<Chart> {
    let strips = strips(records);
    let shares = || strips.iter().flat_map(|s| &s.shares).map(|cell| cell.value);
    let low = shares().filter(|&s| s > 0.0).reduce(f64::min)?;
    // An exact result has no logarithm: it lies at the left edge.
    let low = low.clamp(1e-6, 0.01);
    let high = shares().fold(1.0, f64::max).min(1e6);
    let bottom = TOP + STRIP * strips.len() as f64;
    let area = Area {
        left: 36.0 + widest(strips.iter().map(|s| s.backend), BODY),
        right: SHEET - 150.0,
        top: TOP,
        bottom,
    };
    let x = Scale::log((low, high), 0.03, area.left, area.right);
    let ticks: Vec<Tick> = x.decades().into_iter().map(|s| (s, tick(s))).collect();
    let svg = draw((SHEET, bottom + BELOW), TITLE, |canvas| {
        let subtitle =
            "Every checked cell is a dot; the bar is the median; a cross is a wrong result";
        heading(canvas, SHEET, TITLE, subtitle);
        x_axis(canvas, area, &x, &ticks, "Largest error / error allowed (logarithmic)");
        limit(canvas, area, &x);
        for (place, strip) in strips.iter().enumerate() {
            paint(canvas, area, &x, area.top + STRIP * (place as f64 + 0.5), strip);
        }
    });
    Some(Chart {
        name: "error-budget".into(),
        group: None,
        caption: "What rounding may cause in the arithmetic that the backend states is 100%: \
                  a dot further left is a more accurate result, and right of the line it is wrong."
            .into(),
        again: String::new(),
        spots: spots(&strips, &x, area),
        svg,
    })
}

/// Where the dot of the `at`-th cell of a strip around `y` lies.
fn point(x: &Scale, y: f64, at: usize, cell: &Share<'_>) -> Point {
    (x.clamped(cell.value), y + jitter(at) * STRIP * 0.3)
}

fn spots(strips: &[Strip<'_>], x: &Scale, area: Area) -> Vec<TooltipPoint> {
    let mut spots = Vec::new();
    for (place, strip) in strips.iter().enumerate() {
        let y = area.top + STRIP * (place as f64 + 0.5);
        let mut cells: Vec<(usize, &Share<'_>)> = strip.shares.iter().enumerate().collect();
        cells.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
        spots.extend(cells.into_iter().map(|(at, cell)| {
            let verdict = if cell.right { "right" } else { "wrong" };
            let share = percent(cell.value);
            let text =
                format!("{}, {}\n{share} of its budget, {verdict}", strip.backend, cell.case);
            TooltipPoint::at(point(x, y, at, cell), strip.backend, &text)
        }));
    }
    spots
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

/// The line that no right result crosses.
fn limit(canvas: &mut Canvas<'_>, area: Area, x: &Scale) {
    let at = x.at(1.0);
    let pen = Pen { color: LIMIT, width: 1.25 };
    canvas.line((at, area.top - 4.0), (at, area.bottom), pen);
    let kind = Type::plain(SMALL, LIMIT);
    canvas.text((at, area.top - 12.0), "budget", kind, Align::Middle);
}

fn paint(canvas: &mut Canvas<'_>, area: Area, x: &Scale, y: f64, strip: &Strip<'_>) {
    let style = style(strip.backend);
    let name = (area.left - 10.0, y);
    canvas.text(name, strip.backend, Type::plain(BODY, INK), Align::End);
    for (at, cell) in strip.shares.iter().enumerate() {
        let point = point(x, y, at, cell);
        if cell.right {
            style.marker.draw(canvas, point, 2.6, style.color);
        } else {
            cross(canvas, point, style.color);
        }
    }
    let right: Vec<f64> = strip.shares.iter().filter(|s| s.right).map(|s| s.value).collect();
    if let Some(median) = stats::median(&right).filter(|_| right.len() > 2) {
        let at = x.clamped(median);
        let pen = Pen { color: INK, width: 2.0 };
        canvas.line((at, y - STRIP * 0.4), (at, y + STRIP * 0.4), pen);
    }
    let at = area.right + 12.0;
    let worst = strip.shares.iter().map(|s| s.value).fold(0.0, f64::max);
    let cells = count(strip.shares.len(), "cell");
    let note = format!("{cells}, max {}", percent(worst));
    canvas.text((at, y), &note, Type::plain(SMALL, MUTED), Align::Start);
}

fn cross(canvas: &mut Canvas<'_>, (x, y): (f64, f64), color: Color) {
    let pen = Pen { color, width: 1.25 };
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
    use super::*;
    use crate::fixture::{checked, refs, with_outcome};

    #[test]
    fn wrong_results_are_shown_and_others_without_a_result_are_not() {
        let records = [
            checked("g/a", "exact", 0.0),
            checked("g/a", "right", 0.03),
            with_outcome(checked("g/a", "wrong", 4.0), Outcome::Disagrees),
            with_outcome(checked("g/a", "refused", 0.5), Outcome::Unsupported),
        ];
        let svg = errors(&refs(&records)).unwrap().svg;
        assert!(svg.contains("exact") && svg.contains("1 cell, max 3.0%"));
        assert!(svg.contains("wrong") && svg.contains("1 cell, max 400%"));
        assert!(!svg.contains("refused"));
    }

    #[test]
    fn no_check_no_chart() {
        assert!(errors(&[]).is_none());
    }

    #[test]
    fn jitter_stays_in_its_strip() {
        assert!((0..1000).all(|at| jitter(at).abs() <= 1.0));
        assert!(jitter(0).abs() < 1e-9);
    }
}
