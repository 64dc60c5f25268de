//! Documents whose tables are what a command prints.
//!
//! ```text
//! <!-- attn rank bench-results/reference --markdown -->
//! (the output of that command)
//! <!-- end -->
//! ```
//!
//! Everything between the two marks belongs to the command; the rest of the document is left as it is,
//! byte for byte. Arguments are separated by blanks and know no quotes: a glob needs none here.

use std::fmt;

/// What a block begins with.
const BEGIN: &str = "<!-- attn ";
/// What ends the line that begins a block.
const CLOSE: &str = " -->";
/// The line that ends a block.
const END: &str = "<!-- end -->";

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Is left as it is.
    Text(&'a str),
    /// Is what a command prints.
    Block(Block<'a>),
}

/// A command and what it printed when the document was last spliced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// The line that the block begins in, from 1.
    pub(crate) line: usize,
    /// Everything after `attn`.
    pub(crate) arguments: Vec<&'a str>,
    /// The lines between the marks.
    pub(crate) content: &'a str,
}

/// A mark that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misplaced {
    line: usize,
    problem: &'static str,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

/// The parts of `document`, in order; concatenated by [`join`] they are the document.
pub(crate) fn parts(document: &str) -> Result<Vec<Part<'_>>, Misplaced> {
    let mut parts = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    let (mut from, mut at) = (0, 0);
    for (line, text) in (1..).zip(document.split_inclusive('\n')) {
        let (start, mark) = (at, text.trim_end());
        at += text.len();
        let misplaced = |problem| Err(Misplaced { line, problem });
        if let Some(arguments) = mark.strip_prefix(BEGIN) {
            let Some(arguments) = arguments.strip_suffix(CLOSE) else {
                return misplaced("expected ` -->` at the end of the line that names a command");
            };
            if open.is_some() {
                return misplaced("expected `<!-- end -->` before the next command");
            }
            parts.push(Part::Text(&document[from..at]));
            open = Some((line, arguments.split_whitespace().collect()));
            from = at;
        } else if mark == END {
            let Some((line, arguments)) = open.take() else {
                return misplaced("`<!-- end -->` ends nothing");
            };
            parts.push(Part::Block(Block { line, arguments, content: &document[from..start] }));
            from = start;
        }
    }
    if let Some((line, _)) = open {
        return Err(Misplaced { line, problem: "expected `<!-- end -->` after this command" });
    }
    parts.push(Part::Text(&document[from..]));
    Ok(parts)
}

/// The document with `output` in place of the content of each block, in order.
pub(crate) fn join(parts: &[Part<'_>], outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let text = parts.iter().map(|part| match part {
        Part::Text(text) => *text,
        Part::Block(_) => outputs.next().map_or("", String::as_str),
    });
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# A\n\n<!-- attn rank RUN --markdown -->\nold\n<!-- end -->\ntext\n\
        <!-- attn support -->\n<!-- end -->\n";

    fn blocks(document: &str) -> Vec<Block<'_>> {
        let blocks = parts(document).unwrap().into_iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Block(block) => Some(block),
        });
        blocks.collect()
    }

    #[test]
    fn blocks_know_their_line_command_and_content() {
        let found = blocks(DOCUMENT);
        assert_eq!(found[0].line, 3);
        assert_eq!(found[0].arguments, ["rank", "RUN", "--markdown"]);
        assert_eq!(found[0].content, "old\n");
        assert_eq!((found[1].line, found[1].content), (7, ""));
    }

    #[test]
    fn only_the_content_changes() {
        let parts = parts(DOCUMENT).unwrap();
        let joined = join(&parts, &["new\n".into(), "x\ny\n".into()]);
        let expected =
            DOCUMENT.replace("old\n", "new\n").replace("support -->\n", "support -->\nx\ny\n");
        assert_eq!(joined, expected);
        let same: Vec<String> = blocks(&joined).iter().map(|b| b.content.to_owned()).collect();
        assert_eq!(join(&super::parts(&joined).unwrap(), &same), joined);
    }

    #[test]
    fn marks_that_do_not_fit_are_named_with_their_line() {
        for (document, expected) in [
            ("a\n<!-- attn rank\n", "2: expected ` -->`"),
            ("<!-- attn rank -->\nx\n", "1: expected `<!-- end -->` after"),
            (
                "<!-- attn a -->\n<!-- attn b -->\n<!-- end -->\n",
                "2: expected `<!-- end -->` before",
            ),
            ("\n\n<!-- end -->\n", "3: `<!-- end -->` ends nothing"),
        ] {
            let message = parts(document).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_document_without_blocks_is_left_alone() {
        for document in ["", "no newline", "a\n<!-- a comment -->\nb\r\n"] {
            assert_eq!(join(&parts(document).unwrap(), &[]), document);
        }
    }
}
