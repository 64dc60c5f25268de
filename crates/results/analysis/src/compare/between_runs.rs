//! How far a run lies from the next one of the same program, which no process of either shows.
//!
//! What the processes of a cell have in common, their interval does not contain: who else used the memory during
//! the minutes of that run. A run has one such state, so it says nothing about how states differ. What it does say is how
//! much its processes differ, which are spread over all of it. That states differ from run to run as much as from
//! process to process is what is assumed here: of a noise that is as strong over minutes as it is over seconds
//! (flicker noise, whose Allan deviation is flat), averages over longer runs are no better. A single cell's few
//! processes may agree by chance; hence the typical cell's variance, of its [`Kind`].

use attn_record::stats::{self, Interval, LEVEL};
use attn_record::{Machine, Measurement, Record, Timing};
use serde::Serialize;

use crate::peak_rates::on_processor;
use crate::rows::grouped;

/// What a cell shares with others on the same machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The working set fits into a cache of the processor's own: into the last but one.
    PrivateCaches,
    /// It does not, or nobody knows.
    SharedMemory,
    /// Another device than the processor.
    Device,
}

/// How much the processes of a cell of one kind typically differ in a run: variances of logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Variances {
    /// Of times.
    pub(super) wall: f64,
    /// Of times in units of the pace, of cells that took it on the processor.
    pub(super) at_equal_clock: Option<f64>,
}

/// The variances of one run.
pub(super) struct BetweenRuns<'a>(Vec<((&'a Machine, Kind), Variances)>);

/// What the intervals of one kind of cells have in them for two runs being two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Allowance {
    /// The cells.
    pub kind: Kind,
    /// Half the width at 95 % that it alone would make, as a share of the ratio as timed.
    pub wall: f64,
    /// The same of the ratio at equal clock, if there are any.
    pub at_equal_clock: Option<f64>,
}

impl Allowance {
    /// What is in the intervals that verdicts go by: at equal clock, where there is such a ratio.
    pub fn decisive(&self) -> f64 {
        self.at_equal_clock.unwrap_or(self.wall)
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::PrivateCaches, Kind::SharedMemory, Kind::Device];

    fn of(record: &Record) -> Self {
        // The last cache is the one that processors share, where there is more than one level.
        let own = record.machine.caches.iter().rev().nth(1);
        let fits = record.working_set().zip(own).is_some_and(|(set, own)| set <= own.bytes);
        if !on_processor(record) {
            Kind::Device
        } else if fits && record.timing != Some(Timing::KernelCold) {
            Kind::PrivateCaches
        } else {
            Kind::SharedMemory
        }
    }
}

impl<'a> BetweenRuns<'a> {
    /// Of the cells of one run.
    pub(super) fn of(records: &[&'a Record]) -> Self {
        let kinds = grouped(records, |record| (&record.machine, Kind::of(record))).into_iter();
        BetweenRuns(kinds.map(|(key, cells)| (key, Variances::typical_of(&cells))).collect())
    }

    /// For this cell of that run.
    pub(super) fn variances(&self, record: &Record) -> Variances {
        self.of_kind(&record.machine, Kind::of(record)).unwrap_or_default()
    }

    fn of_kind(&self, machine: &Machine, kind: Kind) -> Option<Variances> {
        let found = self.0.iter().find(|(key, _)| *key == (machine, kind));
        found.map(|(_, variances)| *variances)
    }
}

impl Variances {
    /// The median over cells; none without any that has several processes.
    fn typical_of(cells: &[&Record]) -> Self {
        let typical = |cells: &[&Record], variance: fn(&Measurement) -> Option<f64>| {
            let measured = cells.iter().filter_map(|cell| cell.measurement());
            stats::median(&measured.filter_map(variance).collect::<Vec<_>>())
        };
        let clocked: Vec<&Record> = cells.iter().filter(|c| on_processor(c)).copied().collect();
        Variances {
            wall: typical(cells, Measurement::process_variance).unwrap_or_default(),
            at_equal_clock: typical(&clocked, Measurement::process_variance_at_equal_clock),
        }
    }
}

impl std::ops::Add for Variances {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Variances {
            wall: self.wall + other.wall,
            at_equal_clock: self.at_equal_clock.zip(other.at_equal_clock).map(|(a, b)| a + b),
        }
    }
}

/// The interval of a ratio of two runs, from that of a ratio of their processes.
pub(super) fn widened(processes: &Interval, variance: f64) -> Interval {
    processes.map(f64::ln).with_variance(variance).map(f64::exp)
}

/// For every kind of cell that both runs have, between `old` on its machine and `new` on its.
pub(super) fn allowances(
    old: (&BetweenRuns, &Machine),
    new: (&BetweenRuns, &Machine),
) -> Vec<Allowance> {
    let half = |variance: f64| {
        let point = Interval { low: 0.0, high: 0.0, level: LEVEL };
        point.with_variance(variance).high.exp_m1()
    };
    let of_both = |kind| Some(old.0.of_kind(old.1, kind)? + new.0.of_kind(new.1, kind)?);
    let kinds = Kind::ALL.iter().filter_map(|&kind| {
        let variances = of_both(kind)?;
        Some(Allowance {
            kind,
            wall: half(variances.wall),
            at_equal_clock: variances.at_equal_clock.map(half),
        })
    });
    kinds.collect()
}

#[cfg(test)]
mod tests {
    use attn_core::BackendInfo;

    use super::*;
    use crate::fixture::{certain, elsewhere, ok, peak, refs};

    #[test]
    fn the_last_cache_is_shared() {
        let with = |bytes: u64| {
            let mut record = ok("g/1", "a", 1.0);
            record.work.bytes.0 = 0;
            record.volatile.memory = Some(peak(bytes));
            record
        };
        // The fixture's machine has 48 KiB, 2 MiB and 1 GiB.
        assert_eq!(Kind::of(&with(2 << 20)), Kind::PrivateCaches);
        assert_eq!(Kind::of(&with((2 << 20) + 1)), Kind::SharedMemory);
        let mut record = with(1);
        record.timing = Some(Timing::KernelCold);
        assert_eq!(Kind::of(&record), Kind::SharedMemory);
        record = with(1);
        record.machine.caches.truncate(1);
        assert_eq!(Kind::of(&record), Kind::SharedMemory);
        record = with(1);
        record.volatile.memory = None;
        assert_eq!(Kind::of(&record), Kind::SharedMemory);
        record.info.as_mut().unwrap().device = "cuda:0".into();
        assert_eq!(Kind::of(&record), Kind::Device);
    }

    #[test]
    fn the_typical_cell_of_the_same_kind_and_machine_speaks() {
        let cell = |ratio: f64, pace: [u64; 2]| {
            let mut record = ok("g/1", "a", 1.0);
            let mut measured = certain(1e6);
            measured.processes[1].samples_ns = vec![(1e6 * ratio) as u64];
            for (process, pace_ns) in measured.processes.iter_mut().zip(pace) {
                process.pace_ns = vec![pace_ns; 2];
            }
            record.volatile.measurement = Some(measured);
            record
        };
        let run = [cell(1.0, [1, 1]), cell(1.1, [10, 11]), cell(1.3, [1, 2]), ok("g/2", "a", 1.0)];
        let between = BetweenRuns::of(&refs(&run));
        let found = between.variances(&run[0]);
        assert!((found.wall - 1.1f64.ln().powi(2) / 2.0).abs() < 1e-12, "{found:?}");
        assert!(found.at_equal_clock.unwrap() < 1e-12, "{found:?}");
        assert_eq!(between.variances(&elsewhere(run[0].clone())), Variances::default());
        // What the processor's pace says nothing about goes by its time.
        let on_device = run.map(|mut record| {
            record.info = record.info.map(|r| BackendInfo { device: "cuda:0".into(), ..r });
            record
        });
        let between = BetweenRuns::of(&refs(&on_device));
        let (on, now) = (&on_device[0].machine, &on_device[1].machine);
        let found = allowances((&between, on), (&between, now));
        assert_eq!((found.len(), found[0].kind, found[0].at_equal_clock), (1, Kind::Device, None));
        assert_eq!(found[0].decisive(), found[0].wall);
        assert!(found[0].wall > 0.1, "{found:?}");
    }
}
