//! Tables on a page.

use std::fmt::Write as _;

use super::{Cell, Column, Gauge, Look, Table, Tone};
use crate::charts::mark_id;
use crate::format::escape;

impl Table {
    /// As HTML: the title as a heading, the table, then the notes, all of them text.
    pub fn html(&self) -> String {
        let shown = self.distinct();
        let element = |name: &str, text: &str| format!("<{name}>{}</{name}>\n", escape(text));
        let title =
            if shown.title.is_empty() { String::new() } else { element("h3", &shown.title) };
        let notes = shown.notes.iter().map(|note| element("p", note));
        title + &shown.html_rows() + &notes.collect::<String>()
    }

    /// A table that sorts by its columns, and that scrolls by itself where it is wider than the page; nothing without
    /// rows.
    pub(crate) fn html_rows(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let head = self.columns.iter().map(|column| {
            let class = if column.look == Look::Number { " class=\"number\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", head(column))
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
        let title = if self.title.is_empty() { "Table" } else { &self.title };
        let title = escape(title);
        format!(
            "<div class=\"scroll\" role=\"group\" aria-label=\"{title}\" tabindex=\"0\">\
             <table class=\"sortable\">\n<thead><tr>{head}</tr></thead>\n\
             <tbody>\n{body}</tbody></table></div>\n"
        )
    }
}

fn head(column: &Column) -> String {
    match column.name.as_str() {
        // A head without words says so to those who hear it.
        "" => "<span class=\"unseen\">which</span>".into(),
        name if column.of_backend => backend(name),
        name => escape(name),
    }
}

/// The name of a backend behind its mark, which the page defines.
fn backend(name: &str) -> String {
    let (id, name) = (mark_id(name), escape(name));
    format!(
        "<span class=\"backend\" data-series=\"{name}\"><svg class=\"mark\" aria-hidden=\"true\">\
         <use href=\"#{id}\"/></svg>{name}</span>"
    )
}

/// A cell that covers `span` columns, of which the first is of this look.
fn data(cell: &Cell, look: Look, span: usize) -> String {
    let own = match look {
        _ if span > 1 => "wrap",
        Look::Number => "number",
        Look::Prose => "reason",
        Look::Id | Look::Backend | Look::Words => "",
    };
    let (behind, share) = match cell.gauge {
        None => ("", None),
        Some(Gauge::Bar(share)) => ("bar", Some(share)),
        Some(Gauge::Shade(share)) => ("shade", Some(share)),
    };
    let class: Vec<&str> =
        [own, class(cell.tone), behind].into_iter().filter(|class| !class.is_empty()).collect();
    let class = class.join(" ");
    let mut html = String::from("<td");
    // Writing to a String cannot fail.
    if !class.is_empty() {
        let _ = write!(html, " class=\"{class}\"");
    }
    if let Some(share) = share {
        let _ = write!(html, " style=\"--share:{:.3}\"", share.clamp(0.0, 1.0));
    }
    if span > 1 {
        let _ = write!(html, " colspan=\"{span}\"");
    }
    if let Some(value) = cell.value {
        let _ = write!(html, " data-value=\"{value}\"");
    }
    let text = if cell.text == "-" { "–".into() } else { escape(&cell.text) };
    let text = match look {
        Look::Id if span == 1 && !cell.text.is_empty() => format!("<code>{text}</code>"),
        Look::Backend if span == 1 && !cell.text.is_empty() => backend(&cell.text),
        _ => text,
    };
    html + ">" + &text + "</td>"
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Tied => "tied",
        Tone::Muted => "muted",
        Tone::Best => "best",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Disturbed => "disturbed",
        Tone::Unexpected => "departs",
    }
}
