//! How wide a text is, for layout.
//!
//! Advance widths of `DejaVu` Sans, which is wider than the usual sans-serif fonts: what fits with it
//! fits in a browser that uses another one.

/// Thousandths of the font size, for the characters from space to `~`.
const ADVANCE: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318,
    337, // space to /
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, // 0 to ?
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787, // @ to O
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, // P to _
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, // ` to o
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838, // p to ~
];

/// Of any other character.
const OTHER: u16 = 840;

/// Width of `text` at a font size, in the unit of the size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let advance = |c: char| {
        let at = (c as usize).checked_sub(' ' as usize);
        at.and_then(|at| ADVANCE.get(at)).copied().unwrap_or(OTHER)
    };
    text.chars().map(|c| f64::from(advance(c))).sum::<f64>() * size / 1000.0
}

/// Width of the widest of `texts`.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>, size: f64) -> f64 {
    texts.into_iter().map(|t| width(t, size)).fold(0.0, f64::max)
}

/// `text` broken at spaces into lines of at most `limit`; a longer word has a line of its own.
pub(super) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_add_up() {
        assert_eq!(width("", 10.0), 0.0);
        assert!((width("A~", 10.0) - 15.22).abs() < 1e-9);
        assert!((width("µ", 10.0) - 8.4).abs() < 1e-9);
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("aa bb  cc", 10.0, 30.0), ["aa bb", "cc"]);
        assert_eq!(wrap("", 10.0, 30.0), Vec::<String>::new());
    }
}
