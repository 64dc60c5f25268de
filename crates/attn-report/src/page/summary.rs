//! What came out.

use attn_record::{Outcome, Record};

use super::Section;
use super::html::{self, Cell, table, text};
use crate::format::{count, percent, ratio};
use crate::summary::{BackendSummary, Summary};

/// The run in one paragraph.
pub(super) fn paragraph(records: &[Record]) -> String {
    let summary = Summary::of(records);
    let sentences = [Some(cells(&summary)), fastest(&summary), worst(&summary), wrong(&summary)];
    let sentences: Vec<String> = sentences.into_iter().flatten().collect();
    html::paragraph(&text(&sentences.join(" ")))
}

fn cells(summary: &Summary) -> String {
    if summary.cells == 0 {
        return "No cell was run.".into();
    }
    let others: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|&o| o != Outcome::Ok && summary.count(o) > 0)
        .map(|o| format!("{} {o}", summary.count(o)))
        .collect();
    let ok = summary.count(Outcome::Ok);
    let all = count(summary.cells, "cell");
    if others.is_empty() {
        format!("{all}, all ok.")
    } else {
        format!("{all}: {ok} ok, {}.", others.join(", "))
    }
}

fn fastest(summary: &Summary) -> Option<String> {
    let best = summary.ranking.first()?;
    let rivals = summary.ranking.len();
    Some(format!(
        "Fastest: {}, on average {} the best time (geometric mean over the {} that {} measured on).",
        best.backend,
        ratio(best.ratio),
        count(best.cells, "cell"),
        match rivals {
            1 => "it alone was".into(),
            n => format!("all {n} ranked backends were"),
        },
    ))
}

fn worst(summary: &Summary) -> Option<String> {
    let worst = summary.worst.as_ref()?;
    Some(format!(
        "The least accurate right result used {} of its error budget ({} on {}).",
        percent(worst.share),
        worst.backend,
        worst.case,
    ))
}

fn wrong(summary: &Summary) -> Option<String> {
    if summary.not_ranked.is_empty() {
        return None;
    }
    let wrong = summary.not_ranked.join(", ");
    Some(format!("Not ranked because a result is wrong: {wrong}."))
}

/// Every backend: its place, how its cells ended, its worst error.
pub(super) fn ranking(records: &[Record]) -> Section {
    let summary = Summary::of(records);
    let outcomes: Vec<Outcome> =
        Outcome::ALL.into_iter().filter(|&o| summary.count(o) > 0).collect();
    let mut head = vec![Cell::text("backend"), Cell::number("ratio"), Cell::number("worst error")];
    head.extend(outcomes.iter().map(|o| Cell::number(o.name())));
    let place = |b: &BackendSummary| {
        let ranks = &summary.ranking;
        let place = ranks.iter().position(|r| r.backend == b.backend);
        place.unwrap_or(ranks.len())
    };
    let mut backends: Vec<&BackendSummary> = summary.backends.iter().collect();
    backends.sort_by_key(|b| place(b));
    let rows = backends.iter().map(|backend| {
        let rank = summary.ranking.get(place(backend));
        let worst = backend.worst.as_ref().map(|w| percent(w.share));
        let mut row = vec![
            Cell::code(&backend.backend),
            Cell::number(&rank.map_or_else(|| "–".into(), |r| ratio(r.ratio))),
            Cell::number(&worst.unwrap_or_else(|| "–".into())),
        ];
        row.extend(outcomes.iter().map(|o| {
            let n = backend.outcomes.get(o).copied().unwrap_or(0);
            match n {
                0 => Cell::number("–"),
                n => Cell::number(&n.to_string()),
            }
        }));
        row
    });
    let note = "Ratio: geometric mean of the median time in units of the fastest backend's, over the \
                cells (case and threads) that every ranked backend was measured on. Worst error: the largest \
                share of the error budget that a right result used. Then: how the cells ended.";
    Section { title: "Ranking".into(), content: table(&head, rows) + &html::paragraph(note) }
}
