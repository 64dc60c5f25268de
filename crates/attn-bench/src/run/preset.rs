//! How much a run does.

use std::time::Duration;

use crate::cell::Timing;
use crate::suite::Tier;

/// A named amount of work.
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
    /// Of measured cells.
    pub timing: Timing,
}

impl Preset {
    /// At most two minutes on two cores.
    pub const QUICK: Preset = Preset {
        name: "quick",
        tier: Tier::Quick,
        max_call: Duration::from_millis(250),
        max_check: Duration::from_secs(1),
        timing: Timing { warmup_ms: 40, sampling_ms: 160, min_samples: 5, min_sample_us: 500 },
    };

    /// About half an hour on two cores.
    pub const FULL: Preset = Preset {
        name: "full",
        tier: Tier::Full,
        max_call: Duration::from_secs(5),
        max_check: Duration::from_secs(20),
        timing: Timing { warmup_ms: 200, sampling_ms: 2000, min_samples: 10, min_sample_us: 1000 },
    };

    /// Every preset.
    pub const ALL: [Preset; 2] = [Preset::QUICK, Preset::FULL];
}
