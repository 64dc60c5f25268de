//! Tables on a page.

use std::fmt::Write as _;

use super::{Cell, Look, Table, Tone};
use crate::format::escape;

impl Table {
    /// As HTML: the title as a heading, the table, then the notes, all of them text.
    pub fn html(&self) -> String {
        let element = |name: &str, text: &str| format!("<{name}>{}</{name}>\n", escape(text));
        let title = if self.title.is_empty() { String::new() } else { element("h3", &self.title) };
        let notes = self.notes.iter().map(|note| element("p", note));
        title + &self.html_rows() + &notes.collect::<String>()
    }

    /// A table that sorts by its columns, and that scrolls by itself where it is wider than the page; nothing without
    /// rows.
    fn html_rows(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let head = self.columns.iter().map(|column| {
            let class = if column.look == Look::Number { " class=\"number\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", escape(&column.name))
        });
        let head: String = head.collect();
        let row = |row: &Vec<Cell>| {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let span = if at + 1 == row.len() { self.columns.len() - at } else { 1 };
                data(cell, self.columns[at].look, span)
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let body: String = self.rows.iter().map(row).collect();
        format!(
            "<div class=\"scroll\"><table class=\"sortable\">\n<thead><tr>{head}</tr></thead>\n\
             <tbody>\n{body}</tbody></table></div>\n"
        )
    }
}

/// A cell that covers `span` columns, of which the first is of this look.
fn data(cell: &Cell, look: Look, span: usize) -> String {
    let own = match look {
        _ if span > 1 => "wrap",
        Look::Number => "number",
        Look::Prose => "reason",
        Look::Id | Look::Words => "",
    };
    let class = [own, class(cell.tone)].join(" ");
    let mut html = String::from("<td");
    // Writing to a String cannot fail.
    if !class.trim().is_empty() {
        let _ = write!(html, " class=\"{}\"", class.trim());
    }
    if span > 1 {
        let _ = write!(html, " colspan=\"{span}\"");
    }
    if let Some(value) = cell.value {
        let _ = write!(html, " data-value=\"{value}\"");
    }
    let text = if cell.text == "-" { "–".into() } else { escape(&cell.text) };
    let code = look == Look::Id && span == 1 && !cell.text.is_empty();
    let text = if code { format!("<code>{text}</code>") } else { text };
    html + ">" + &text + "</td>"
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain | Tone::Tied => "",
        Tone::Muted => "muted",
        Tone::Best => "best",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Disturbed => "disturbed",
        Tone::Unexpected => "departs",
    }
}
