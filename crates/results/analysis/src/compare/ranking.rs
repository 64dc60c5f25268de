//! Rankings by the geometric mean of ratios.

use attn_core::ScoreKind;
use attn_record::{Outcome, Record, Timing, stats};
use serde::Serialize;

use super::Place;
use crate::rows::{backends, best_ns, grouped, shown_timing};

/// The backends in order, for one machine and build, one timing, one score and one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Machine and build.
    pub place: Place,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// The score: kernels for one are no rivals of kernels for another.
    pub score: &'static str,
    /// Number of threads.
    pub threads: usize,
    /// Fastest first.
    pub ranks: Vec<Rank>,
    /// Cells that every ranked backend was measured on: what the ratios are over.
    pub cells: usize,
    /// Backends with a wrong result, which are not ranked.
    pub not_ranked: Vec<String>,
    /// Cases that do not count.
    pub left_out: Vec<LeftOut>,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rank {
    /// Path of the backend.
    pub backend: String,
    /// Geometric mean over the cells of the median time in units of the fastest of that cell.
    pub ratio: f64,
    /// Cells in which no other was faster.
    pub best: usize,
}

/// A case that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Path of the case.
    pub case: String,
    /// `unsupported: candle/fused`.
    pub why: String,
}

/// Ranks the backends of `runs` by `timing`, once for every machine, build, score and number of threads. The
/// same case in two runs counts twice.
pub fn rank(runs: &[Vec<Record>], timing: Timing) -> Vec<Ranking> {
    rank_of(&runs.iter().map(|run| run.iter().collect()).collect::<Vec<_>>(), timing)
}

/// The ranking by the timing that is shown that is over most cells; of several, the first. `None` if nothing was measured.
pub fn widest_ranking(records: &[&Record]) -> Option<Ranking> {
    let rankings = rank_of(&[records.to_vec()], shown_timing(records)?).into_iter();
    rankings.rev().max_by_key(|ranking| ranking.cells)
}

fn rank_of(runs: &[Vec<&Record>], timing: Timing) -> Vec<Ranking> {
    let all: Vec<&Record> =
        runs.iter().flatten().copied().filter(|r| r.timing == Some(timing)).collect();
    let groups = grouped(&all, |r| (Place::of(r), r.problem.score.kind(), r.threads)).into_iter();
    groups
        .map(|((place, score, threads), cells)| {
            ranking(runs, place, timing, score, threads, &cells)
        })
        .collect()
}

fn ranking(
    runs: &[Vec<&Record>],
    place: Place,
    timing: Timing,
    score: ScoreKind,
    threads: usize,
    records: &[&Record],
) -> Ranking {
    let is_wrong = |id: &str| {
        let mut of_backend = runs.iter().flatten().filter(|r| r.backend == id);
        of_backend.any(|r| r.outcome == Outcome::Disagrees)
    };
    let (wrong, right): (Vec<&str>, _) = backends(records).into_iter().partition(|id| is_wrong(id));
    let measured = |id: &str| records.iter().any(|r| r.backend == id && r.median_ns().is_some());
    let (timed, never): (Vec<&str>, Vec<&str>) = right.into_iter().partition(|id| measured(id));
    // Where nobody was timed, the reasons are what there is to say.
    let rivals = if timed.is_empty() { never } else { timed };
    let cases = runs.iter().flat_map(|run| {
        let own = records.iter().filter(|r| run.iter().any(|own| std::ptr::eq(*own, **r)));
        grouped(&own.copied().collect::<Vec<_>>(), |r| r.case.as_str())
    });
    let mut shared: Vec<Vec<&Record>> = Vec::new();
    let mut left_out = Vec::new();
    for (case, mut cells) in cases {
        cells.retain(|r| rivals.contains(&r.backend.as_str()));
        match missing(&rivals, &cells) {
            None => shared.push(cells),
            Some(why) => left_out.push(LeftOut { case: case.into(), why }),
        }
    }
    let mut ranks: Vec<Rank> = rivals.iter().filter_map(|id| one(id, &shared)).collect();
    ranks.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let not_ranked = wrong.into_iter().map(Into::into).collect();
    Ranking {
        place,
        timing,
        score: score.name(),
        threads,
        ranks,
        cells: shared.len(),
        not_ranked,
        left_out,
    }
}

/// Who of `rivals` was not measured, and why; `None` if all were.
fn missing(rivals: &[&str], cells: &[&Record]) -> Option<String> {
    let why = |id: &str| match cells.iter().find(|r| r.backend == id) {
        None => Some("not in the run"),
        Some(cell) if cell.outcome != Outcome::Ok => Some(cell.outcome.name()),
        Some(cell) if cell.median_ns().is_none() => Some("without samples"),
        Some(_) => None,
    };
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (id, why) in rivals.iter().filter_map(|&id| Some((id, why(id)?))) {
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(id),
            None => reasons.push((why, vec![id])),
        }
    }
    let reasons: Vec<String> =
        reasons.iter().map(|(why, names)| format!("{why}: {}", names.join(", "))).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn one(backend: &str, cells: &[Vec<&Record>]) -> Option<Rank> {
    let ratio = |cell: &Vec<&Record>| {
        let own = cell.iter().find(|r| r.backend == backend)?.median_ns()?;
        Some(own / best_ns(cell)?)
    };
    let ratios: Vec<f64> = cells.iter().filter_map(ratio).collect();
    Some(Rank {
        backend: backend.into(),
        ratio: stats::geometric_mean(&ratios)?,
        best: ratios.iter().filter(|&&ratio| ratio == 1.0).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ok, with_outcome};

    #[test]
    fn the_cases_that_all_share_count_and_the_others_are_named() {
        let run = vec![
            ok("g/1", "a", 100.0),
            ok("g/1", "b", 400.0),
            ok("g/2", "a", 900.0),
            ok("g/2", "b", 100.0),
            ok("g/3", "a", 1.0),
            with_outcome(ok("g/3", "b", 1.0), Outcome::Unsupported),
        ];
        let found = rank(&[run], Timing::Kernel);
        assert_eq!((found.len(), found[0].cells), (1, 2));
        let ranks: Vec<_> = found[0].ranks.iter().map(|r| (&*r.backend, r.best)).collect();
        assert_eq!(ranks, [("b", 1), ("a", 1)]);
        assert!((found[0].ranks[0].ratio - 2.0).abs() < 1e-12);
        let left_out = LeftOut { case: "g/3".into(), why: "unsupported: b".into() };
        assert_eq!(found[0].left_out, [left_out]);
    }

    #[test]
    fn where_nobody_was_timed_the_reasons_are_named() {
        let run = ["a", "b"].map(|id| with_outcome(ok("g/1", id, 1.0), Outcome::Implausible));
        let found = rank(&[run.into()], Timing::Kernel);
        assert_eq!((found[0].cells, found[0].ranks.len()), (0, 0));
        let left_out = LeftOut { case: "g/1".into(), why: "implausible: a, b".into() };
        assert_eq!(found[0].left_out, [left_out]);
    }

    #[test]
    fn models_threads_and_machines_are_apart_and_wrong_backends_out() {
        let cold = Record { timing: Some(Timing::KernelCold), ..ok("g/1", "a", 1.0) };
        let parallel = Record { threads: 2, ..ok("g/1", "a", 1.0) };
        let mut other = ok("g/1", "a", 1.0);
        other.machine.cpu = "Other CPU".into();
        let wrong = with_outcome(ok("g/1", "b", 1.0), Outcome::Disagrees);
        let run = vec![cold, ok("g/1", "a", 1.0), wrong, parallel, other];
        let found = rank(&[run], Timing::Kernel);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].ranks.len(), &found[0].not_ranked[..]), (1, &["b".to_owned()][..]));
    }

    #[test]
    fn a_case_of_two_runs_counts_twice() {
        let run = || vec![ok("g/1", "a", 1.0), ok("g/1", "b", 2.0)];
        assert_eq!(rank(&[run(), run()], Timing::Kernel)[0].cells, 2);
    }
}
