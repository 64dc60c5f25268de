//! One colour and one marker per backend, the same in every chart and every run.
//!
//! Colours are those of Okabe and Ito without yellow, which vanishes on white, and a few of Tol's.
//! They can be told apart with any colour vision; together with the marker also without any.

use plotters::style::RGBColor;

use super::canvas::Color;
use super::marker::Marker;

/// How a backend is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    pub(super) color: Color,
    pub(super) marker: Marker,
    pub(super) dashed: bool,
}

const KNOWN: [(&str, Color, Marker); 10] = [
    ("naive", RGBColor(0x00, 0x00, 0x00), Marker::Disc),
    ("ndarray", RGBColor(0x00, 0x9e, 0x73), Marker::Square),
    ("faer", RGBColor(0xcc, 0x79, 0xa7), Marker::Diamond),
    ("candle/composed", RGBColor(0xe6, 0x9f, 0x00), Marker::Up),
    ("candle/fused", RGBColor(0xd5, 0x5e, 0x00), Marker::Down),
    ("candle/cuda", RGBColor(0x88, 0x22, 0x55), Marker::Hexagon),
    ("flash/scalar", RGBColor(0x56, 0xb4, 0xe9), Marker::Ring),
    ("flash/tiled", RGBColor(0x7a, 0x6f, 0xd0), Marker::Frame),
    ("flash/avx2", RGBColor(0x00, 0x72, 0xb2), Marker::Right),
    ("flash/avx512", RGBColor(0x33, 0x22, 0x88), Marker::Kite),
];

/// For backends that this table does not know.
const OTHER: [(Color, Marker); 4] = [
    (RGBColor(0x7f, 0x7f, 0x1f), Marker::Square),
    (RGBColor(0x66, 0x11, 0x00), Marker::Ring),
    (RGBColor(0x77, 0x77, 0x77), Marker::Up),
    (RGBColor(0x11, 0x77, 0x33), Marker::Kite),
];

/// The style of a backend: it depends on the backend's path alone.
pub(super) fn style(backend: &str) -> Style {
    if let Some(&(_, color, marker)) = KNOWN.iter().find(|(id, ..)| *id == backend) {
        return Style { color, marker, dashed: false };
    }
    let (color, marker) = OTHER[hash(backend) as usize % OTHER.len()];
    Style { color, marker, dashed: true }
}

/// FNV-1a: the same on every machine and in every version of the standard library.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_known_backends_look_alike() {
        for (at, (a, ..)) in KNOWN.iter().enumerate() {
            for (b, ..) in &KNOWN[..at] {
                assert_ne!(style(a).color, style(b).color, "{a} {b}");
                assert_ne!(style(a).marker, style(b).marker, "{a} {b}");
            }
        }
    }

    #[test]
    fn unknown_backends_are_dashed() {
        assert!(style("mutant/no-max").dashed);
        assert_eq!(style("x"), style("x"));
    }
}
