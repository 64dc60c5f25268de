//! What a run comes down to, as data: for `--json` and for the head of the page.

use std::collections::BTreeMap;

use attn_record::{Outcome, Record, Timing};
use serde::Serialize;

use crate::compare::{self, Ranking, widest_ranking};
use crate::disturbance::Disturbance;
use crate::rows::{backends, grouped, shown_timing};

/// Counts, ranking and the worst error of a set of records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of cells.
    pub cells: usize,
    /// How they ended.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Every backend, in order of first appearance.
    pub backends: Vec<BackendSummary>,
    /// What was timed in the cells that are ranked: the kernel alone wherever that was measured; `None`
    /// if nothing was.
    #[serde(rename = "model")]
    pub timing: Option<Timing>,
    /// The score of the cells that are ranked: kernels for one score are no rivals of kernels for another.
    pub score: Option<&'static str>,
    /// And the number of threads.
    pub threads: Option<usize>,
    /// Of the ranking over most cells, with one number of threads. Fastest first; empty if no cell was measured on all of the ranked
    /// backends.
    pub ranking: Vec<Rank>,
    /// Backends that are not ranked because a result of theirs is wrong.
    pub not_ranked: Vec<String>,
    /// The `ok` cell that came closest to its error budget.
    pub worst: Option<WorstCell>,
    /// How many samples were disturbed; `None` if nothing was measured where that can be told.
    pub disturbance: Option<Disturbance>,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendSummary {
    /// Path of the backend.
    pub backend: String,
    /// How its cells ended.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Its `ok` cell that came closest to its error budget.
    pub worst: Option<WorstCell>,
}

/// One place in the ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rank {
    /// Path of the backend.
    pub backend: String,
    /// Geometric mean, over the shared cells, of the median time in units of the best of that cell.
    pub ratio: f64,
    /// Cases that every ranked backend was measured on.
    pub cells: usize,
}

/// The cell with the largest error in units of its budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstCell {
    /// Path of the backend.
    pub backend: String,
    /// Path of the case.
    pub case: String,
    /// Share of the budget: below 1 for whatever agrees.
    pub share: f64,
}

impl Summary {
    /// Sums up `records`. Cells are compared with others of their machine and build alone.
    pub fn of(records: &[Record]) -> Self {
        Summary::of_cells(&records.iter().collect::<Vec<_>>())
    }

    /// The same of chosen records.
    pub fn of_cells(all: &[&Record]) -> Self {
        let by_backend = grouped(all, |r| r.backend.as_str());
        let wrong: Vec<&Record> =
            all.iter().filter(|r| r.outcome == Outcome::Disagrees).copied().collect();
        let widest = widest_ranking(all);
        let rank = |ranking: &Ranking| {
            let of = |rank: &compare::Rank| Rank {
                backend: rank.backend.clone(),
                ratio: rank.ratio,
                cells: ranking.cells,
            };
            ranking.ranks.iter().map(of).collect()
        };
        Summary {
            cells: all.len(),
            outcomes: outcomes(all),
            backends: by_backend
                .into_iter()
                .map(|(backend, of_backend)| BackendSummary {
                    backend: backend.into(),
                    outcomes: outcomes(&of_backend),
                    worst: worst(&of_backend),
                })
                .collect(),
            timing: shown_timing(all),
            score: widest.as_ref().map(|ranking| ranking.score),
            threads: widest.as_ref().map(|ranking| ranking.threads),
            ranking: widest.as_ref().map(rank).unwrap_or_default(),
            not_ranked: backends(&wrong).into_iter().map(Into::into).collect(),
            worst: worst(all),
            disturbance: Disturbance::of(all.iter().copied()),
        }
    }

    /// Cells that ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }
}

fn outcomes(records: &[&Record]) -> BTreeMap<Outcome, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.outcome).or_default() += 1;
    }
    counts
}

/// The cell that ended `ok` with the largest share of its error budget.
pub fn worst(records: &[&Record]) -> Option<WorstCell> {
    let ok = records.iter().filter(|r| r.outcome == Outcome::Ok);
    let shares = ok.filter_map(|r| Some((r, r.budget_share()?)));
    let (record, share) = shares.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some(WorstCell { backend: record.backend.clone(), case: record.case.clone(), share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{checked, disturbed, elsewhere, ok, with_outcome};

    #[test]
    fn ranks_by_the_geometric_mean_over_the_shared_cells() {
        let records = [
            ok("g/1", "a", 100.0),
            ok("g/1", "b", 400.0),
            ok("g/2", "a", 900.0),
            ok("g/2", "b", 100.0),
            // Only measured on one of them.
            ok("g/3", "a", 1.0),
        ];
        let ranking = Summary::of(&records).ranking;
        let found: Vec<_> = ranking.iter().map(|r| (&*r.backend, r.cells)).collect();
        // a: ratios 1 and 9, b: 4 and 1.
        assert_eq!(found, [("b", 2), ("a", 2)]);
        assert!((ranking[0].ratio - 2.0).abs() < 1e-12);
        assert!((ranking[1].ratio - 3.0).abs() < 1e-12);
    }

    #[test]
    fn models_are_not_mixed_in_a_ranking() {
        let cold = |id, ns| Record { timing: Some(Timing::KernelCold), ..ok("g/1", id, ns) };
        let records =
            [cold("b", 1.0), cold("a", 9.0), ok("g/1", "a", 100.0), ok("g/1", "b", 400.0)];
        let summary = Summary::of(&records);
        assert_eq!(summary.timing, Some(Timing::Kernel));
        assert_eq!((&*summary.ranking[1].backend, summary.ranking[1].ratio), ("b", 4.0));
        assert_eq!(Summary::of(&records[..2]).timing, Some(Timing::KernelCold));
    }

    #[test]
    fn kernels_for_another_score_are_no_rivals() {
        let mut other = ok("g/3", "c", 1.0);
        other.problem.score = attn_core::Score::Additive { dim: 4, w_q: None, w_k: None, w: None };
        let records = [ok("g/1", "a", 100.0), ok("g/1", "b", 400.0), other];
        let summary = Summary::of(&records);
        assert_eq!(summary.score, Some("scaled-dot"));
        let ranked: Vec<_> = summary.ranking.iter().map(|r| &*r.backend).collect();
        assert_eq!(ranked, ["a", "b"]);
        assert_eq!(summary.backends.len(), 3);
    }

    #[test]
    fn cells_of_other_machines_and_threads_are_no_rivals() {
        let parallel = |id, ns| Record { threads: 2, ..ok("g/1", id, ns) };
        let records = [
            elsewhere(ok("g/1", "a", 10.0)),
            elsewhere(ok("g/1", "b", 10.0)),
            ok("g/1", "a", 100.0),
            ok("g/1", "b", 400.0),
            ok("g/2", "a", 100.0),
            ok("g/2", "b", 400.0),
            parallel("a", 10.0),
            parallel("b", 10.0),
        ];
        let ranking = Summary::of(&records).ranking;
        assert_eq!((&*ranking[1].backend, ranking[1].ratio, ranking[1].cells), ("b", 4.0, 2));
    }

    #[test]
    fn a_backend_that_disagrees_anywhere_is_not_ranked() {
        let records = [
            ok("g/1", "right", 100.0),
            ok("g/1", "wrong", 1.0),
            with_outcome(ok("g/2", "wrong", 1.0), Outcome::Disagrees),
        ];
        let summary = Summary::of(&records);
        assert_eq!(summary.ranking.len(), 1);
        assert_eq!(summary.ranking[0].backend, "right");
        assert_eq!(summary.not_ranked, ["wrong"]);
    }

    #[test]
    fn the_worst_cell_is_one_that_agrees() {
        let records = [
            checked("g/1", "a", 0.2),
            checked("g/2", "b", 0.7),
            with_outcome(checked("g/3", "b", 9.0), Outcome::Disagrees),
        ];
        let worst = Summary::of(&records).worst.unwrap();
        assert_eq!((&*worst.case, worst.share), ("g/2", 0.7));
    }

    #[test]
    fn serialises_outcomes_by_name() {
        let records = [with_outcome(ok("g/1", "a", 1.0), Outcome::Timeout), disturbed("g/2", 1, 2)];
        let json = serde_json::to_value(Summary::of(&records)).unwrap();
        assert_eq!(json["outcomes"]["timeout"], 1);
        assert_eq!(json["disturbance"]["disturbed"], 1);
        assert!(json["disturbance"]["warning"].is_string());
        assert_eq!(json["backends"][0]["backend"], "a");
    }
}
