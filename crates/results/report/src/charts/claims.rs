//! The pictures of claims: curves over a size, and matrices.

use attn_record::claims::{Curves, Picture, Series, Unit};

use super::curves::{Curve, Mark, Plot, Vertical};
use super::frame::{Form, Tick};
use super::map::heat_map;
use super::memory::sizes;
use super::palette::Palette;
use super::scale::{Scale, round_steps};
use super::sweeps::{at_least_a_decade, times};
use crate::format::significant;
use crate::table::{Cell, Column, Table};

/// The picture as SVG, in the forms for a page and for a telephone, with `origin` below; `None` if there is nothing in it, or of
/// curves one size alone.
pub fn of_claim(drawn: &Picture, origin: &str) -> Option<[String; 2]> {
    let draw = |form| match drawn {
        Picture::Curves(curves) => of_curves(curves, form, origin),
        Picture::Map { cells, map } => heat_map(map, &map.case, cells, (form, origin)),
    };
    Some([draw(Form::Wide)?, draw(Form::Small)?])
}

fn of_curves(drawn: &Curves, form: Form, origin: &str) -> Option<String> {
    let mark = |&(size, value): &(usize, f64)| Mark {
        size: size as f64,
        middle: value,
        low: value,
        high: value,
        text: String::new(),
    };
    let drawable = |series: &&attn_record::claims::Series| !series.points.is_empty();
    let curves = drawn.series.iter().filter(drawable).map(|series| Curve {
        backend: &series.name,
        points: series.points.iter().map(mark).collect(),
    });
    let mut at: Vec<usize> =
        drawn.series.iter().flat_map(|series| series.points.iter().map(|p| p.0)).collect();
    at.sort_unstable();
    at.dedup();
    if at.len() < 2 {
        return None;
    }
    let palette = Palette::parts(drawn.series.iter().map(|series| series.name.as_str()));
    let plot = Plot {
        what: drawn.title.clone(),
        of: String::new(),
        how: String::new(),
        x_name: drawn.x.clone(),
        y_name: drawn.y.clone(),
        sizes: at,
        y: vertical(drawn.unit),
        show: significant,
        curves: curves.collect(),
        slopes: Vec::new(),
        levels: Vec::new(),
        palette: &palette,
        origin,
    };
    (!plot.is_empty()).then(|| plot.draw(form).svg)
}

/// What curves show, as figures: a row for each size, a column for each curve.
pub(crate) fn claim_data(drawn: &Picture) -> Option<Table> {
    let Picture::Curves(drawn) = drawn else { return None };
    let mut sizes: Vec<usize> =
        drawn.series.iter().flat_map(|series| series.points.iter().map(|p| p.0)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let rows = sizes.into_iter().map(|size| {
        let of = |series: &Series| series.points.iter().find(|p| p.0 == size).map(|p| p.1);
        let values = drawn.series.iter().map(|series| Cell::value(of(series), significant));
        std::iter::once(Cell::count(Some(size))).chain(values).collect()
    });
    let names = std::iter::once(drawn.x.as_str());
    let names = names.chain(drawn.series.iter().map(|series| series.name.as_str()));
    let unit = match drawn.unit {
        Unit::Nanoseconds => ", nanoseconds",
        Unit::Bytes => ", bytes",
        Unit::Number | Unit::Share => "",
    };
    let title = format!("{}{unit}", drawn.y);
    Some(Table::new(title, names.map(Column::number).collect::<Vec<_>>()).rows(rows))
}

fn vertical(unit: Unit) -> Vertical {
    match unit {
        Unit::Nanoseconds => times,
        Unit::Share => shares,
        Unit::Number => decades,
        Unit::Bytes => sizes,
    }
}

/// A logarithmic axis with labels at round values, about ten at most.
fn decades(ends: (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    let scale = Scale::log(at_least_a_decade(ends), 0.05, from, to);
    let name = |value: f64| {
        if (1e-3..1e6).contains(&value) { format!("{value}") } else { format!("{value:e}") }
    };
    let ticks = scale.round_ticks(30.0, name);
    (scale, ticks)
}

/// A linear axis from 0.
fn shares((_, high): (f64, f64), from: f64, to: f64) -> (Scale, Vec<Tick>) {
    let steps = round_steps(high, 5);
    let top = steps.last().copied().unwrap_or(high);
    (Scale::linear(top, from, to), steps.iter().map(|&v| (v, v.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::parse;

    fn curves(unit: Unit, points: &[(usize, f64)]) -> Picture {
        let series = ["self-attention", "recurrent"]
            .map(|name| Series { name: name.into(), points: points.to_vec() });
        let [title, x, y] = ["title", "x", "y"].map(String::from);
        Picture::Curves(Curves { title, x, y, unit, series: series.into() })
    }

    #[test]
    fn every_unit_is_drawn_over_any_range() {
        for unit in [Unit::Number, Unit::Share, Unit::Nanoseconds, Unit::Bytes] {
            for points in [&[(2, 0.5), (256, 1e-40)], &[(1, 3e3), (2, 4e9)]] {
                let svg = of_claim(&curves(unit, points), "").unwrap();
                assert!(svg.iter().all(|svg| parse(svg).is_ok()), "{unit:?} {points:?}");
            }
        }
        for nothing in [&[][..], &[(1, 1.0)]] {
            assert!(of_claim(&curves(Unit::Number, nothing), "").is_none(), "{nothing:?}");
        }
        let [svg, _] = of_claim(&curves(Unit::Number, &[(1, 1.0), (2, 3.0)]), "").unwrap();
        assert!(svg.contains(">title<"), "a title without a colon: {svg}");
        let data = claim_data(&curves(Unit::Bytes, &[(1, 1.0), (2, 3.0)])).unwrap();
        assert_eq!((data.title.as_str(), data.rows.len(), data.columns.len()), ("y, bytes", 2, 3));
    }

    #[test]
    fn positions_lie_on_a_linear_axis_and_sizes_on_a_logarithmic_one() {
        let places = |sizes: [usize; 4]| {
            let points: Vec<(usize, f64)> = sizes.into_iter().map(|size| (size, 1.0)).collect();
            let [svg, _] = of_claim(&curves(Unit::Number, &points), "").unwrap();
            let path = svg.split(" d=\"M").find(|path| path.matches('L').count() == 3).unwrap();
            let path = path.split('"').next().unwrap();
            let at = path.split('L').map(|point| point.split(' ').next().unwrap().parse().unwrap());
            at.collect::<Vec<f64>>()
        };
        let apart = |x: &[f64]| [x[1] - x[0], x[3] - x[2]];
        let [first, last] = apart(&places([1, 2, 3, 4]));
        assert!((first - last).abs() < 0.3);
        let [first, last] = apart(&places([8, 16, 32, 64]));
        assert!((first - last).abs() < 0.3, "equal factors are equally far apart");
    }

    #[test]
    fn maps_carry_their_own_words() {
        let map = attn_analysis::fixture::map(4);
        let [svg, _] = of_claim(&Picture::Map { cells: "Change".into(), map }, "").unwrap();
        assert!(svg.contains("Change") && !svg.contains("Attention weights"));
    }
}
