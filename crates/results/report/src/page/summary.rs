//! Every backend in one table: how fast, how accurate, how its cells ended.

use attn_analysis::rows::{backends, grouped, reason};
use attn_analysis::summary::Summary;
use attn_record::{Outcome, Record, Run};

use super::figure::figure;
use super::html::{folded, list, paragraph};
use super::{Section, answers, cells};
use crate::format::{count, percent, ratio};
use crate::source::MachineSection;
use crate::table::{Cell, Column, Gauge, Table};

/// Ranked backends with bars as long as their times.
pub(super) fn ranking(records: &[&Record]) -> String {
    let summary = Summary::of_cells(records);
    let slowest = summary.ranking.iter().map(|rank| rank.ratio).fold(1.0, f64::max);
    let rows = summary.ranking.iter().map(|rank| {
        let time = Cell::value(Some(rank.ratio), ratio).gauge(Gauge::Bar(rank.ratio / slowest));
        vec![rank.backend.clone().into(), time]
    });
    let cases = summary.ranking.first().map_or(0, |rank| rank.cells);
    let timing = summary.timing.map_or_else(String::new, |timing| format!("{timing}, "));
    let threads = summary.threads.map_or_else(String::new, |n| format!(", {}", count(n, "thread")));
    let score = summary.score.map_or_else(String::new, |score| format!(", {score} scores"));
    let note = format!(
        "{timing}geometric mean of the ratio to the fastest over {} that all were measured on{score}{threads}.",
        count(cases, "case")
    );
    let columns = [Column::backend("backend"), Column::number("time in units of the fastest")];
    let table = Table::new("", columns).rows(rows);
    if table.rows.is_empty() {
        paragraph("Nothing was measured on all backends.")
    } else {
        table.notes([note]).html()
    }
}

/// The picture of all errors, and the largest in words.
pub(super) fn accuracy(run: &Run, machine: &MachineSection<'_>) -> Option<Section> {
    let figures: String = machine.overall("error-budget").map(|chart| figure(run, chart)).collect();
    let said: Vec<String> = answers::accuracy(&machine.records).into_iter().collect();
    (!figures.is_empty()).then(|| Section::new("accuracy", "Accuracy", list(&said) + &figures))
}

/// How many cells of each backend ended how, what was not run and why, and every cell that did not end `ok`.
pub(super) fn correctness(records: &[&Record]) -> Section {
    let content = [
        list(&answers::right(records)),
        outcomes(records).html(),
        folded("more", "Not run, by reason", &not_run(records).html()),
        cells::not_ok(records),
    ];
    Section::new("correctness", "Correctness", content.concat())
}

fn outcomes(records: &[&Record]) -> Table {
    let summary = Summary::of_cells(records);
    let outcomes: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|&o| summary.count(o) > 0).collect();
    let names = ["worst error"].into_iter().chain(outcomes.iter().map(|o| o.name()));
    let columns = [Column::backend("backend")].into_iter().chain(names.map(Column::number));
    let rows = summary.backends.iter().map(|backend| {
        let ends = outcomes.iter().map(|o| Cell::count(backend.outcomes.get(o).copied()));
        let worst = Cell::value(backend.worst.as_ref().map(|w| w.share), percent);
        [Cell::from(backend.backend.as_str()), worst].into_iter().chain(ends).collect()
    });
    let note = "Worst error: the largest share of its error budget that a right result used. Then: how the cells ended.";
    Table::new("", columns).rows(rows).notes([note])
}

/// Reasons, those of most cells first.
fn not_run(records: &[&Record]) -> Table {
    let left = |r: &&&Record| r.outcome != Outcome::Ok && !r.outcome.is_failure();
    let left: Vec<&Record> = records.iter().filter(left).copied().collect();
    let mut reasons = grouped(&left, |r| (r.outcome, reason(r)));
    reasons.sort_by_key(|(_, cells)| std::cmp::Reverse(cells.len()));
    let rows = reasons.iter().map(|((outcome, reason), cells)| {
        vec![
            Cell::count(Some(cells.len())),
            outcome.name().into(),
            backends(cells).join(", ").into(),
            (*reason).into(),
        ]
    });
    let columns = [
        Column::number("cells"),
        Column::words("outcome"),
        Column::prose("backends"),
        Column::prose("reason"),
    ];
    Table::new("", columns).rows(rows)
}
