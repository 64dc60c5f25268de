//! What notes and textbooks say about attention, one measurement and one verdict per sentence.
//!
//! Every claim is a module with the same parts:
//!
//! ```text
//! Measurement            what was found, as numbers
//! measure(context)       finds it: backends checked by the oracle, times taken in turns
//! verdict(&measurement)  holds | holds with a condition | does not hold as stated, and why
//! claim(context)         both, with sentence, figure and picture
//! ```
//!
//! `verdict` is a pure function of the measurement, so that no verdict is written down beforehand: a
//! test of each claim turns the measurement and sees the verdict turn.
//!
//! | module | claim |
//! |---|---|
//! | [`normalised`] | weights of a query are not negative and sum to 1 |
//! | [`shared`] | one query matrix serves all tokens |
//! | [`alignment`] | keys that point where the query points have large scores |
//! | [`masking`] | masking before the softmax keeps the sum, masking after it does not |
//! | [`zero_scores`] | a score of 0 does not mask |
//! | [`later_tokens`] | a later token changes nothing earlier |
//! | [`change`] | the change of a token is the weighted sum of the values |
//! | [`noun`] | where a noun looks, with its adjectives before it |
//! | [`parameters`] | the counts of GPT-3 |
//! | [`low_rank`] | the factored value matrix costs what keys and queries cost |
//! | [`faster`] | multiplicative scores are faster than additive ones |
//! | [`memory`] | and need less memory |
//! | [`growth`] | additive scores cost O(d), multiplicative ones O(1) |
//! | [`parallel`] | self-attention runs in parallel, a recurrent network does not |
//! | [`efficiency`] | therefore it is faster |
//! | [`distance`] | distant tokens are one step away |
//!
//! ```
//! use attn_claims::parameters;
//! use attn_record::claims::ClaimVerdict;
//!
//! let mut found = parameters::measure()?;
//! assert_eq!(parameters::verdict(&found).0, ClaimVerdict::Holds);
//! found.head += 1;
//! assert_eq!(parameters::verdict(&found).0, ClaimVerdict::DoesNotHold);
//! # Ok::<(), attn_claims::ClaimError>(())
//! ```

mod additive;
mod context;
mod error;
mod probe;
mod recurrent;
mod timing;

pub mod alignment;
pub mod change;
pub mod distance;
pub mod efficiency;
pub mod faster;
pub mod growth;
pub mod later_tokens;
pub mod low_rank;
pub mod masking;
pub mod memory;
pub mod normalised;
pub mod noun;
pub mod parallel;
pub mod parameters;
pub mod shared;
pub mod zero_scores;

pub use additive::Pair;
pub use context::{Context, RealLayer};
pub use error::ClaimError;

use attn_record::claims::Claim;

/// How one claim is made.
pub type Make = fn(&Context<'_>) -> Result<Claim, ClaimError>;

/// Every claim, in the order of the notes.
pub const ALL: [(&str, Make); 16] = [
    ("alignment", alignment::claim),
    ("query-matrix", shared::claim),
    ("weights", normalised::claim),
    ("noun", noun::claim),
    ("masking", masking::claim),
    ("zero-scores", zero_scores::claim),
    ("later-tokens", later_tokens::claim),
    ("change", change::claim),
    ("parameters", parameters::claim),
    ("low-rank", low_rank::claim),
    ("faster", faster::claim),
    ("memory", memory::claim),
    ("growth", growth::claim),
    ("parallel", parallel::claim),
    ("efficiency", efficiency::claim),
    ("distance", distance::claim),
];

/// The parts of the notes.
mod section {
    pub(crate) const HEAD: &str = "Self-attention head";
    pub(crate) const VALUES: &str = "Value vectors";
    pub(crate) const MULTIPLICATIVE: &str = "Multiplicative attention";
    pub(crate) const SELF_ATTENTION: &str = "Self-attention";
}
