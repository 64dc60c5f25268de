//! A table that is printed in the terminal or as Markdown.

use super::Options;
use super::scaling::{indented, wrap};
use crate::format::shorten;

/// A titled table with notes below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// One line.
    pub title: String,
    /// The first is the head.
    pub rows: Vec<Vec<String>>,
    /// How many of the first columns hold names and start at the left.
    pub names: usize,
    /// Sentences.
    pub notes: Vec<String>,
}

impl Grid {
    /// For a terminal.
    pub fn terminal(&self, options: Options) -> String {
        let width = options.width.max(72);
        let mut text = shorten(&self.title, width) + "\n";
        if self.rows.len() > 1 {
            text += &indented(&self.rows, self.names, width);
        }
        self.notes.iter().fold(text, |text, note| text + &wrap(note, width))
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = self.title.clone() + ":\n";
        if let [head, rows @ ..] = &self.rows[..] {
            let columns = head.len();
            let rule = (0..columns).map(|at| if at < self.names { ":---|" } else { "---:|" });
            text += &["\n", &line(head, columns), "|", &rule.collect::<String>(), "\n"].concat();
            text.extend(rows.iter().map(|row| line(row, columns)));
        }
        self.notes.iter().fold(text, |text, note| text + "\n" + note + "\n")
    }
}

/// `| a | b |`, with what is missing left empty.
fn line(cells: &[String], columns: usize) -> String {
    let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
    let cells: Vec<String> = cells.chain(std::iter::repeat(String::new())).take(columns).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let rows = [["name", "time"], ["a|b", "1 ns"]];
        let rows = rows.map(|row| row.map(String::from).to_vec()).to_vec();
        let grid =
            Grid { title: "times".into(), rows, names: 1, notes: vec!["All of them.".into()] };
        let expected = "times\n  name  time\n  a|b   1 ns\n  All of them.\n";
        assert_eq!(grid.terminal(Options::default()), expected);
        let expected = "times:\n\n| name | time |\n|:---|---:|\n| a\\|b | 1 ns |\n\nAll of them.\n";
        assert_eq!(grid.markdown(), expected);
    }
}
