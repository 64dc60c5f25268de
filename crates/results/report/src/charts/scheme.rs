//! Pictures on a dark page.
//!
//! A picture is drawn for white paper and is complete by itself. Where it stands within a page, rules of
//! CSS give each of its colours another one: a rule beats the attribute that it replaces.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::canvas::{Color, INK, MUTED, RULE, WHITE};
use super::colors::{blues, dark_blues};
use super::errors::LIMIT;
use super::map::{HATCH_COLOR, STEPS};
use super::palette::schemes;

/// Rules for elements of pictures, for the colours that occur in `pictures`.
pub(crate) fn dark(pictures: &[&str]) -> String {
    let mut rules = String::new();
    for (light, dark) in pairs() {
        let (light, dark) = (hex(light), hex(dark));
        for property in ["fill", "stroke"] {
            let attribute = format!("{property}=\"{light}\"");
            if pictures.iter().any(|svg| svg.contains(&attribute)) {
                let _ = writeln!(rules, "svg [{attribute}] {{ {property}: {dark}; }}");
            }
        }
    }
    rules
}

/// Every colour that pictures use, without repetition: the first counterpart holds.
fn pairs() -> Vec<(Color, Color)> {
    let furniture = [
        (INK, RGBColor(0xe6, 0xe6, 0xe3)),
        (MUTED, RGBColor(0xa3, 0xa3, 0xa0)),
        (RULE, RGBColor(0x33, 0x35, 0x38)),
        (WHITE, RGBColor(0x16, 0x17, 0x18)),
        (LIMIT, RGBColor(0xff, 0x8a, 0x95)),
        (HATCH_COLOR, RGBColor(0x60, 0x63, 0x67)),
    ];
    let steps = (0..=STEPS as u32).map(|step| f64::from(step) / STEPS);
    let map = steps.map(|share| (blues(share), dark_blues(share)));
    let mut pairs: Vec<(Color, Color)> = Vec::new();
    for (light, dark) in furniture.into_iter().chain(schemes()).chain(map) {
        if !pairs.iter().any(|(known, _)| *known == light) {
            pairs.push((light, dark));
        }
    }
    pairs
}

pub(super) fn hex(RGBColor(r, g, b): Color) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::{all, attention_map};
    use crate::fixture::{map, refs, sweep};
    use crate::peak_rates::example;

    #[test]
    fn every_colour_of_every_picture_has_a_rule() {
        let ids = ["naive", "faer", "candle/fused", "flash/avx2", "mine"];
        let records = sweep("sweep/seq-len/full", &ids, &[64, 128]);
        let mut charts = all(&refs(&records), &example());
        charts.extend(attention_map(&map(12)));
        let rules = dark(&charts.iter().map(|chart| &*chart.svg).collect::<Vec<_>>());
        for chart in &charts {
            for property in ["fill", "stroke"] {
                let attribute = format!("{property}=\"#");
                let colors = chart.svg.split(&attribute).skip(1).map(|part| &part[..6]);
                for color in colors {
                    let rule = format!("svg [{property}=\"#{color}\"]");
                    assert!(rules.contains(&rule), "{} in {}", rule, chart.name);
                }
            }
        }
        assert_eq!(dark(&[]), "");
    }

    #[test]
    fn the_page_and_the_map_agree_on_nothing() {
        assert_eq!(dark_blues(0.0), RGBColor(0x16, 0x17, 0x18));
    }
}
