//! What an overview has to say, however much of it is shown.

use attn_analysis::compare::{
    GroupWinner, Ranking, SideBySide, side_by_side_of, widest_ranking, winners,
};
use attn_analysis::rows::shown_timing;
use attn_analysis::summary::Summary;
use attn_record::{Outcome, Record};

use super::noise::Noise;
use crate::features::wrong_by_backend;

/// The group of cases that are layers of models.
const LAYERS: &str = "curated/models";
/// More cases than this are summed up by group.
const EACH: usize = 8;

/// What the records come down to.
pub(super) struct Found<'a> {
    pub(super) all: &'a [&'a Record],
    pub(super) summary: Summary,
    pub(super) noise: Noise,
    /// What each backend gets wrong.
    pub(super) wrong: Vec<String>,
    pub(super) ranking: Option<Ranking>,
    /// Cases that several backends were measured on.
    pub(super) contests: usize,
    /// Of them, those whose fastest is certain.
    pub(super) certain: usize,
    pub(super) cases: Cases,
}

/// Who is the fastest where.
pub(super) enum Cases {
    /// The layers of models, or all cases.
    Each(&'static str, Vec<SideBySide>),
    /// All groups of cases, if cases are many.
    Groups(Vec<GroupWinner>),
}

impl<'a> Found<'a> {
    pub(super) fn of(all: &'a [&'a Record]) -> Self {
        let right = never_wrong(all);
        let rows = contests(side_by_side_of(&right));
        let certain = rows.iter().filter(|row| row.winner.is_some()).count();
        let ranking = widest_ranking(&right).filter(|ranking| !ranking.ranks.is_empty());
        let (wrong, cases) = (wrong_by_backend(all), Cases::of(&right));
        let (summary, noise, contests) = (Summary::of_cells(all), Noise::of(all), rows.len());
        Found { all, summary, noise, wrong, ranking, contests, certain, cases }
    }
}

impl Cases {
    /// The layers of models, each with its fastest; without them all cases, or all groups of cases if those are many.
    fn of(records: &[&Record]) -> Self {
        let measured = records.iter().copied().filter(|r| r.median_ns().is_some());
        let (layers, others): (Vec<&Record>, Vec<&Record>) =
            measured.partition(|r| r.group() == LAYERS);
        let (label, shown) = if layers.is_empty() { ("CASES", others) } else { ("LAYERS", layers) };
        let timing = shown_timing(&shown);
        let threads = shown.iter().map(|r| r.threads).min();
        let alike = shown.iter().filter(|r| r.timing == timing && Some(r.threads) == threads);
        let alike: Vec<&Record> = alike.copied().collect();
        let rows = contests(side_by_side_of(&alike));
        if rows.len() <= EACH { Cases::Each(label, rows) } else { Cases::Groups(winners(&alike)) }
    }
}

/// What backends say that are wrong nowhere: who is wrong somewhere is no rival.
fn never_wrong<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let wrong = records.iter().filter(|record| record.outcome == Outcome::Disagrees);
    let wrong: Vec<&str> = wrong.map(|record| record.backend.as_str()).collect();
    records.iter().filter(|record| !wrong.contains(&record.backend.as_str())).copied().collect()
}

/// The rows in which at least two were measured.
fn contests(mut rows: Vec<SideBySide>) -> Vec<SideBySide> {
    rows.retain(SideBySide::is_contest);
    rows
}
