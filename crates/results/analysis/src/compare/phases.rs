//! Where the time of a call goes, for backends that look.

use attn_core::PhaseTime;
use attn_record::{Record, Timing};
use serde::Serialize;

use super::Place;

/// One case on one backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breakdown {
    /// Machine and build.
    pub place: Place,
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// Number of threads.
    pub threads: usize,
    /// In the order in which they happen; times are those of all threads together.
    pub phases: Vec<PhaseTime>,
}

impl Breakdown {
    /// Nanoseconds of all phases.
    pub fn total_ns(&self) -> u64 {
        sum(&self.phases, |_| true)
    }

    /// Share of the total that the phase of this name took; 0 if there was none.
    pub fn share(&self, name: &str) -> f64 {
        sum(&self.phases, |phase| phase.name == name) as f64 / self.total_ns().max(1) as f64
    }
}

/// Nanoseconds of the phases that are meant.
fn sum(phases: &[PhaseTime], is_meant: impl Fn(&PhaseTime) -> bool) -> u64 {
    let meant = phases.iter().filter(|phase| is_meant(phase));
    meant.map(|phase| phase.ns).fold(0, u64::saturating_add)
}

/// Every `ok` cell of the timing `kernel` whose backend looked, in order.
pub fn phases(records: &[Record]) -> Vec<Breakdown> {
    breakdowns(&records.iter().collect::<Vec<_>>())
}

/// The same of chosen records.
pub fn breakdowns(records: &[&Record]) -> Vec<Breakdown> {
    let looked = records.iter().filter(|record| {
        record.timing == Some(Timing::Kernel)
            && record.median_ns().is_some()
            && !record.volatile.phases.is_empty()
    });
    let breakdown = |record: &&Record| Breakdown {
        place: Place::of(record),
        case: record.case.clone(),
        backend: record.backend.clone(),
        threads: record.threads,
        phases: record.volatile.phases.clone(),
    };
    looked.map(breakdown).collect()
}

/// The names of all phases, in order of first appearance.
pub fn names(breakdowns: &[Breakdown]) -> Vec<&str> {
    crate::rows::distinct(breakdowns.iter().flat_map(|b| &b.phases).map(|phase| &*phase.name))
}

#[cfg(test)]
mod tests {
    use attn_record::Outcome;

    use super::*;
    use crate::fixture::{ok, with_outcome, with_phases};

    #[test]
    fn shares_add_up_and_cells_that_are_wrong_or_did_not_look_have_none() {
        let records = [
            with_phases(ok("g/a", "x", 100.0), &[("pack", 10), ("scores", 30)]),
            ok("g/a", "y", 100.0),
            with_outcome(with_phases(ok("g/b", "x", 1.0), &[("pack", 1)]), Outcome::Disagrees),
        ];
        let found = phases(&records);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].total_ns(), found[0].share("scores")), (40, 0.75));
        assert_eq!(found[0].share("softmax"), 0.0);
        assert_eq!(names(&found), ["pack", "scores"]);
    }

    #[test]
    fn times_that_no_clock_shows_are_added_up() {
        let records = [with_phases(ok("g/a", "x", 100.0), &[("pack", u64::MAX), ("scores", 30)])];
        let found = phases(&records);
        assert_eq!((found[0].total_ns(), found[0].share("pack")), (u64::MAX, 1.0));
    }
}
