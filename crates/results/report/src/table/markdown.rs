//! Tables as Markdown.

use super::escape::{code, escape, paragraph};
use super::terminal::WIDEST;
use super::{Cell, Look, Table, Tone};

impl Table {
    /// As Markdown: the title, the whole table in columns that line up, then the notes.
    pub fn markdown(&self) -> String {
        let shown = self.distinct();
        let title = (!shown.title.is_empty()).then(|| paragraph(&shown.title) + ":\n");
        let table = (!shown.rows.is_empty()).then(|| shown.markdown_rows());
        let notes = shown.notes.iter().map(|note| paragraph(note) + "\n");
        title.into_iter().chain(table).chain(notes).collect::<Vec<_>>().join("\n")
    }

    /// The names of the columns and the rows alone.
    pub fn markdown_rows(&self) -> String {
        let looks: Vec<Look> = self.columns.iter().map(|column| column.look).collect();
        let mut lines: Vec<Vec<String>> =
            vec![self.columns.iter().map(|column| escape(&column.name)).collect()];
        lines.extend(self.rows.iter().map(|row| {
            // A cell that covers the rest of the line is none of an id or a number.
            let covers = |at: usize| at + 1 == row.len() && row.len() < looks.len();
            let look = |at: usize| if covers(at) { Look::Prose } else { looks[at] };
            let cells = row.iter().enumerate().map(|(at, cell)| shown(cell, look(at)));
            let left = looks.len().saturating_sub(row.len());
            cells.chain(std::iter::repeat_n(String::new(), left)).collect()
        }));
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
        let widths: Vec<usize> =
            (0..looks.len()).map(|at| width(at).unwrap_or(0).clamp(3, WIDEST)).collect();
        let rule = looks.iter().zip(&widths).map(|(look, &width)| match look {
            Look::Number => "-".repeat(width - 1) + ":",
            Look::Id | Look::Backend | Look::Words | Look::Prose => {
                [":", &"-".repeat(width - 1)].concat()
            }
        });
        lines.insert(1, rule.collect());
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).zip(&looks);
            let padded = cells.map(|((cell, &width), look)| match look {
                Look::Number => format!("| {cell:>width$} "),
                Look::Id | Look::Backend | Look::Words | Look::Prose => {
                    format!("| {cell:<width$} ")
                }
            });
            padded.chain(["|\n".into()]).collect::<String>()
        };
        lines.iter().map(line).collect()
    }
}

fn shown(cell: &Cell, look: Look) -> String {
    let text = match look {
        Look::Id | Look::Backend if cell.text != "-" => code(&cell.text),
        _ => escape(&cell.text),
    };
    let mark = match cell.tone.mark() {
        "" => String::new(),
        mark => format!("\\{mark}"),
    };
    match cell.tone {
        Tone::Best | Tone::Good | Tone::Bad => format!("**{text}**{mark}"),
        _ => text + &mark,
    }
}
