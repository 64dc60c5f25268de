//! Where the wall time of measured cells goes.

use attn_record::{Process, Record};
use serde::Serialize;

/// A call that lasts between these, in nanoseconds, is about a millisecond.
const ABOUT_A_MILLISECOND: std::ops::Range<f64> = 0.5e6..2e6;

/// What measuring costs beyond what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Overhead {
    /// Of all cells that were measured and ended `ok`.
    pub all: Spent,
    /// Of those whose call takes about a millisecond, 0.5 to 2 ms.
    pub about_a_millisecond: Spent,
    /// Oracle and yardstick, which are computed once per case and shared by its cells: apart from `all`.
    pub oracle_ns: u64,
}

/// Wall time of some cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// Number of cells.
    pub cells: usize,
    /// From the start to the end of their processes.
    pub wall_ns: u64,
    /// Of it, warm-up and samples. The rest is overhead: starting processes, reading inputs, checking
    /// results, counting memory.
    pub timed_ns: u64,
}

impl Overhead {
    /// Of `records`; `None` if none of them was measured.
    pub fn of(records: &[Record]) -> Option<Self> {
        let mut found =
            Overhead { all: Spent::default(), about_a_millisecond: Spent::default(), oracle_ns: 0 };
        for record in records {
            let oracle_ns = record.volatile.oracle_ns.unwrap_or(0);
            found.oracle_ns = found.oracle_ns.saturating_add(oracle_ns);
            let Some(measurement) = record.measurement() else {
                continue;
            };
            let timed =
                |p: &Process| p.samples_ns.iter().copied().fold(p.warmup_ns, u64::saturating_add);
            let timed_ns = measurement.processes.iter().map(timed).fold(0, u64::saturating_add);
            found.all.add(record, timed_ns);
            if measurement.median_ns().is_some_and(|ns| ABOUT_A_MILLISECOND.contains(&ns)) {
                found.about_a_millisecond.add(record, timed_ns);
            }
        }
        (found.all.cells > 0).then_some(found)
    }
}

impl Spent {
    fn add(&mut self, record: &Record, timed_ns: u64) {
        self.cells += 1;
        self.wall_ns = self.wall_ns.saturating_add(record.volatile.wall_ns);
        self.timed_ns = self.timed_ns.saturating_add(timed_ns);
    }

    /// What is neither warm-up nor sample, as a share of the wall time.
    pub fn overhead(&self) -> f64 {
        self.wall_ns.saturating_sub(self.timed_ns) as f64 / self.wall_ns.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn what_is_not_timed_is_overhead_and_oracles_are_apart() {
        // One process each: 1 us of warm-up, one sample of the median.
        let mut fast = fixture::ok("sweep/len/n=1", "a", 99_000.0);
        let mut slow = fixture::ok("sweep/len/n=2", "a", 999_000.0);
        (fast.volatile.wall_ns, fast.volatile.oracle_ns) = (1_000_000, Some(2_000_000_000));
        (slow.volatile.wall_ns, slow.volatile.oracle_ns) = (1_250_000, None);
        let timed = |record: &Record| {
            let processes = &record.volatile.measurement.as_ref().unwrap().processes;
            processes.iter().map(|p| p.warmup_ns + p.samples_ns.iter().sum::<u64>()).sum::<u64>()
        };
        let (on_fast, on_slow) = (timed(&fast), timed(&slow));
        let found = Overhead::of(&[fast, slow]).unwrap();
        assert_eq!(found.all, Spent { cells: 2, wall_ns: 2_250_000, timed_ns: on_fast + on_slow });
        let ms = found.about_a_millisecond;
        assert_eq!(ms, Spent { cells: 1, wall_ns: 1_250_000, timed_ns: on_slow });
        assert!((ms.overhead() - (1.0 - on_slow as f64 / 1.25e6)).abs() < 1e-12);
        assert_eq!(Overhead::of(&[]), None);
    }

    #[test]
    fn times_that_no_clock_shows_are_added_up() {
        let mut long = fixture::ok("sweep/len/n=1", "a", 99_000.0);
        (long.volatile.wall_ns, long.volatile.oracle_ns) = (u64::MAX, Some(u64::MAX));
        let process = &mut long.volatile.measurement.as_mut().unwrap().processes[0];
        (process.warmup_ns, process.samples_ns) = (u64::MAX, vec![u64::MAX; 2]);
        let found = Overhead::of(&[long.clone(), long]).unwrap();
        assert_eq!(
            (found.all.wall_ns, found.all.timed_ns, found.oracle_ns),
            (u64::MAX, u64::MAX, u64::MAX)
        );
    }
}
