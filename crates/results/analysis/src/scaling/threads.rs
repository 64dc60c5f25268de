//! Speed-up by threads.

use attn_record::stats::Interval;
use attn_record::{Record, Timing};
use serde::Serialize;

use crate::certainty::believed;
use crate::place::Place;
use crate::rows::grouped;

/// One case on one backend, with several numbers of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threads {
    /// Machine and build.
    pub place: Place,
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// By number of threads; the first is what the others are compared with.
    pub speedups: Vec<Speedup>,
}

impl Threads {
    /// Every case and backend among `records` that was measured with several numbers of threads. What is prepared once is no
    /// work that threads share.
    pub fn of(records: &[&Record]) -> Vec<Self> {
        let measured = records.iter().filter(|r| r.median_ns().is_some());
        let measured = measured.filter(|r| r.timing != Some(Timing::Prepare));
        let measured: Vec<&Record> = measured.copied().collect();
        let key = |r| (Place::of(r), r.case.as_str(), r.backend.as_str(), r.timing);
        let cells = grouped(&measured, key).into_iter();
        let cells = cells.filter_map(|((place, case, backend, timing), mut cells)| {
            cells.sort_by_key(|r| r.threads);
            cells.dedup_by_key(|r| r.threads);
            let base = *cells.first().filter(|_| cells.len() > 1)?;
            let speedups = cells.iter().filter_map(|cell| speedup(base, cell)).collect();
            let (case, backend) = (case.into(), backend.into());
            Some(Threads { place, case, backend, timing: timing?, speedups })
        });
        cells.collect()
    }
}

/// One number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Speedup {
    /// Number of threads.
    pub threads: usize,
    /// Time with the smallest number divided by the time with this one.
    pub speedup: f64,
    /// Of the speed-up, widened by 10 % on both sides where a cell was measured in one process only.
    pub interval: Option<Interval>,
    /// Speed-up divided by how many times the threads there are: 1 is perfect.
    pub efficiency: f64,
}

fn speedup(base: &Record, cell: &Record) -> Option<Speedup> {
    let speedup = base.median_ns()? / cell.median_ns()?;
    let ratio = base.measurement()?.ratio_to(cell.measurement()?);
    Some(Speedup {
        threads: cell.threads,
        speedup,
        interval: ratio.filter(|_| base.threads != cell.threads).map(|ratio| believed(&ratio)),
        efficiency: speedup * base.threads as f64 / cell.threads as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{elsewhere, ok, refs};

    #[test]
    fn by_hand() {
        let cell = |threads, ns| {
            let mut record = ok("g/a", "x", ns);
            record.threads = threads;
            record
        };
        let records = [
            cell(4, 400.0),
            cell(1, 1000.0),
            elsewhere(cell(8, 1.0)),
            cell(2, 500.0),
            ok("g/b", "x", 1.0),
        ];
        let found = Threads::of(&refs(&records));
        assert_eq!(found.len(), 1);
        let numbers: Vec<_> =
            found[0].speedups.iter().map(|s| (s.threads, s.speedup, s.efficiency)).collect();
        assert_eq!(numbers, [(1, 1.0, 1.0), (2, 2.0, 1.0), (4, 2.5, 0.625)]);
    }
}
