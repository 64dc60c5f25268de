//! A sequential colour map: white to dark blue, ever darker, so that it survives any colour vision and
//! a black-and-white printer. On a dark page it runs from the page to light blue.

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

/// The same on a dark page, which is the colour of 0.
const DARK: [[u8; 3]; 9] = [
    [22, 23, 24],
    [14, 42, 74],
    [12, 62, 112],
    [20, 85, 150],
    [38, 112, 184],
    [70, 142, 208],
    [114, 174, 226],
    [164, 206, 240],
    [222, 238, 252],
];

/// The colour of a share between 0 and 1.
pub(super) fn blues(share: f64) -> Color {
    between(&STOPS, share)
}

/// The colour of a share between 0 and 1, on a dark page.
pub(super) fn dark_blues(share: f64) -> Color {
    between(&DARK, share)
}

fn between(stops: &[[u8; 3]; 9], share: f64) -> Color {
    let at = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let low = (at as usize).min(stops.len() - 2);
    let channel = |i: usize| {
        let (a, b) = (f64::from(stops[low][i]), f64::from(stops[low + 1][i]));
        (a + (at - low as f64) * (b - a)).round() as u8
    };
    Color(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luminance_falls_or_rises_all_the_way() {
        let luminance = |map: fn(f64) -> Color, i: i32| {
            let Color(r, g, b) = map(f64::from(i) / 64.0);
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        assert!((0..64).all(|i| luminance(blues, i) > luminance(blues, i + 1)));
        assert!((0..64).all(|i| luminance(dark_blues, i) < luminance(dark_blues, i + 1)));
        assert_eq!(blues(0.0), Color(255, 255, 255));
        assert_eq!(blues(2.0), blues(1.0));
    }
}
