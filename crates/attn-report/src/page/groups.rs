//! One section per group of cases: why it exists, its charts, its cells.

use attn_record::{Record, Run};

use super::Section;
use super::cells;
use super::html::{code, paragraph, text};
use crate::charts::Chart;
use crate::format::count;
use crate::rows::grouped;

/// The groups of the run in its order, then the records that belong to none of them.
pub(super) fn sections(run: &Run, records: &[Record], charts: &[Chart]) -> Vec<Section> {
    let all: Vec<&Record> = records.iter().collect();
    let mut sections = Vec::new();
    for group in &run.groups {
        let own: Vec<&Record> =
            all.iter().filter(|r| prefix(run, &r.case) == Some(&group.prefix)).copied().collect();
        if !own.is_empty() {
            let analysis = group.analysis.split("\n\n");
            let analysis: String = analysis.map(|part| paragraph(&text(part))).collect();
            sections.push(Section {
                title: group.prefix.clone(),
                content: analysis + &content(&own, charts),
            });
        }
    }
    let mut others = all;
    others.retain(|r| prefix(run, &r.case).is_none());
    if !others.is_empty() {
        sections.push(Section { title: "Other cases".into(), content: content(&others, charts) });
    }
    sections
}

/// Charts that belong to no group; no section without one.
pub(super) fn figures(title: &str, charts: &[Chart]) -> Option<Section> {
    (!charts.is_empty())
        .then(|| Section { title: title.into(), content: charts.iter().map(figure).collect() })
}

/// The longest prefix of a group that `case` starts with.
fn prefix<'a>(run: &'a Run, case: &str) -> Option<&'a String> {
    let prefixes = run.groups.iter().map(|g| &g.prefix);
    let fitting = prefixes.filter(|prefix| {
        let rest = case.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    fitting.max_by_key(|prefix| prefix.len())
}

/// Charts and cells by sub-group.
fn content(records: &[&Record], charts: &[Chart]) -> String {
    let groups = grouped(records, Record::group);
    let parts = groups.into_iter().map(|(group, records)| {
        let own = charts.iter().filter(|c| c.group.as_deref() == Some(group));
        let figures: String = own.map(figure).collect();
        let cells_of = format!("{} of {}", count(records.len(), "cell"), code(group));
        let table = cells::of_group(&records);
        format!("{figures}<details><summary>{cells_of}</summary>\n{table}</details>\n")
    });
    parts.collect()
}

fn figure(chart: &Chart) -> String {
    let repeat = chart.group.as_ref().map_or_else(String::new, |group| {
        let command = format!("attn measure -c '{group}/*'");
        format!(" Measure again: {}.", code(&command))
    });
    format!(
        "<figure>\n<div class=\"card\">{}</div>\n<figcaption>{}{repeat}</figcaption>\n</figure>\n",
        chart.svg,
        text(&chart.caption)
    )
}
