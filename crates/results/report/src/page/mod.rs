//! One self-contained HTML page: no network and no font. Its script is an extra: with it tables sort and
//! charts say their values; without it everything is there.
//!
//! The order is that of questions: who is the fastest, is everything right, how does it scale; then what
//! each group of cases shows, what did not end `ok`, what exactly ran, and how it can be done again. The
//! records of different machines or builds are parts of their own.

mod answers;
mod cells;
pub mod claims;
mod facts;
mod figure;
mod groups;
mod html;
mod limits;
pub mod maps;
mod scaling;
mod summary;

use attn_record::UNFINISHED;
use html::text;

use crate::Source;
use crate::charts::{self, Chart};
use crate::format::count;
use crate::source::MachineSection;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// One part of the page. Its content is HTML; its title is not.
struct Section {
    title: String,
    content: String,
}

/// The sections of one place.
struct Part {
    /// The place, where there are several.
    title: Option<String>,
    answers: String,
    sections: Vec<Section>,
}

/// The page of a run, whose `machines` are drawn already.
pub(crate) fn render(
    source: &Source<'_>,
    machines: &[MachineSection<'_>],
    map: Option<&Chart>,
) -> String {
    let parts: Vec<Part> = machines
        .iter()
        .map(|machine| Part {
            title: (machines.len() > 1).then(|| machine.place.title()),
            answers: answers::cards(machine),
            sections: of_site(source, machine),
        })
        .collect();
    let mut common: Vec<Section> =
        groups::figures(&source.run, "Attention weights", map).into_iter().collect();
    common.push(facts::again(&source.run, &source.records));
    let title = format!("attn: {} run, {}", source.run.preset, source.run.started);
    let body = [
        format!("<header>\n<h1>{}</h1>\n", text(&title)),
        introduction(source, &parts),
        contents(&parts, &common),
        "</header>\n<main>\n".into(),
        parts.iter().enumerate().map(part).collect(),
        common.iter().enumerate().map(|(at, s)| section(&format!("c{at}"), s)).collect(),
        "</main>\n".into(),
    ];
    let pictures = machines.iter().flat_map(|machine| &machine.charts).chain(map);
    let pictures: Vec<&str> = pictures.map(|chart| &*chart.svg).collect();
    let dark = charts::dark(&pictures);
    document(&title, &dark, &body.concat())
}

fn of_site(source: &Source<'_>, machine: &MachineSection<'_>) -> Vec<Section> {
    let run = &source.run;
    let mut ranking = summary::ranking(&machine.records);
    ranking.content += &answers::leads_table(machine);
    let mut sections = vec![ranking];
    sections.extend(groups::sections(run, machine));
    sections.extend(scaling::section(&machine.scaling));
    sections.extend(limits::section(run, machine));
    sections.extend(groups::figures(run, "Where the time goes", machine.overall("phases")));
    sections.extend(groups::figures(run, "Errors", machine.overall("error-budget")));
    sections.push(cells::not_ok(&machine.records));
    sections.push(facts::machine(run, &machine.place));
    sections.push(facts::infos(&machine.records));
    sections
}

/// What is known before any detail: that cells are missing, and the answers or that there are several machines.
fn introduction(source: &Source<'_>, parts: &[Part]) -> String {
    let known = match parts {
        [] => html::paragraph("No cell was run."),
        [only] => only.answers.clone(),
        parts => html::paragraph(&format!(
            "{} from {} machines or builds. Nothing below compares one with another: absolute times do not \
             travel.",
            count(source.records.len(), "record"),
            parts.len(),
        )),
    };
    if source.finished {
        return known;
    }
    html::paragraph(&html::strong(&format!("This run {UNFINISHED}."))) + &known
}

fn document(title: &str, dark: &str, body: &str) -> String {
    let title = text(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>\n\
         </head>\n<body>\n{body}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn contents(parts: &[Part], common: &[Section]) -> String {
    let link =
        |id: String, title: &str| format!("<li><a href=\"#{id}\">{}</a></li>\n", text(title));
    let lists = parts.iter().enumerate().map(|(at, part)| {
        let name = part.title.as_ref().map_or_else(String::new, |title| link(id(at, 0), title));
        let sections = part.sections.iter().enumerate();
        let links: String =
            sections.map(|(s, section)| link(id(at, s + 1), &section.title)).collect();
        format!("<ul>\n{name}{links}</ul>\n")
    });
    let lists: String = lists.collect();
    let links = common.iter().enumerate().map(|(at, s)| link(format!("c{at}"), &s.title));
    let links: String = links.collect();
    format!("<nav aria-label=\"Contents\">\n{lists}<ul>\n{links}</ul></nav>\n")
}

/// Of the `section`-th section of the `part`-th part; the part itself is 0.
fn id(part: usize, section: usize) -> String {
    format!("s{part}-{section}")
}

fn part((at, part): (usize, &Part)) -> String {
    let head = part.title.as_ref().map_or_else(String::new, |title| {
        let (id, title) = (id(at, 0), text(title));
        format!(
            "<section id=\"{id}\" class=\"place\">\n<h2>{title}</h2>\n{}</section>\n",
            part.answers
        )
    });
    let sections = part.sections.iter().enumerate();
    head + &sections.map(|(s, content)| section(&id(at, s + 1), content)).collect::<String>()
}

fn section(id: &str, section: &Section) -> String {
    let title = text(&section.title);
    let content = &section.content;
    format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{content}</section>\n")
}

#[cfg(test)]
mod tests;
