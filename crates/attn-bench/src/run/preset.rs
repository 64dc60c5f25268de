//! How much a run does.

use std::time::Duration;

use crate::cell::sampling::Timing;
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
    pub processes: u32,
    /// Of each of them.
    pub timing: Timing,
}

impl Preset {
    /// At most two minutes on two cores.
    pub const QUICK: Preset = Preset {
        name: "quick",
        tier: Tier::Quick,
        max_call: Duration::from_millis(250),
        max_check: Duration::from_secs(1),
        processes: 3,
        timing: Timing { warmup_ms: 20, sampling_ms: 80, min_samples: 3, min_sample_us: 300 },
    };

    /// About half an hour on two cores.
    pub const FULL: Preset = Preset {
        name: "full",
        tier: Tier::Full,
        max_call: Duration::from_secs(5),
        max_check: Duration::from_secs(20),
        processes: 5,
        timing: Timing { warmup_ms: 100, sampling_ms: 500, min_samples: 5, min_sample_us: 500 },
    };

    /// The largest amount of work that `predict` says to fit into four fifths of `budget` (the rest is
    /// for oracles and for what no prediction knows); the smallest there is if none fits.
    pub fn within(budget: Duration, predict: impl Fn(&Preset) -> Duration) -> Preset {
        let sizes = [4.0, 2.0, 1.0, 0.5, 0.25, 0.12, 0.06, 0.03].map(Preset::sized);
        let [.., smallest] = sizes;
        let fits = |preset: &Preset| predict(preset) <= budget.mul_f64(0.8);
        sizes.into_iter().find(fits).unwrap_or(smallest)
    }

    /// [`Preset::FULL`], times `size`.
    fn sized(size: f64) -> Preset {
        let ms = |full: u64| ((full as f64 * size) as u64).max(5);
        let Timing { warmup_ms, sampling_ms, .. } = Preset::FULL.timing;
        Preset {
            name: "budget",
            tier: if size < 0.25 { Tier::Quick } else { Tier::Full },
            max_call: Preset::FULL.max_call.mul_f64(size),
            max_check: Preset::FULL.max_check.mul_f64(size),
            processes: if size < 0.25 { 3 } else { 5 },
            timing: Timing {
                warmup_ms: ms(warmup_ms),
                sampling_ms: ms(sampling_ms),
                ..Preset::QUICK.timing
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gets_the_largest_amount_of_work_that_fits() {
        let cells = 100;
        let predict = |preset: &Preset| {
            Duration::from_millis(preset.timing.sampling_ms) * preset.processes * cells
        };
        for seconds in [15, 60, 600, 3600] {
            let budget = Duration::from_secs(seconds);
            let preset = Preset::within(budget, predict);
            assert!(predict(&preset) <= budget, "{seconds} s");
        }
        let small = Preset::within(Duration::from_secs(1), predict);
        assert_eq!(small, Preset::sized(0.03), "the smallest there is");
        assert!(Preset::within(Duration::from_secs(3600), predict).timing.sampling_ms >= 2000);
    }
}
