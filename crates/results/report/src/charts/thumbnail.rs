//! A small map without words: many of them side by side.
//!
//! Cells of about the same weight are one path, so that the maps of all heads of a model are a page
//! of a few hundred kilobytes.

use std::fmt::Write as _;

use attn_record::Map;

use super::canvas::WHITE;
use super::colors::blues;
use super::map::HATCH_COLOR;

/// Shades besides white: some of those of a large map, so that they have counterparts on a dark page.
const SHADES: usize = 20;

/// The map as SVG, called `name`; `largest` is the weight that is drawn strongest.
pub fn thumbnail(map: &Map, largest: f64, name: &str) -> String {
    let rows = map.weights.len();
    let columns = map.weights.iter().map(Vec::len).max().unwrap_or(0);
    let mut shades = vec![String::new(); SHADES + 1];
    let mut masked = String::new();
    for (i, row) in map.weights.iter().enumerate() {
        for (j, weight) in row.iter().enumerate() {
            let path = match weight {
                None => &mut masked,
                Some(weight) => {
                    let shade = (weight / largest * SHADES as f64).round();
                    &mut shades[(shade.max(0.0) as usize).min(SHADES)]
                }
            };
            let _ = write!(path, "M{j} {i}h1v1h-1z");
        }
    }
    let name = crate::format::escape(name);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{name}\" \
         viewBox=\"0 0 {columns} {rows}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{columns}\" height=\"{rows}\" fill=\"{WHITE}\"/>"
    );
    if !masked.is_empty() {
        let _ = write!(svg, "<path fill=\"{HATCH_COLOR}\" d=\"{masked}\"/>");
    }
    for (shade, path) in shades.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty()) {
        let color = blues(shade as f64 / SHADES as f64);
        let _ = write!(svg, "<path fill=\"{color}\" d=\"{path}\"/>");
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;

    use super::*;

    #[test]
    fn every_cell_is_drawn_once_and_masked_cells_are_grey() {
        let map = fixture::map(5);
        let svg = thumbnail(&map, 1.0, "<head>");
        let masked = map.weights.iter().flatten().filter(|weight| weight.is_none()).count();
        let grey = svg.split(&HATCH_COLOR.to_string()).nth(1).unwrap().split("/>").next().unwrap();
        assert_eq!(grey.matches('M').count(), masked);
        let drawn =
            map.weights.iter().flatten().flatten().filter(|w| **w >= 0.5 / SHADES as f64).count();
        assert_eq!(svg.matches('M').count(), masked + drawn);
        assert!(!svg.contains("<head>"));
        assert!(crate::png::parse(&svg).is_ok());
    }

    #[test]
    fn every_colour_has_a_counterpart_on_a_dark_page() {
        let svg = thumbnail(&fixture::map(9), 0.6, "small");
        let rules = crate::charts::dark(&[&svg]);
        for attribute in svg.split("fill=\"").skip(1).map(|rest| &rest[..7]) {
            assert!(rules.contains(attribute), "{attribute} in {rules}");
        }
    }
}
