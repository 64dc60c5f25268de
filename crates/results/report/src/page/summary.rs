//! Every backend in one table.

use attn_record::{Outcome, Record};

use super::Section;
use crate::format::{count, percent, ratio};
use crate::summary::{BackendSummary, Summary};
use crate::table::{Cell, Column, Table};

/// Every backend: its place, how its cells ended, its worst error.
pub(super) fn ranking(records: &[&Record]) -> Section {
    let summary = Summary::of_cells(records);
    let outcomes: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|&o| summary.count(o) > 0).collect();
    let names = ["ratio", "worst error"].into_iter().chain(outcomes.iter().map(|o| o.name()));
    let columns = std::iter::once(Column::id("backend")).chain(names.map(Column::number));
    let place = |b: &BackendSummary| {
        let ranks = &summary.ranking;
        let place = ranks.iter().position(|r| r.backend == b.backend);
        place.unwrap_or(ranks.len())
    };
    let mut backends: Vec<&BackendSummary> = summary.backends.iter().collect();
    backends.sort_by_key(|b| place(b));
    let rows = backends.iter().map(|backend| {
        let rank = summary.ranking.get(place(backend));
        let mut row = vec![
            backend.backend.clone().into(),
            Cell::value(rank.map(|r| r.ratio), ratio),
            Cell::value(backend.worst.as_ref().map(|w| w.share), percent),
        ];
        let outcomes = outcomes.iter().map(|o| Cell::count(backend.outcomes.get(o).copied()));
        row.extend(outcomes);
        row
    });
    let threads =
        summary.threads.map_or_else(String::new, |n| format!(" with {}", count(n, "thread")));
    let score = summary.score.map_or_else(String::new, |score| format!(" with the score {score}"));
    let note = format!(
        "Ratio: geometric mean of the median time in units of the fastest backend's, over the cases{score} that \
         every ranked backend was measured on{threads}. Worst error: the largest share of the error budget that \
         a right result used. Then: how the cells ended."
    );
    let table = Table::new("", columns).rows(rows).notes([note]);
    Section { title: "Ranking".into(), content: table.html() }
}
