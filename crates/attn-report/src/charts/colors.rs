//! A sequential colour map: white to dark blue, ever darker, so that it survives any colour vision and
//! a black-and-white printer.

use plotters::style::RGBColor;

use super::canvas::Color;

/// `Blues` of `ColorBrewer`, which is white at 0 here.
const STOPS: [[u8; 3]; 9] = [
    [255, 255, 255],
    [222, 235, 247],
    [198, 219, 239],
    [158, 202, 225],
    [107, 174, 214],
    [66, 146, 198],
    [33, 113, 181],
    [8, 81, 156],
    [8, 40, 92],
];

/// The colour of a share between 0 and 1.
pub(super) fn blues(share: f64) -> Color {
    let at = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let low = (at as usize).min(STOPS.len() - 2);
    let channel = |i: usize| {
        let (a, b) = (f64::from(STOPS[low][i]), f64::from(STOPS[low + 1][i]));
        (a + (at - low as f64) * (b - a)).round() as u8
    };
    RGBColor(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luminance_falls_all_the_way() {
        let luminance = |i: i32| {
            let RGBColor(r, g, b) = blues(f64::from(i) / 64.0);
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        assert!((0..64).all(|i| luminance(i) > luminance(i + 1)));
        assert_eq!(blues(0.0), RGBColor(255, 255, 255));
        assert_eq!(blues(2.0), blues(1.0));
    }
}
