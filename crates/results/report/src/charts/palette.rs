//! One style per backend, the same in every chart and every run.
//!
//! The colours are chosen so that any two of them stay apart with normal, red-blind, green-blind and
//! blue-blind vision, on white and, with colours of their own, on a dark page; no two shapes are the same.
//! Families have a hue: candle is warm, flash is blue to violet. A backend that is not named here is
//! somebody's own, and what they look for first: its line is the bold one.

use attn_analysis::rows::distinct;

use super::canvas::Color;
use super::marker::Marker;

/// How a backend is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    pub(super) color: Color,
    pub(super) marker: Marker,
    /// Of a line, pixels.
    pub(super) width: f64,
}

const fn hex(hex: u32) -> Color {
    Color::hex(hex)
}

/// Colour on white, colour on a dark page, marker.
type Look = (Color, Color, Marker);

/// Backends by path.
const KNOWN: [(&str, Look); 13] = [
    ("naive", (hex(0x00_00_00), hex(0xf2_f2_f0), Marker::Disc)),
    ("ndarray", (hex(0x25_75_4e), hex(0x93_c6_99), Marker::Square)),
    ("faer", (hex(0x6c_26_53), hex(0xb2_68_a7), Marker::Diamond)),
    ("candle/composed", (hex(0xd2_7e_19), hex(0xf5_a4_1c), Marker::Up)),
    ("candle/fused", (hex(0xc1_32_08), hex(0x00fc_5016), Marker::Down)),
    ("candle/cuda", (hex(0x2c_06_10), hex(0xb6_3f_07), Marker::Hexagon)),
    ("flash/scalar", (hex(0x1b_4b_81), hex(0x6e_a6_fa), Marker::Ring)),
    ("flash/tiled", (hex(0x16_05_48), hex(0x87_7a_f8), Marker::Frame)),
    ("flash/avx2", (hex(0x33_92_fa), hex(0x13_53_fe), Marker::Right)),
    ("flash/avx512", (hex(0x8c_29_f5), hex(0x75_53_c1), Marker::Kite)),
    ("flash/avx512bf16", (hex(0xa4_58_bd), hex(0xbb_e4_a1), Marker::HollowHexagon)),
    ("flash/amx", (hex(0x1e_02_8e), hex(0x8c_55_72), Marker::HollowPentagon)),
    ("additive", (hex(0x35_25_00), hex(0xfe_d6_10), Marker::Left)),
];

/// Engines by path: apart from each other and from flash, beside which they are drawn, to everybody; from the others by colour
/// where it is seen in full.
const ENGINES: [(&str, Look); 12] = [
    ("burn", (hex(0x36_01_df), hex(0x3f_74_9a), Marker::Up)),
    ("iree", (hex(0x7b_84_46), hex(0x9e_7c_34), Marker::Down)),
    ("jax", (hex(0x96_97_53), hex(0xcd_8e_04), Marker::Left)),
    ("llama.cpp", (hex(0xac_39_9e), hex(0xca_a3_d1), Marker::Hexagon)),
    ("mlx", (hex(0x5b_53_15), hex(0xca_c8_8c), Marker::HollowUp)),
    ("onnxruntime", (hex(0x5e_6b_48), hex(0xed_f5_3a), Marker::Diamond)),
    ("openvino", (hex(0x0b_47_30), hex(0x58_da_09), Marker::Square)),
    ("rten", (hex(0xb5_6b_df), hex(0x81_6d_d5), Marker::HollowDown)),
    ("torch", (hex(0xc4_68_a2), hex(0xff_b1_c8), Marker::Disc)),
    ("torch/compile", (hex(0x62_00_5b), hex(0xda_00_95), Marker::Pentagon)),
    ("torch/math", (hex(0x87_09_48), hex(0xf9_95_a8), Marker::Ring)),
    ("tract", (hex(0x21_62_76), hex(0x1d_fb_f6), Marker::Star)),
];

/// For the others, by their order. A backend that moves to [`KNOWN`] may take the last of these with it.
const OWN: [Look; 3] = [
    (hex(0xfb_35_88), hex(0xe6_6d_74), Marker::Star),
    (hex(0x8c_07_b9), hex(0xc5_8a_bc), Marker::Pentagon),
    (hex(0x39_8e_82), hex(0x33_dc_f5), Marker::HollowDown),
];

/// For the parts of a whole, and for what a chart compares beside backends: no backend has one of these colours, and
/// neighbours lie far apart.
const PARTS: [Look; 8] = [
    (hex(0x56_63_b4), hex(0x8a_8e_e7), Marker::Right),
    (hex(0xb4_87_58), hex(0xee_d7_8a), Marker::Down),
    (hex(0x62_16_1c), hex(0xa3_5b_43), Marker::Up),
    (hex(0x80_8f_b7), hex(0xbb_b7_e8), Marker::Kite),
    (hex(0x89_3e_00), hex(0xe9_9b_72), Marker::Square),
    (hex(0x42_22_5d), hex(0x4d_64_b4), Marker::Diamond),
    (hex(0x0088_6664), hex(0xc7_ea_fe), Marker::Ring),
    (hex(0x5e_4a_6b), hex(0xb2_80_92), Marker::Left),
];

const LINE: f64 = 1.75;
const BOLD: f64 = 3.25;

/// Whether a style is kept for the backend of this path: somebody's own has one by its order.
pub fn has_style(backend: &str) -> bool {
    known(backend).is_some()
}

fn known(backend: &str) -> Option<Look> {
    let mut known = KNOWN.iter().chain(&ENGINES);
    known.find_map(|(path, look)| (*path == backend).then_some(*look))
}

/// The styles of what a page shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette {
    styles: Vec<(String, Style)>,
}

impl Palette {
    /// Of backends, by their paths. Those that this module does not know are told apart by their order.
    pub(crate) fn backends<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut paths = distinct(paths);
        paths.sort_unstable();
        let mut others = 0;
        let style = |path: &&str| {
            let known = known(path);
            let style = known.map_or_else(|| own(others), |look| plain(look, LINE));
            others += usize::from(known.is_none());
            ((*path).to_owned(), style)
        };
        Palette { styles: paths.iter().map(style).collect() }
    }

    /// Of the parts of a whole, or of what a chart compares beside backends, in their order.
    pub(super) fn parts<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = distinct(names.into_iter()).into_iter().enumerate();
        let style =
            |(at, name): (usize, &str)| (name.to_owned(), plain(PARTS[at % PARTS.len()], LINE));
        Palette { styles: names.map(style).collect() }
    }

    /// Every name with its style.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Style)> {
        self.styles.iter().map(|(name, style)| (name.as_str(), *style))
    }

    pub(super) fn style(&self, name: &str) -> Style {
        let found = self.styles.iter().find(|(known, _)| known == name);
        found.map_or_else(|| own(0), |(_, style)| *style)
    }
}

fn plain((color, _, marker): Look, width: f64) -> Style {
    Style { color, marker, width }
}

/// The `at`-th of several: colours repeat before pairs of colour and marker do.
fn own(at: usize) -> Style {
    let (color, marker) = (OWN[at % OWN.len()].0, OWN[(at + at / OWN.len()) % OWN.len()].2);
    Style { color, marker, width: BOLD }
}

/// Every colour on white with its counterpart on a dark page.
pub(super) fn schemes() -> impl Iterator<Item = (Color, Color)> {
    let known = KNOWN.iter().chain(&ENGINES).map(|(_, look)| look);
    known.chain(&OWN).chain(&PARTS).map(|&(light, dark, _)| (light, dark))
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

    fn linear(Color(r, g, b): Color) -> Vector {
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

    /// How far apart the colours of two looks are to who sees them so: on white and on a dark page, whichever is less.
    fn apart(a: Look, b: Look, vision: &[Vector; 3]) -> f64 {
        let distance = |a, b| {
            let (p, q) = (seen(a, vision), seen(b, vision));
            p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt()
        };
        distance(a.0, b.0).min(distance(a.1, b.1))
    }

    #[test]
    fn no_two_styles_look_alike_to_anybody() {
        let backends: Vec<&Look> = KNOWN.iter().map(|(_, look)| look).chain(&OWN).collect();
        for looks in [backends.clone(), PARTS.iter().collect()] {
            for (at, a) in looks.iter().enumerate() {
                for b in &looks[..at] {
                    assert_ne!(a.2, b.2, "{a:?} {b:?}");
                    for vision in &VISIONS {
                        let apart = apart(**a, **b, vision);
                        assert!(apart > 0.08, "{a:?} {b:?}: {apart}");
                    }
                }
            }
        }
        for (part, backend) in PARTS.iter().flat_map(|part| backends.iter().map(move |b| (part, b)))
        {
            let apart = apart(*part, **backend, &VISIONS[0]);
            assert!(apart > 0.05, "{part:?} {backend:?}: {apart}");
        }
    }

    #[test]
    fn engines_are_told_from_each_other_and_from_flash() {
        for (at, (path, a)) in ENGINES.iter().enumerate() {
            let flash = KNOWN.iter().filter(|(path, _)| path.starts_with("flash/"));
            let all = KNOWN.iter().map(|(_, look)| look).chain(&OWN).chain(&PARTS);
            for (other, b) in flash.chain(&ENGINES[..at]) {
                assert!(*other == "flash/scalar" || a.2 != b.2, "{path} {other}");
                let apart = VISIONS.iter().map(|vision| apart(*a, *b, vision));
                let apart = apart.fold(f64::INFINITY, f64::min);
                assert!(apart > 0.05, "{path} {other}: {apart}");
            }
            for b in all {
                let apart = apart(*a, *b, &VISIONS[0]);
                assert!(apart > 0.05, "{path} {b:?}: {apart}");
            }
        }
    }

    #[test]
    fn every_colour_stands_out_from_its_page() {
        for (light, dark) in schemes() {
            assert!(contrast(light, hex(0xff_ff_ff)) > 3.0, "{light:?}");
            assert!(contrast(dark, hex(0x16_17_18)) > 3.0, "{dark:?}");
        }
    }

    #[test]
    fn kernels_of_ones_own_are_bold_and_each_has_a_style() {
        let own = OWN.len() * OWN.len();
        let names: Vec<String> = (0..own).map(|n| format!("mine/{n:02}")).collect();
        let all = names.iter().map(String::as_str).chain(["naive", "faer"]);
        let palette = Palette::backends(all);
        let styles: Vec<Style> = palette.iter().map(|(_, style)| style).collect();
        assert_eq!(distinct(styles.iter()).len(), own + 2);
        assert!(palette.style("mine/07").width > palette.style("naive").width);
        let alone = Palette::backends(["naive"].into_iter());
        assert_eq!(alone.style("naive"), palette.style("naive"), "whoever else is there");
    }
}
