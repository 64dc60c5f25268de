//! One colour and one marker per backend, the same in every chart and every run.
//!
//! The colours are chosen so that any two of them stay apart with normal, red-blind, green-blind and
//! blue-blind vision, on white and, with colours of their own, on a dark page; the markers differ too.
//! Families have a hue: candle is warm, flash is blue to violet.

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

const fn rgb(hex: u32) -> Color {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Path, colour on white, colour on a dark page, marker.
const KNOWN: [(&str, Color, Color, Marker); 10] = [
    ("naive", rgb(0x00_00_00), rgb(0xf2_f2_f0), Marker::Disc),
    ("ndarray", rgb(0x00_89_60), rgb(0x00_c7_78), Marker::Square),
    ("faer", rgb(0xc3_61_ac), rgb(0xff_a9_bf), Marker::Diamond),
    ("candle/composed", rgb(0xee_9b_5e), rgb(0xfe_8c_00), Marker::Up),
    ("candle/fused", rgb(0xed_26_00), rgb(0xe9_4f_00), Marker::Down),
    ("candle/cuda", rgb(0x7c_2e_41), rgb(0xa3_4e_72), Marker::Hexagon),
    ("flash/scalar", rgb(0x7b_b0_fe), rgb(0x09_dd_fe), Marker::Ring),
    ("flash/tiled", rgb(0x9b_65_fc), rgb(0xac_93_fb), Marker::Frame),
    ("flash/avx2", rgb(0x30_4f_8f), rgb(0x60_84_b9), Marker::Right),
    ("flash/avx512", rgb(0x11_19_73), rgb(0x97_48_f4), Marker::Kite),
];

/// What charts of claims compare, and the phases of a call, are drawn like these; no chart has both.
const ALIKE: [(&str, &str); 16] = [
    ("self-attention", "flash/avx2"),
    ("recurrent", "candle/fused"),
    ("-inf before", "flash/avx2"),
    ("0 after", "candle/fused"),
    ("multiplicative", "flash/avx2"),
    ("additive", "candle/fused"),
    ("minus the maximum", "flash/avx2"),
    ("as it stands", "candle/fused"),
    ("Q, K, V and O", "flash/avx2"),
    ("scores", "candle/fused"),
    ("running maximum", "flash/avx2"),
    ("final maximum", "candle/fused"),
    ("pack", "faer"),
    ("softmax", "candle/composed"),
    ("values", "flash/avx2"),
    ("finish", "candle/cuda"),
];

/// For backends that this table does not know.
const OTHER: [(Color, Color, Marker); 4] = [
    (rgb(0x7f_7f_1f), rgb(0xc8_c8_5a), Marker::Square),
    (rgb(0x66_11_00), rgb(0xd0_7a_68), Marker::Ring),
    (rgb(0x77_77_77), rgb(0x9c_9c_9c), Marker::Up),
    (rgb(0x11_77_33), rgb(0x58_b8_7a), Marker::Kite),
];

/// The style of a backend: it depends on the backend's path alone.
pub(super) fn style(backend: &str) -> Style {
    let backend = ALIKE.iter().find(|(name, _)| *name == backend).map_or(backend, |alike| alike.1);
    if let Some(&(_, color, _, marker)) = KNOWN.iter().find(|(id, ..)| *id == backend) {
        return Style { color, marker, dashed: false };
    }
    let (color, _, marker) = OTHER[hash(backend) as usize % OTHER.len()];
    Style { color, marker, dashed: true }
}

/// Every colour on white with its counterpart on a dark page.
pub(super) fn schemes() -> impl Iterator<Item = (Color, Color)> {
    let known = KNOWN.iter().map(|&(_, light, dark, _)| (light, dark));
    known.chain(OTHER.iter().map(|&(light, dark, _)| (light, dark)))
}

/// FNV-1a: the same on every machine and in every version of the standard library.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Vector = [f64; 3];

    /// Linear RGB as seen without one kind of cones (Machado, Oliveira and Fernandes 2009), and with all.
    const VISIONS: [[Vector; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    /// Björn Ottosson's Oklab: linear RGB to cone responses, and their cube roots to lightness and hue.
    const CONES: [Vector; 3] = [
        [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
        [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
        [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
    ];
    const OKLAB: [Vector; 3] = [
        [0.210_454_255_3, 0.793_617_785, -0.004_072_046_8],
        [1.977_998_495_1, -2.428_592_205, 0.450_593_709_9],
        [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766],
    ];

    fn times(matrix: &[Vector; 3], v: Vector) -> Vector {
        matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
    }

    fn linear(RGBColor(r, g, b): Color) -> Vector {
        [r, g, b].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn seen(color: Color, vision: &[Vector; 3]) -> Vector {
        let visible = times(vision, linear(color)).map(|c| c.clamp(0.0, 1.0));
        times(&OKLAB, times(&CONES, visible).map(f64::cbrt))
    }

    fn contrast(a: Color, b: Color) -> f64 {
        let luminance = |c| times(&[[0.2126, 0.7152, 0.0722]; 3], linear(c))[0] + 0.05;
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn no_two_known_backends_look_alike_to_anybody() {
        for (at, a) in KNOWN.iter().enumerate() {
            for b in &KNOWN[..at] {
                assert_ne!(a.3, b.3, "{} {}", a.0, b.0);
                for (vision, (a_color, b_color)) in
                    VISIONS.iter().flat_map(|v| [(v, (a.1, b.1)), (v, (a.2, b.2))])
                {
                    let (p, q) = (seen(a_color, vision), seen(b_color, vision));
                    let apart = p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                    assert!(apart > 0.09, "{} {}: {apart}", a.0, b.0);
                }
            }
        }
    }

    #[test]
    fn every_colour_stands_out_from_its_page() {
        for (light, dark) in schemes() {
            assert!(contrast(light, rgb(0xff_ff_ff)) > 2.1, "{light:?}");
            assert!(contrast(dark, rgb(0x16_17_18)) > 3.0, "{dark:?}");
        }
    }

    #[test]
    fn unknown_backends_are_dashed() {
        assert!(style("mutant/no-max").dashed);
        assert_eq!(style("x"), style("x"));
    }
}
