//! Groups of cases: models, sweeps, and every cell.

use attn_analysis::compare::side_by_side_of;
use attn_analysis::rows::grouped;
use attn_record::{Record, Run, Timing};

use super::figure::{figure, multiple};
use super::html::{anchor, folded, paragraph, text};
use super::{Section, cells};
use crate::charts::Chart;
use crate::format::count;
use crate::source::MachineSection;
use crate::table::{LEGEND, Table, side_by_side};

/// The groups of cases that are layers of models.
const MODELS: &str = "curated/models";

/// Layers of models: a matrix of ratios for each timing and number of threads; `None` without any.
pub(super) fn models(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    let layers: Vec<&Record> =
        machine.records.iter().filter(|r| r.group() == MODELS).copied().collect();
    let rows = side_by_side_of(&layers);
    let (kernel, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .filter(|row| row.rivals.iter().any(|rival| rival.ns.is_some()))
        .partition(|row| row.timing == Timing::Kernel && row.threads == 1);
    let tables = |rows: &[_]| side_by_side(rows).iter().map(Table::html).collect::<String>();
    let content = tables(&kernel)
        + &folded("more", "Other timings and numbers of threads", &tables(&others))
        + &analysis(run, MODELS);
    (!kernel.is_empty() || !others.is_empty())
        .then(|| Section::new("models", "Layers of models", content))
}

/// The charts of every group, small and side by side; `None` without any.
pub(super) fn sweeps(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    let mut content = String::new();
    for (prefix, groups) in grouped_by_prefix(run, machine) {
        let charts = machine.charts.iter();
        let own =
            charts.filter(|c| c.group.as_deref().is_some_and(|group| groups.contains(&group)));
        let figures: String = own.map(|chart| multiple(run, chart)).collect();
        if !figures.is_empty() {
            let (id, title) = (text(&machine.id(prefix)), text(prefix));
            let link = anchor(&id, &title);
            let analysis = analysis(run, prefix);
            content += &[
                &format!("<h3 id=\"{id}\">{title}{link}</h3>\n<div class=\"multiples\">\n"),
                figures.as_str(),
                "</div>\n",
                analysis.as_str(),
            ]
            .concat();
        }
    }
    (!content.is_empty()).then(|| Section::new("sweeps", "Sweeps", content))
}

/// Every cell, by group, folded.
pub(super) fn cells(run: &Run, machine: &MachineSection<'_>) -> Section {
    let disturbed = "!: more than a tenth of the samples were disturbed";
    let mut content = paragraph(&text(&[&LEGEND.join("; "), disturbed].join("; ")));
    for (prefix, groups) in grouped_by_prefix(run, machine) {
        for group in groups {
            let own: Vec<&Record> =
                machine.records.iter().filter(|r| r.group() == group).copied().collect();
            let summary = format!("{group}: {}", count(own.len(), "cell"));
            let table = cells::of_group(&own, &machine.peak_rates);
            content += &folded("cells", &summary, &(analysis_text(run, prefix) + &table));
        }
    }
    Section::new("cells", "Every cell", content)
}

/// The groups of the run in its order, then those that belong to none of its prefixes.
fn grouped_by_prefix<'a>(
    run: &'a Run,
    machine: &MachineSection<'a>,
) -> Vec<(&'a str, Vec<&'a str>)> {
    let groups = grouped(&machine.records, Record::group);
    let of = |prefix: Option<&String>| -> Vec<&'a str> {
        let own =
            groups.iter().filter(|(_, records)| self::prefix(run, &records[0].case) == prefix);
        own.map(|(group, _)| *group).collect()
    };
    let known = run.groups.iter().map(|group| (group.prefix.as_str(), of(Some(&group.prefix))));
    let all = known.chain([("Other cases", of(None))]);
    all.filter(|(_, groups)| !groups.is_empty()).collect()
}

/// What to look for in the cases that begin with `prefix`, folded.
fn analysis(run: &Run, prefix: &str) -> String {
    folded("more", "What to look for", &analysis_text(run, prefix))
}

fn analysis_text(run: &Run, prefix: &str) -> String {
    let group = run.groups.iter().find(|group| group.prefix == prefix);
    let parts = group.into_iter().flat_map(|group| group.analysis.split("\n\n"));
    parts.filter(|part| !part.is_empty()).map(|part| paragraph(&text(part))).collect()
}

/// Charts that belong to no group; no section without one.
pub(super) fn figures<'a>(
    run: &Run,
    (id, title): (&str, &str),
    charts: impl IntoIterator<Item = &'a Chart>,
) -> Option<Section> {
    let content: String = charts.into_iter().map(|chart| figure(run, chart)).collect();
    (!content.is_empty()).then(|| Section::new(id, title, content))
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
