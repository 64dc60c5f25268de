//! A map in the terminal: two characters a cell, the darker the more.

use std::fmt::Write as _;

use attn_record::Map;

/// From nothing to the largest weight.
const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
/// A key that the query does not admit.
const MASKED: &str = "··";
/// Longest name of a token.
const NAME: usize = 12;

/// The map, tokens at both sides, at most `width` columns wide. Keys that do not fit are left out,
/// and the last line says so.
pub fn map(map: &Map, width: usize) -> String {
    let names = map.tokens_q.iter().map(|token| short(token).chars().count());
    let left = names.max().unwrap_or(0) + 1;
    let keys = map.tokens_k.len().min(width.saturating_sub(left) / 2);
    let largest = map.weights.iter().flatten().flatten().copied().fold(0.0, f64::max);
    let mut text = header(&map.tokens_k[..keys], left);
    for (token, row) in map.tokens_q.iter().zip(&map.weights) {
        let _ = write!(text, "{:>1$} ", short(token), left - 1);
        let cells = row.iter().take(keys).map(|weight| cell(*weight, largest));
        text.extend(cells);
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let _ = write!(text, "██ {largest:.3}  ▓▓ {:.3}", 0.75 * largest);
    if map.weights.iter().flatten().any(Option::is_none) {
        let _ = write!(text, "  {MASKED} not admitted");
    }
    if keys < map.tokens_k.len() {
        let _ = write!(text, "  (the first {keys} of {} keys)", map.tokens_k.len());
    }
    text.push('\n');
    text
}

fn cell(weight: Option<f64>, largest: f64) -> &'static str {
    weight.map_or(MASKED, |weight| {
        let shade = (weight / largest * (SHADES.len() - 1) as f64).round();
        SHADES.get(shade.max(0.0) as usize).copied().unwrap_or("  ")
    })
}

/// The keys' names, read downwards, each above its column.
fn header(tokens: &[String], left: usize) -> String {
    let names: Vec<Vec<char>> = tokens.iter().map(|token| short(token).chars().collect()).collect();
    let height = names.iter().map(Vec::len).max().unwrap_or(0);
    let line = |row: usize| {
        let letter = |name: &Vec<char>| {
            // Names end at the map.
            let at = (row + name.len()).checked_sub(height);
            format!("{} ", at.and_then(|at| name.get(at)).unwrap_or(&' '))
        };
        let letters: String = names.iter().map(letter).collect();
        format!("{}{}\n", " ".repeat(left), letters.trim_end())
    };
    (0..height).map(line).collect()
}

fn short(token: &str) -> String {
    if token.chars().count() <= NAME {
        return token.into();
    }
    token.chars().take(NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;

    use super::*;

    #[test]
    fn cells_names_and_the_masked_triangle_are_where_they_belong() {
        let mut drawn = fixture::map(3);
        drawn.tokens_q = ["a", "bb", "c"].map(String::from).into();
        drawn.tokens_k = drawn.tokens_q.clone();
        drawn.weights = vec![
            vec![Some(1.0), None, None],
            vec![Some(0.5), Some(0.5), None],
            vec![Some(0.0), Some(0.25), Some(0.75)],
        ];
        let expected = "     b\n   a b c\n a ██····\nbb ▒▒▒▒··\n c   ░░▓▓\n\
                        ██ 1.000  ▓▓ 0.750  ·· not admitted\n";
        assert_eq!(map(&drawn, 80), expected);
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let mut drawn = fixture::map(300);
        drawn.tokens_q[7] = "a token of many letters".into();
        let text = map(&drawn, 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert!(text.contains("of 300 keys)") && text.contains('…'));
        drawn.weights = vec![vec![None; 300]; 300];
        assert!(map(&drawn, 80).contains("not admitted"));
    }
}
