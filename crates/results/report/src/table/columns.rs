//! Text in columns.

use crate::format::{shorten, shorten_middle};

/// Between columns.
const GAP: &str = "  ";

/// The widths of a table whose columns are as wide as their widest cell.
pub(super) struct Columns {
    widths: Vec<usize>,
    /// The first columns hold names and start at the left; the others end at the right.
    names: usize,
    /// Characters that no line exceeds.
    total: usize,
}

impl Columns {
    /// Columns that fit `rows`. Where they are wider than `total`, the first is narrowed.
    pub(super) fn fit(rows: &[Vec<String>], names: usize, total: usize) -> Self {
        let mut widths = Vec::new();
        for row in rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let over = (widths.iter().sum::<usize>() + gaps).saturating_sub(total);
        if let Some(first) = widths.first_mut() {
            *first = first.saturating_sub(over).max(4);
        }
        Columns { widths, names, total }
    }

    /// One line of cells.
    pub(super) fn line(&self, cells: &[String]) -> String {
        self.finish(&self.join(cells))
    }

    /// One line: the first cells, then `text` across the remaining columns.
    pub(super) fn line_with_text(&self, cells: &[String], text: &str) -> String {
        self.finish(&format!("{}{GAP}{text}", self.join(cells)))
    }

    fn join(&self, cells: &[String]) -> String {
        let cells = cells.iter().zip(&self.widths).enumerate();
        let padded: Vec<String> = cells
            .map(|(at, (cell, &width))| {
                let cell = shorten_middle(cell, width);
                if at < self.names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        padded.join(GAP)
    }

    fn finish(&self, line: &str) -> String {
        let mut line = shorten(line.trim_end(), self.total);
        line.push('\n');
        line
    }
}
