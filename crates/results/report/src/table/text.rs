//! Text on several lines.

/// `text` broken at spaces into lines of at most `width` characters: behind `first`, and then behind `indent` spaces.
/// A word that is longer than a line goes on in the next one.
pub fn wrap(text: &str, first: &str, indent: usize, width: usize) -> String {
    let (mut lines, mut line) = (String::new(), first.to_string());
    let mut empty = true;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !empty && line.chars().count() + 1 + word.len() > width {
            lines = lines + line.trim_end() + "\n";
            (line, empty) = (" ".repeat(indent), true);
        }
        if !empty {
            line.push(' ');
        }
        while word.len() > width.saturating_sub(line.chars().count()).max(1) {
            let rest = word.split_off(width.saturating_sub(line.chars().count()).max(1));
            line.extend(word);
            lines = lines + &line + "\n";
            (line, word) = (" ".repeat(indent), rest);
        }
        line.extend(word);
        empty = false;
    }
    lines + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_hangs_below_itself_and_nothing_of_it_is_lost() {
        assert_eq!(wrap("one two three", "- ", 2, 9), "- one two\n  three\n");
        assert_eq!(wrap("a abcdefghij b", "  ", 4, 8), "  a\n    abcd\n    efgh\n    ij b\n");
        assert_eq!(wrap("", "name  ", 2, 9), "name\n");
    }
}
