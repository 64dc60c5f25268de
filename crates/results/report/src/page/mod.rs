//! One self-contained HTML page: no network and no font. Its script is an extra: with it tables sort, charts
//! say their values and backends stand out; without it everything is there.
//!
//! The order is that of questions: is it right, was it quiet, who is the fastest, by a picture and a
//! ranking; then models, sweeps, limits, accuracy, growth; then, folded, how every cell ended, what exactly
//! ran, and how it can be done again. The records of different machines or builds are parts of their own.

mod answers;
mod cells;
pub mod claims;
mod facts;
mod figure;
mod groups;
mod hero;
mod html;
mod limits;
pub mod maps;
mod scaling;
mod status;
mod summary;

use attn_record::UNFINISHED;
use html::{list, paragraph, text};
pub use status::{Fact, status};

use crate::Source;
use crate::charts::{self, Chart, Palette};
use crate::format::count;
use crate::source::MachineSection;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// One part of the page. Its content is HTML; its title is not.
struct Section {
    /// What links name it by.
    id: String,
    title: String,
    content: String,
}

impl Section {
    fn new(id: &str, title: &str, content: String) -> Self {
        Section { id: id.into(), title: title.into(), content }
    }
}

/// The sections of one place.
struct Part {
    /// The place, where there are several.
    title: Option<String>,
    sections: Vec<Section>,
    /// What stands above them.
    head: String,
}

/// The page of a run, whose `machines` are drawn already, and which will be at `url`.
pub(crate) fn render(
    source: &Source<'_>,
    machines: &[MachineSection<'_>],
    map: Option<&Chart>,
    url: Option<&str>,
) -> String {
    let parts: Vec<Part> = machines
        .iter()
        .enumerate()
        .map(|(at, machine)| part(source, machines, (at, machine)))
        .collect();
    let mut common: Vec<Section> =
        groups::figures(&source.run, ("attention", "Attention weights"), map).into_iter().collect();
    common.push(facts::again(&source.run, &source.records));
    let title = format!("attn: {} run, {}", source.run.preset, source.run.started);
    let backends = source.records.iter().map(|record| record.backend.as_str());
    let body = [
        charts::symbols(&Palette::backends(backends)),
        format!("<header class=\"top\">\n<h1>{}</h1>\n", text(&title)),
        introduction(source, &parts),
        "</header>\n<div class=\"columns\">\n".into(),
        contents(&parts, &common),
        "<main id=\"main\">\n".into(),
        parts.iter().enumerate().map(|(at, part)| show(parts.len(), at, part)).collect(),
        common.iter().map(section).collect(),
        "</main>\n</div>\n".into(),
    ];
    let picture = picture(machines);
    let head = Head {
        title: &title,
        description: &description(machines),
        address: url.map(|url| Address {
            page: url,
            picture: picture
                .map(|chart| format!("{}/charts/{}.png", url.trim_end_matches('/'), chart.name)),
        }),
    };
    head.document(&body.concat())
}

/// The one chart that stands for the page.
pub(crate) fn picture<'a>(machines: &'a [MachineSection<'_>]) -> Option<&'a Chart> {
    machines.iter().find_map(|machine| hero::picture(&machine.charts))
}

/// Fastest first, in one sentence: what a link to the page is shown with.
fn description(machines: &[MachineSection<'_>]) -> String {
    let first = machines.first().and_then(|machine| answers::overall(&machine.records));
    first.unwrap_or_else(|| "Attention backends, checked and measured".into())
}

fn part(
    source: &Source<'_>,
    machines: &[MachineSection<'_>],
    (at, machine): (usize, &MachineSection<'_>),
) -> Part {
    let run = &source.run;
    let several = machines.len() > 1;
    let place = if several { format!("machine-{}/", at + 1) } else { String::new() };
    let mut sections = vec![groups::models(run, machine), groups::sweeps(run, machine)];
    sections.push(limits::section(run, machine));
    sections.push(summary::accuracy(run, machine));
    sections.push(scaling::section(run, machine));
    let mut sections: Vec<Section> = sections.into_iter().flatten().collect();
    sections.push(summary::correctness(&machine.records));
    sections.push(groups::cells(run, machine));
    sections.push(facts::machine(run, machine));
    for section in &mut sections {
        section.id.insert_str(0, &place);
    }
    Part {
        title: several.then(|| machine.place.title()),
        sections,
        head: status::strip(run, machine) + &hero::hero(machine, &place),
    }
}

/// What is known before any detail: that cells are missing, and that there are several machines.
fn introduction(source: &Source<'_>, parts: &[Part]) -> String {
    let known = match parts {
        [] => paragraph("No cell was run."),
        [_] => String::new(),
        parts => paragraph(&format!(
            "{} from {} machines or builds. Nothing below compares one with another: absolute times do not \
             travel.",
            count(source.records.len(), "record"),
            parts.len(),
        )),
    };
    if source.finished {
        return known;
    }
    paragraph(&html::strong(&format!("This run {UNFINISHED}."))) + &known
}

/// What stands before the content of a page.
struct Head<'a> {
    title: &'a str,
    /// In one sentence.
    description: &'a str,
    /// Where the page will be, if that is known.
    address: Option<Address<'a>>,
}

/// Where a page is on the web. Other sites take no relative paths.
struct Address<'a> {
    page: &'a str,
    picture: Option<String>,
}

impl Address<'_> {
    /// What other sites show a link with.
    fn tags(&self) -> String {
        let page = format!("<meta property=\"og:url\" content=\"{}\">\n", text(self.page));
        let picture = self.picture.as_deref().map_or_else(String::new, |picture| {
            format!(
                "<meta property=\"og:image\" content=\"{}\">\n\
                 <meta name=\"twitter:card\" content=\"summary_large_image\">\n",
                text(picture)
            )
        });
        page + &picture
    }
}

impl Head<'_> {
    /// The page, with the dark colours of the pictures in it.
    fn document(&self, body: &str) -> String {
        let [title, description] = [self.title, self.description].map(text);
        let address = self.address.as_ref().map_or_else(String::new, Address::tags);
        let dark = charts::dark(&[body]);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n\
             <meta name=\"description\" content=\"{description}\">\n\
             <meta property=\"og:title\" content=\"{title}\">\n\
             <meta property=\"og:description\" content=\"{description}\">\n\
             <meta property=\"og:type\" content=\"article\">\n{address}\
             <style>\n{STYLE}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n</style>\n\
             </head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n{body}\
             <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }
}

/// A page of one title, without a table of contents; `body` is HTML.
pub fn plain(title: &str, description: &str, body: &str) -> String {
    let title_html = text(title);
    let body = format!(
        "<header class=\"top\">\n<h1>{title_html}</h1>\n</header>\n<main id=\"main\">\n{body}</main>\n"
    );
    Head { title, description, address: None }.document(&body)
}

fn contents(parts: &[Part], common: &[Section]) -> String {
    let link = |id: &str, title: &str| {
        let [id, title] = [id, title].map(text);
        format!("<a href=\"#{id}\">{title}</a>")
    };
    let lists = parts.iter().enumerate().map(|(at, part)| {
        let links = part.sections.iter().map(|section| link(&section.id, &section.title));
        match &part.title {
            None => list(&links.collect::<Vec<_>>()),
            Some(title) => list(&[
                link(&format!("machine-{}", at + 1), title) + &list(&links.collect::<Vec<_>>())
            ]),
        }
    });
    let lists: String = lists.collect();
    let links: Vec<String> = common.iter().map(|s| link(&s.id, &s.title)).collect();
    format!("<nav aria-label=\"Contents\">\n{lists}{}</nav>\n", list(&links))
}

fn show(parts: usize, at: usize, part: &Part) -> String {
    let sections: String = part.sections.iter().map(section).collect();
    let title = part.title.as_ref().map_or_else(String::new, |title| {
        format!("<h2 id=\"machine-{}\" class=\"place\">{}</h2>\n", at + 1, text(title))
    });
    let head = &part.head;
    if parts > 1 {
        format!("<div class=\"part\">\n{title}{head}{sections}</div>\n")
    } else {
        [head, &*sections].concat()
    }
}

fn section(section: &Section) -> String {
    let Section { id, title, content } = section;
    let [id, title] = [id, title].map(|it| text(it));
    format!(
        "<section id=\"{id}\">\n<h2>{title}{}</h2>\n{content}</section>\n",
        html::anchor(&id, &title)
    )
}

#[cfg(test)]
mod tests;
