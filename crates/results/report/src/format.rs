//! Text that fits its place: shortened, and escaped for pages.

pub use attn_record::figures::ratio;
pub(crate) use attn_record::figures::{bytes, count, percent, significant, time};

/// `text` in at most `width` characters, its end replaced by `…` if need be.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `text` in at most `width` characters, its middle replaced by `…` if need be: both ends tell names apart.
pub(crate) fn shorten_middle(text: &str, width: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= width {
        return text.into();
    }
    let kept = width.saturating_sub(1);
    let (first, last) = characters.split_at(kept.div_ceil(2));
    let last = &last[last.len() - kept / 2..];
    first.iter().chain(&['…']).chain(last).collect()
}

/// What stands for figures whose interval is [too wide](attn_analysis::certainty::is_too_wide).
pub(crate) const TOO_NOISY: &str = "too noisy";

/// `x` with two decimals; never `-0.00`.
pub(crate) fn two_decimals(x: f64) -> String {
    let text = format!("{x:.2}");
    if text == "-0.00" { "0.00".into() } else { text }
}

/// `text` as content or quoted attribute of HTML and XML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No other control character may occur in XML, not even as a reference.
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("µµµµ", 4), "µµµµ");
        assert_eq!(shorten("one two", 5), "one…");
        assert_eq!(shorten_middle("llama-gqa-decode", 11), "llama…ecode");
        assert_eq!(shorten_middle("llama", 4), "ll…a");
        assert_eq!(shorten_middle("µµµµ", 4), "µµµµ");
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!((two_decimals(-1e-9), two_decimals(-0.006)), ("0.00".into(), "-0.01".into()));
    }
}
