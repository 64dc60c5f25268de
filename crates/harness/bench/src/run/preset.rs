//! How much a run does.

use std::time::Duration;

use attn_record::Measurement;
use attn_record::stats::Interval;

use super::Entry;
use crate::cell::sampling::SamplingTimes;
use crate::suite::Tier;

/// An amount of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// As on the command line.
    pub name: &'static str,
    /// Cases of this tier and the smaller ones.
    pub tier: Tier,
    /// Measured cells whose single call is predicted to take longer are skipped.
    pub max_call: Duration,
    /// Cells that are only checked and whose single call is predicted to take longer are skipped.
    pub max_check: Duration,
    /// Fresh processes that measure a cell.
    pub processes: Processes,
    /// Processes beyond the least that a cell has are started this long, from the start of the first.
    pub time: Duration,
    /// Of each process; see [`Preset::timing_of`].
    pub sampling_times: SamplingTimes,
}

/// An idle device runs at a fraction of its clock, and takes longer than a processor to get up.
const DEVICE_WARMUP_MS: u64 = 200;

/// How many fresh processes measure a cell: as many as its interval needs to become narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processes {
    /// Every cell has as many.
    pub least: u32,
    /// No cell has more, however wide its interval.
    pub most: u32,
}

/// How far the ends of a cell's interval may be from its middle, as a share of it, for its processes to be enough.
const PRECISION: f64 = 0.034;

impl Processes {
    /// Whether a cell that has `measured` so far should have another process.
    pub fn goes_on(self, measured: Option<&Measurement>) -> bool {
        let count = measured.map_or(0, |measured| measured.processes.len());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        count < self.least || count < self.most && !measured.is_some_and(is_precise)
    }

    /// What a cell needs on average, roughly: most need no more than they must.
    pub const fn expected(self) -> u32 {
        self.least + (self.most - self.least) / 4
    }
}

/// Whether the interval that holds for other processes too is narrow enough.
fn is_precise(measured: &Measurement) -> bool {
    measured.interval().is_some_and(|estimate| {
        let Interval { low, high, .. } = estimate.interval;
        estimate.between && (high / low).sqrt() <= 1.0 + PRECISION
    })
}

impl Preset {
    /// At most two minutes on two cores.
    pub const QUICK: Preset = Preset {
        name: "quick",
        tier: Tier::Quick,
        max_call: Duration::from_millis(250),
        max_check: Duration::from_secs(1),
        processes: Processes { least: 3, most: 9 },
        time: Duration::from_secs(94),
        sampling_times: SamplingTimes {
            warmup_ms: 10,
            sampling_ms: 30,
            min_samples: 3,
            min_sample_us: 300,
        },
    };

    /// About half an hour on two cores.
    pub const FULL: Preset = Preset {
        name: "full",
        tier: Tier::Full,
        max_call: Duration::from_secs(5),
        max_check: Duration::from_secs(20),
        processes: Processes { least: 5, most: 13 },
        time: Duration::from_secs(27 * 60),
        sampling_times: SamplingTimes {
            warmup_ms: 50,
            sampling_ms: 250,
            min_samples: 3,
            min_sample_us: 500,
        },
    };

    /// Of each process that measures `entry`.
    pub fn timing_of(&self, entry: &Entry) -> SamplingTimes {
        let warmup_ms = if entry.on_device() { DEVICE_WARMUP_MS } else { 0 };
        SamplingTimes {
            warmup_ms: self.sampling_times.warmup_ms.max(warmup_ms),
            ..self.sampling_times
        }
    }

    /// The largest amount of work that `predict` says to fit into four fifths of `budget` (the rest is
    /// for oracles and for what no prediction knows); the smallest there is if none fits.
    pub fn within(budget: Duration, predict: impl Fn(&Preset) -> Duration) -> Preset {
        let sizes = [4.0, 2.0, 1.0, 0.5, 0.25, 0.12, 0.06, 0.03];
        let sizes = sizes.map(|size| Preset::sized(size, budget.mul_f64(0.9)));
        let [.., smallest] = sizes;
        let fits = |preset: &Preset| predict(preset) <= budget.mul_f64(0.8);
        sizes.into_iter().find(fits).unwrap_or(smallest)
    }

    /// As in sentences: `preset quick`, `this budget`.
    pub fn label(&self) -> String {
        if self.name == Self::BUDGET {
            "this budget".into()
        } else {
            format!("preset {}", self.name)
        }
    }

    /// What [`within`](Self::within) a budget is called.
    const BUDGET: &str = "budget";

    /// [`Preset::FULL`], times `size`, over at `time`.
    fn sized(size: f64, time: Duration) -> Preset {
        let ms = |full: u64| ((full as f64 * size) as u64).max(5);
        let SamplingTimes { warmup_ms, sampling_ms, .. } = Preset::FULL.sampling_times;
        Preset {
            name: Self::BUDGET,
            tier: if size < 0.25 { Tier::Quick } else { Tier::Full },
            max_call: Preset::FULL.max_call.mul_f64(size),
            max_check: Preset::FULL.max_check.mul_f64(size),
            time,
            processes: (if size < 0.25 { Preset::QUICK } else { Preset::FULL }).processes,
            sampling_times: SamplingTimes {
                warmup_ms: ms(warmup_ms),
                sampling_ms: ms(sampling_ms),
                ..Preset::QUICK.sampling_times
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use attn_record::Process;

    use super::*;

    #[test]
    fn a_cell_has_processes_until_its_interval_is_narrow() {
        let measured = |medians: &[u64]| {
            let process = |&ns: &u64| Process {
                cpu: None,
                spread: Vec::new(),
                warmup_calls: 1,
                warmup_ns: 1,
                reps: 1,
                samples_ns: vec![ns],
                disturbed: None,
                pace_ns: Vec::new(),
                audit: None,
            };
            Measurement { clock_ns: 1, processes: medians.iter().map(process).collect() }
        };
        let processes = Processes { least: 3, most: 5 };
        assert!(processes.goes_on(None));
        assert!(processes.goes_on(Some(&measured(&[1000, 1000]))), "two are too few");
        // Half the width: 1.35 * 4.303 s / sqrt 3, which is 2.7 % for s = 0.8 % and 4.0 % for s = 1.2 %.
        assert!(!processes.goes_on(Some(&measured(&[992, 1000, 1008]))));
        assert!(processes.goes_on(Some(&measured(&[988, 1000, 1012]))));
        assert!(processes.goes_on(Some(&measured(&[900, 1000, 1100, 1200]))));
        assert!(!processes.goes_on(Some(&measured(&[900, 1000, 1100, 1200, 1300]))), "enough");
        assert!(processes.goes_on(Some(&measured(&[0, 0, 0]))), "no interval is not a narrow one");
    }

    #[test]
    fn a_budget_gets_the_largest_amount_of_work_that_fits() {
        let cells = 100;
        let predict = |preset: &Preset| {
            let one = Duration::from_millis(preset.sampling_times.sampling_ms);
            one * preset.processes.expected() * cells
        };
        for seconds in [15, 60, 600, 3600] {
            let budget = Duration::from_secs(seconds);
            let preset = Preset::within(budget, predict);
            assert!(predict(&preset) <= budget, "{seconds} s");
        }
        let small = Preset::within(Duration::from_secs(1), predict);
        let time = Duration::from_millis(900);
        assert_eq!(small, Preset::sized(0.03, time), "the smallest there is");
        assert!(
            Preset::within(Duration::from_secs(3600), predict).sampling_times.sampling_ms >= 1000
        );
    }
}
