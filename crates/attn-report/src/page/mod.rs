//! One self-contained HTML page: no script, no network, no font.
//!
//! The order is that of questions: what came out, on what machine, what does each group of cases show,
//! what did not end `ok`, what exactly ran, and how can it be done again.

mod cells;
mod facts;
mod groups;
mod html;
mod summary;

use attn_record::{Map, Record, Run};
use html::text;

use crate::charts::{self, Chart};

const STYLE: &str = include_str!("../../assets/page.css");

/// One part of the page. Its content is HTML; its title is not.
struct Section {
    title: String,
    content: String,
}

/// The page of a run; `map` adds the picture of one head's attention weights.
pub fn render(run: &Run, records: &[Record], map: Option<&Map>) -> String {
    let charts = charts::all(records);
    let (of_group, overall): (Vec<Chart>, Vec<Chart>) =
        charts.into_iter().partition(|c| c.group.is_some());
    let attention: Vec<Chart> = map.and_then(charts::attention_map).into_iter().collect();
    let mut sections = vec![summary::ranking(records)];
    sections.extend(groups::sections(run, records, &of_group));
    sections.extend(groups::figures("Errors", &overall));
    sections.extend(groups::figures("Attention weights", &attention));
    sections.push(cells::not_ok(records));
    sections.push(facts::machine(run, records));
    sections.push(facts::receipts(records));
    sections.push(facts::again(run, records));
    let title = format!("attn: {} run, {}", run.preset, run.started);
    let body = [
        format!("<header>\n<h1>{}</h1>\n", text(&title)),
        summary::paragraph(records),
        contents(&sections),
        "</header>\n<main>\n".into(),
        sections.iter().enumerate().map(section).collect(),
        "</main>\n".into(),
    ];
    document(&title, &body.concat())
}

fn document(title: &str, body: &str) -> String {
    let title = text(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn contents(sections: &[Section]) -> String {
    let link = |(at, section): (usize, &Section)| {
        format!("<li><a href=\"#s{at}\">{}</a></li>\n", text(&section.title))
    };
    let links: String = sections.iter().enumerate().map(link).collect();
    format!("<nav aria-label=\"Contents\"><ul>\n{links}</ul></nav>\n")
}

fn section((at, section): (usize, &Section)) -> String {
    let title = text(&section.title);
    let content = &section.content;
    format!("<section id=\"s{at}\">\n<h2>{title}</h2>\n{content}</section>\n")
}

#[cfg(test)]
mod tests {
    use attn_record::Outcome;

    use super::*;
    use crate::fixture::{self, checked, ok, sweep, with_outcome};

    #[test]
    fn hostile_names_are_only_text() {
        let hostile = "<script>alert('&\")</script>";
        let mut records = sweep("sweep/seq-len/full", &[hostile, "naive"], &[64, 128]);
        records.push(ok(hostile, hostile, 10.0));
        records.push(with_outcome(checked(hostile, hostile, 0.1), Outcome::Error));
        for record in &mut records {
            record.reason = record.reason.is_some().then(|| hostile.into());
            if let Some(receipt) = &mut record.receipt {
                receipt.library = hostile.into();
            }
        }
        let mut run = fixture::run();
        run.command = hostile.into();
        run.groups[0].analysis = hostile.into();
        run.machine.cpu = hostile.into();
        let mut map = fixture::map(3);
        map.case = hostile.into();
        map.tokens_k[0] = hostile.into();
        let page = render(&run, &records, Some(&map));
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let records = sweep("sweep/seq-len/full", &["naive", "faer"], &[64, 128]);
        let page = render(&fixture::run(), &records, Some(&fixture::map(4)));
        let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "src=", "@import", "url(", "<script"] {
            assert!(!without_namespace.contains(outside), "{outside}");
        }
        assert!(page.contains("Time grows with the square of the length."));
    }

    #[test]
    fn a_run_without_records_is_a_page_too() {
        assert!(render(&fixture::run(), &[], None).contains("No cell"));
    }
}
