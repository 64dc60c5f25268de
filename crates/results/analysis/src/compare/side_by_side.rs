//! Backends side by side.

use attn_record::stats::Interval;
use attn_record::{Outcome, Record, Timing};
use serde::Serialize;

use super::Place;
use crate::certainty::believed;
use crate::rows::grouped;

/// One case, timing and number of threads, on every backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideBySide {
    /// Machine and build.
    pub place: Place,
    /// Path of the case.
    pub case: String,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// Number of threads.
    pub threads: usize,
    /// Every backend, in order of first appearance.
    pub rivals: Vec<Rival>,
    /// The fastest backend, if there are others and their ratios to it are believed to be above 1.
    pub winner: Option<String>,
}

/// One backend in one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rival {
    /// Path of the backend.
    pub backend: String,
    /// How the cell ended.
    pub outcome: Outcome,
    /// Median nanoseconds per call.
    pub ns: Option<f64>,
    /// Its interval at 95 %.
    pub interval: Option<Interval>,
    /// Whether that interval holds for other processes too.
    pub between: Option<bool>,
    /// Time in units of the fastest.
    pub ratio: Option<f64>,
    /// Of the ratio, widened by 10 % on both sides where a cell was measured in one process only; `None`
    /// for the fastest itself.
    pub ratio_interval: Option<Interval>,
}

/// Every row that was to be measured, in order of first appearance.
pub fn side_by_side(records: &[Record]) -> Vec<SideBySide> {
    side_by_side_of(&records.iter().collect::<Vec<_>>())
}

/// How a measured cell stands among its rivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The others' ratios to it are all believed to be above 1.
    First,
    /// Its ratio to the fastest may be 1, or it is the fastest and another's ratio to it may be 1.
    Tied,
    /// Slower than the fastest, or without anything to compare it with.
    Other,
}

impl SideBySide {
    /// Whether at least two backends were measured.
    pub fn is_contest(&self) -> bool {
        self.rivals.iter().filter(|rival| rival.ns.is_some()).count() > 1
    }

    /// How `backend` stands.
    pub fn standing(&self, backend: &str) -> Standing {
        if self.winner.as_deref() == Some(backend) {
            return Standing::First;
        }
        let may_be_fastest =
            |rival: &Rival| rival.ratio_interval.is_some_and(|interval| interval.contains(1.0));
        let found = self.rivals.iter().find(|rival| rival.backend == backend && rival.ns.is_some());
        match found {
            Some(rival) if may_be_fastest(rival) => Standing::Tied,
            Some(rival) if rival.ratio == Some(1.0) && self.rivals.iter().any(may_be_fastest) => {
                Standing::Tied
            }
            _ => Standing::Other,
        }
    }
}

/// The same of chosen records.
pub fn side_by_side_of(records: &[&Record]) -> Vec<SideBySide> {
    let timed: Vec<&Record> = records.iter().filter(|r| r.timing.is_some()).copied().collect();
    let key = |r| (Place::of(r), r.case.as_str(), r.timing, r.threads);
    let rows = grouped(&timed, key).into_iter();
    let rows = rows.filter_map(|((place, case, timing, threads), cells)| {
        let mut rivals = rivals(&cells);
        let timing = timing?;
        if timing == Timing::Prepare {
            // Some have nothing to prepare: of nothing there is no multiple.
            for rival in &mut rivals {
                (rival.ratio, rival.ratio_interval) = (None, None);
            }
        }
        let winner = winner(&rivals);
        Some(SideBySide { place, case: case.into(), timing, threads, rivals, winner })
    });
    rows.collect()
}

fn rivals(cells: &[&Record]) -> Vec<Rival> {
    let measured = cells.iter().filter_map(|r| Some((r.median_ns()?, *r)));
    let best = measured.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, record)| record);
    cells.iter().map(|cell| rival(cell, best)).collect()
}

fn rival(cell: &Record, best: Option<&Record>) -> Rival {
    let estimate = cell.interval();
    let of_ratio = || {
        let best = best.filter(|best| best.backend != cell.backend)?;
        Some(believed(&cell.measurement()?.ratio_to(best.measurement()?)?))
    };
    Rival {
        backend: cell.backend.clone(),
        outcome: cell.outcome,
        ns: cell.median_ns(),
        interval: estimate.map(|estimate| estimate.interval),
        between: estimate.map(|estimate| estimate.between),
        ratio: cell.median_ns().zip(best.and_then(Record::median_ns)).map(|(ns, best)| ns / best),
        ratio_interval: of_ratio(),
    }
}

fn winner(rivals: &[Rival]) -> Option<String> {
    let measured = || rivals.iter().filter(|r| r.ns.is_some());
    let best = measured().min_by(|a, b| a.ns.unwrap_or(0.0).total_cmp(&b.ns.unwrap_or(0.0)))?;
    let others: Vec<&Rival> = measured().filter(|r| r.backend != best.backend).collect();
    let slower = |r: &&Rival| r.ratio_interval.is_some_and(|interval| interval.low > 1.0);
    (!others.is_empty() && others.iter().all(slower)).then(|| best.backend.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{certain, ok, with_outcome};

    fn cell(backend: &str, ns: f64) -> Record {
        let mut record = ok("g/1", backend, ns);
        record.volatile.measurement = Some(certain(ns));
        record
    }

    #[test]
    fn the_winner_is_the_fastest_that_is_right() {
        let wrong = with_outcome(cell("wrong", 1.0), Outcome::Disagrees);
        let rows = side_by_side(&[cell("a", 200.0), wrong, cell("b", 100.0)]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].winner.as_deref(), Some("b"));
        let ratios: Vec<_> = rows[0].rivals.iter().map(|r| r.ratio).collect();
        assert_eq!(ratios, [Some(2.0), None, Some(1.0)]);
        assert_eq!(rows[0].rivals[1].ns, None, "a wrong result has no time");
    }

    #[test]
    fn who_may_be_as_fast_as_the_fastest_is_tied_with_it() {
        let noisy = |backend: &str, ns: [u64; 2]| {
            let mut record = cell(backend, 1.0);
            let processes = &mut record.volatile.measurement.as_mut().unwrap().processes;
            processes.iter_mut().zip(ns).for_each(|(process, ns)| process.samples_ns = vec![ns]);
            record
        };
        let records = [noisy("a", [100, 120]), noisy("b", [105, 125]), cell("c", 9000.0)];
        let row = &side_by_side(&records)[0];
        let standings = ["a", "b", "c", "d"].map(|id| row.standing(id));
        assert_eq!(standings, [Standing::Tied, Standing::Tied, Standing::Other, Standing::Other]);
        let row = &side_by_side(&[cell("a", 100.0), cell("b", 200.0)])[0];
        assert_eq!(["a", "b"].map(|id| row.standing(id)), [Standing::First, Standing::Other]);
        assert_eq!(side_by_side(&records[..1])[0].standing("a"), Standing::Other, "alone");
    }

    #[test]
    fn nobody_wins_alone_or_without_an_interval() {
        assert_eq!(side_by_side(&[cell("a", 200.0)])[0].winner, None);
        assert_eq!(side_by_side(&[ok("g/1", "a", 200.0), ok("g/1", "b", 1.0)])[0].winner, None);
    }

    #[test]
    fn machines_are_apart() {
        let mut other = cell("b", 100.0);
        other.machine.cpu = "Other CPU".into();
        let rows = side_by_side(&[cell("a", 200.0), other]);
        assert_eq!((rows.len(), rows[0].rivals.len()), (2, 1));
    }
}
