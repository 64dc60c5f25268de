//! The few elements that the page is made of. Whatever comes from a record goes through [`text`].

use std::fmt::Write as _;

pub(super) use crate::format::escape as text;

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

/// HTML that opens by a click on its summary, which is no HTML; nothing without any.
pub(super) fn folded(class: &str, summary: &str, html: &str) -> String {
    if html.is_empty() {
        return String::new();
    }
    let summary = text(summary);
    format!("<details class=\"{class}\"><summary>{summary}</summary>\n{html}</details>\n")
}

/// A link to the element that it stands in; both are HTML already.
pub(super) fn anchor(id: &str, title: &str) -> String {
    format!(" <a class=\"anchor\" href=\"#{id}\" aria-label=\"Link to {title}\">#</a>")
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
