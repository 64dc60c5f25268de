//! One case: a problem, where its inputs come from, and what is done with it.

use attn_core::{InputDistribution, Problem, Work};
use attn_record::{Axis, Timing};
use serde::Deserialize;

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Path: the file's path, the case's name and, in a sweep, the value: `sweep/seq-len/full/n=256`.
    pub id: String,
    /// The size that varies, in a sweep.
    pub axis: Option<Axis>,
    /// The smallest preset that runs it.
    pub tier: Tier,
    /// Measured as well as checked.
    pub measure: bool,
    /// Measured with all cores as well as with one thread.
    pub all_cores: bool,
    /// What is timed.
    pub timings: Vec<Timing>,
    /// The problem.
    pub problem: Problem,
    /// Where the inputs come from.
    pub source: Source,
    /// Useful work of one call.
    pub work: Work,
}

impl Case {
    /// One of normal inputs that every preset checks and times.
    pub(super) fn stated(id: String, problem: Problem) -> Self {
        let source = Source::Generated { distribution: InputDistribution::Normal, seed: 1 };
        Case {
            id,
            axis: None,
            tier: Tier::Quick,
            measure: true,
            all_cores: false,
            timings: vec![Timing::Kernel],
            work: Work::of(&problem, None),
            problem,
            source,
        }
    }
}

/// Which presets run a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Every preset.
    #[default]
    Quick,
    /// The full preset only.
    Full,
    /// No preset of `attn run`: `attn check` alone, or where it is selected by name.
    Check,
}

impl Tier {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Quick => "quick",
            Tier::Full => "full",
            Tier::Check => "check",
        }
    }
}

/// Where the inputs of a case come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A seeded generator.
    Generated {
        /// Distribution.
        distribution: InputDistribution,
        /// Seed.
        seed: u64,
    },
    /// An attn-case file.
    File {
        /// Path as the suite's [`Files`](super::Files) knows it.
        path: String,
    },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Generated { distribution, seed } => {
                write!(f, "{}, seed {seed}", distribution.name())
            }
            Source::File { path } => f.write_str(path),
        }
    }
}
