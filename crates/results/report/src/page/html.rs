//! The few elements that the page is made of. Whatever comes from a record goes through [`text`].

use std::fmt::Write as _;

pub(super) use crate::format::escape as text;

/// A cell of a table; its content is HTML.
pub(super) struct Cell {
    content: String,
    class: &'static str,
    /// Columns that it covers.
    span: usize,
    /// What it is sorted by, if not by its text.
    value: Option<f64>,
}

impl Cell {
    fn html(content: String) -> Self {
        Cell { content, class: "", span: 1, value: None }
    }

    /// A cell with a text.
    pub(super) fn text(content: &str) -> Self {
        Cell::html(text(content))
    }

    /// A cell with a number, at the right of its column.
    pub(super) fn number(content: &str) -> Self {
        Cell::text(content).class("number")
    }

    /// A number that is shown by `show` and sorted by its value; a dash where there is none.
    pub(super) fn value(value: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        let content = value.map_or_else(|| "–".into(), show);
        Cell { value, ..Cell::number(&content) }
    }

    /// A cell with a command or an id.
    pub(super) fn code(content: &str) -> Self {
        Cell::html(code(content))
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        Cell { class, ..self }
    }

    pub(super) fn span(self, span: usize) -> Self {
        Cell { span, ..self }
    }

    /// Sorted by this instead of the text.
    pub(super) fn sorted_by(self, value: f64) -> Self {
        Cell { value: Some(value), ..self }
    }

    fn head(&self) -> String {
        self.tag("th", " scope=\"col\"")
    }

    fn data(&self) -> String {
        self.tag("td", "")
    }

    fn tag(&self, tag: &str, attributes: &str) -> String {
        let mut html = format!("<{tag}{attributes}");
        if !self.class.is_empty() {
            let _ = write!(html, " class=\"{}\"", self.class);
        }
        if self.span > 1 {
            let _ = write!(html, " colspan=\"{}\"", self.span);
        }
        if let Some(value) = self.value {
            let _ = write!(html, " data-value=\"{value}\"");
        }
        html + ">" + &self.content + "</" + tag + ">"
    }
}

/// A table that sorts by its columns, and that scrolls by itself where it is wider than the page.
pub(super) fn table(head: &[Cell], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let head: String = head.iter().map(Cell::head).collect();
    let row = |cells: Vec<Cell>| {
        let cells: String = cells.iter().map(Cell::data).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.into_iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"sortable\">\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody></table></div>\n"
    )
}

/// A list of names and what they stand for, which is HTML.
pub(super) fn definitions(pairs: &[(&str, String)]) -> String {
    let mut html = String::from("<dl>\n");
    for (name, meaning) in pairs {
        let _ = writeln!(html, "<dt>{}</dt><dd>{meaning}</dd>", text(name));
    }
    html + "</dl>\n"
}

/// A list of sentences, which are HTML; nothing without one.
pub(super) fn list(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut html = String::from("<ul>\n");
    for item in items {
        let _ = writeln!(html, "<li>{item}</li>");
    }
    html + "</ul>\n"
}

pub(super) fn code(content: &str) -> String {
    format!("<code>{}</code>", text(content))
}

pub(super) fn strong(content: &str) -> String {
    format!("<strong>{}</strong>", text(content))
}

pub(super) fn paragraph(html: &str) -> String {
    format!("<p>{html}</p>\n")
}

pub(super) fn heading(title: &str) -> String {
    format!("<h3>{}</h3>\n", text(title))
}
