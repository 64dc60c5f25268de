//! Pictures on a dark page.
//!
//! A picture is drawn for white paper and is complete by itself. Where it stands within a page, rules of
//! CSS give each of its colours another one: a rule beats the attribute that it replaces.

use std::fmt::Write as _;

use super::canvas::{Color, INK, MUTED, RULE, WHITE};
use super::colors::{blues, dark_blues};
use super::errors::LIMIT;
use super::estimates::{BAD, GOOD, GREY, OPEN};
use super::map::{HATCH_COLOR, STEPS};
use super::palette::schemes;

/// Rules for elements of pictures, for the colours that occur in `pictures`.
pub(crate) fn dark(pictures: &[&str]) -> String {
    let mut rules = String::new();
    for (light, dark) in pairs() {
        for property in ["fill", "stroke"] {
            let attribute = format!("{property}=\"{light}\"");
            if pictures.iter().any(|svg| svg.contains(&attribute)) {
                let _ = writeln!(rules, "[{attribute}] {{ {property}: {dark}; }}");
            }
        }
    }
    rules
}

/// The picture with the colours of a dark page in itself: a file for where no page gives them.
pub(crate) fn on_dark(svg: &str) -> String {
    let pairs: Vec<(String, String)> =
        pairs().iter().map(|(light, dark)| (light.to_string(), dark.to_string())).collect();
    let mut parts = svg.split("=\"#");
    let mut dark = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (color, rest) = part.split_at(6);
        let light = format!("#{color}");
        let found = pairs.iter().find(|(known, _)| *known == light);
        dark += &["=\"", found.map_or(&light, |(_, dark)| dark), rest].concat();
    }
    dark
}

/// Every colour that pictures use, without repetition: the first counterpart holds.
fn pairs() -> Vec<(Color, Color)> {
    let furniture = [
        (INK, Color(0xe6, 0xe6, 0xe3)),
        (MUTED, Color(0xa3, 0xa3, 0xa0)),
        (RULE, Color(0x33, 0x35, 0x38)),
        (WHITE, Color(0x16, 0x17, 0x18)),
        (LIMIT, Color(0xff, 0x8a, 0x95)),
        (HATCH_COLOR, Color(0x60, 0x63, 0x67)),
        (GREY, Color(0x2c, 0x2e, 0x31)),
        (GOOD, Color(0x6a, 0xb7, 0xec)),
        (BAD, Color(0xff, 0x9b, 0x5c)),
        (OPEN, Color(0xa0, 0xa0, 0xa0)),
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

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::peak_rates;
    use attn_analysis::fixture::{map, refs, sweep};

    use super::*;
    use crate::charts::{Theme, all, attention_map};

    #[test]
    fn every_colour_of_every_picture_has_a_rule() {
        let ids = ["naive", "faer", "candle/fused", "flash/avx2", "mine"];
        let records = sweep("sweep/seq-len/full", &ids, &[64, 128]);
        let refs = refs(&records);
        let peak_rates = peak_rates(None);
        let mut charts = all(&refs, &Theme::of(&refs, &peak_rates, "a day"));
        charts.extend(attention_map(&map(12), ""));
        let rules = dark(&charts.iter().map(|chart| &*chart.wide.svg).collect::<Vec<_>>());
        for chart in &charts {
            let svg = &chart.wide.svg;
            for property in ["fill", "stroke"] {
                let attribute = format!("{property}=\"#");
                let colors = svg.split(&attribute).skip(1).map(|part| &part[..6]);
                for color in colors {
                    let rule = format!("[{property}=\"#{color}\"]");
                    assert!(rules.contains(&rule), "{} in {}", rule, chart.name);
                }
            }
            let file = on_dark(svg);
            assert_eq!(file.matches("=\"#").count(), svg.matches("=\"#").count());
            assert!(!file.contains(&format!("\"{WHITE}\"")) && crate::png::parse(&file).is_ok());
        }
        assert_eq!(dark(&[]), "");
    }

    #[test]
    fn the_page_and_the_map_agree_on_nothing() {
        assert_eq!(dark_blues(0.0), Color(0x16, 0x17, 0x18));
    }
}
