//! The mutants, one file per theme.

mod bias;
mod heads;
mod masking;
mod memory;
mod precision;
mod scores;
mod sinks;
mod softmax;
mod tiles;
mod weights;

use std::ops::Range;

use attn_core::{ProblemSpec, Score};

use crate::steps::Steps;

/// Id, description and steps.
pub(crate) type Bug = (&'static str, &'static str, Steps);

/// Every theme with its mutants.
pub(crate) const THEMES: &[(&str, &[Bug])] = &[
    ("scores", scores::BUGS),
    ("weights", weights::BUGS),
    ("masking", masking::BUGS),
    ("bias", bias::BUGS),
    ("softmax", softmax::BUGS),
    ("tiles", tiles::BUGS),
    ("heads", heads::BUGS),
    ("sinks", sinks::BUGS),
    ("precision", precision::BUGS),
    ("memory", memory::BUGS),
];

/// Visits every tile: for kernels that compute the scores of all keys and mask afterwards.
const EVERY: fn(&Range<usize>, usize) -> bool = |_, _| true;

/// The scale of a problem, default applied.
fn scale(spec: &ProblemSpec) -> f64 {
    let default = || match spec.score {
        Score::ScaledDot => 1.0 / (spec.shape.dim as f64).sqrt(),
        Score::General { .. } | Score::Additive { .. } => 1.0,
    };
    spec.scale.unwrap_or_else(default)
}
