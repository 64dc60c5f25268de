//! One section per group of cases: why it exists, its charts, its cells.

use attn_record::{Record, Run};

use super::Section;
use super::cells;
use super::figure::figure;
use super::html::{code, paragraph, text};
use crate::charts::Chart;
use crate::format::count;
use crate::rows::grouped;
use crate::source::MachineSection;

/// The groups of the run in its order, then the records that belong to none of them.
pub(super) fn sections(run: &Run, machine: &MachineSection<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    for group in &run.groups {
        let own = machine.records.iter().filter(|r| prefix(run, &r.case) == Some(&group.prefix));
        let own: Vec<&Record> = own.copied().collect();
        if !own.is_empty() {
            let analysis = group.analysis.split("\n\n").filter(|part| !part.is_empty());
            let analysis: String = analysis.map(|part| paragraph(&text(part))).collect();
            sections.push(Section {
                title: group.prefix.clone(),
                content: analysis + &content(run, machine, &own),
            });
        }
    }
    let mut others = machine.records.clone();
    others.retain(|r| prefix(run, &r.case).is_none());
    if !others.is_empty() {
        let content = content(run, machine, &others);
        sections.push(Section { title: "Other cases".into(), content });
    }
    sections
}

/// Charts that belong to no group; no section without one.
pub(super) fn figures<'a>(
    run: &Run,
    title: &str,
    charts: impl IntoIterator<Item = &'a Chart>,
) -> Option<Section> {
    let content: String = charts.into_iter().map(|chart| figure(run, chart)).collect();
    (!content.is_empty()).then(|| Section { title: title.into(), content })
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
fn content(run: &Run, machine: &MachineSection<'_>, records: &[&Record]) -> String {
    let groups = grouped(records, Record::group);
    let parts = groups.into_iter().map(|(group, records)| {
        let own = machine.charts.iter().filter(|c| c.group.as_deref() == Some(group));
        let figures: String = own.map(|chart| figure(run, chart)).collect();
        let cells_of = format!("{} of {}", count(records.len(), "cell"), code(group));
        let table = cells::of_group(&records, &machine.peak_rates);
        format!("{figures}<details><summary>{cells_of}</summary>\n{table}</details>\n")
    });
    parts.collect()
}
