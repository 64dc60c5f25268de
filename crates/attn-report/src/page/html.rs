//! The few elements that the page is made of. Whatever comes from a record goes through [`text`].

use std::fmt::Write as _;

pub(super) use crate::format::escape as text;

/// A cell of a table; its content is HTML.
pub(super) struct Cell {
    content: String,
    class: &'static str,
    /// Columns that it covers.
    span: usize,
}

impl Cell {
    /// A cell with a text.
    pub(super) fn text(content: &str) -> Self {
        Cell { content: text(content), class: "", span: 1 }
    }

    /// A cell with a number, at the right of its column.
    pub(super) fn number(content: &str) -> Self {
        Cell::text(content).class("number")
    }

    /// A cell with a command or an id.
    pub(super) fn code(content: &str) -> Self {
        Cell { content: code(content), class: "", span: 1 }
    }

    pub(super) fn class(self, class: &'static str) -> Self {
        Cell { class, ..self }
    }

    pub(super) fn span(self, span: usize) -> Self {
        Cell { span, ..self }
    }

    fn html(&self, tag: &str) -> String {
        let class = match self.class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let span = match self.span {
            1 => String::new(),
            span => format!(" colspan=\"{span}\""),
        };
        format!("<{tag}{class}{span}>{}</{tag}>", self.content)
    }
}

/// A table that scrolls by itself where it is wider than the page.
pub(super) fn table(head: &[Cell], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let line = |cells: &[Cell], tag| -> String {
        let cells: String = cells.iter().map(|cell| cell.html(tag)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.into_iter().map(|row| line(&row, "td")).collect();
    let head = line(head, "th scope=\"col\"").replace("</th scope=\"col\">", "</th>");
    format!(
        "<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody></table></div>\n"
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

pub(super) fn code(content: &str) -> String {
    format!("<code>{}</code>", text(content))
}

pub(super) fn paragraph(html: &str) -> String {
    format!("<p>{html}</p>\n")
}
