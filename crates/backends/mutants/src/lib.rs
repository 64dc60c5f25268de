//! Deliberately wrong attention backends: the detector is itself tested.
//!
//! Each mutant is one honest kernel, tiled and with an online softmax, with one step replaced: one
//! small bug of the kind that real kernels have had. A check that is worth its name kills them all.
//!
//! | theme | bugs |
//! |---|---|
//! | `scores` | scale, softcap, the dot product itself |
//! | `weights` | general and additive scores: matrices, heads, tanh |
//! | `masking` | causal masking and its alignment, windows, padding, how a key is excluded |
//! | `bias` | masks and ALiBi |
//! | `softmax` | maximum, rescaling, normalisation |
//! | `tiles` | first and last keys, rows and columns, tails of tiles |
//! | `heads` | which head, which batch, which layout |
//! | `sinks` | sinks and the log-sum-exp |
//! | `precision` | arithmetic coarser than the backend says |
//! | `memory` | stale, unwritten, misplaced and twice written results |
//!
//! Beside them are [`faults`], which do not return, and `cheats`, a feature, which are right where they are checked and look faster
//! than they are.
//!
//! ```
//! let mutants = attn_mutants::all();
//! assert!(mutants.iter().any(|mutant| mutant.id == "mutant/causal-admits-one-more"));
//! ```

#[cfg(feature = "cheats")]
mod cheat;
mod compared;
mod corpus;
mod fault;
mod foreign;
mod parts;
mod steps;
mod tiled;

use attn_core::Backend;

#[cfg(feature = "cheats")]
pub use cheat::{Cheat, cheats};
pub use fault::faults;

use crate::steps::HONEST;
use crate::tiled::Tiled;

/// A backend with one bug.
pub struct Mutant {
    /// `mutant/` and the bug's name; also the id of the backend.
    pub id: &'static str,
    /// The bug in one line.
    pub description: &'static str,
    /// The theme, see the table of this crate.
    pub family: &'static str,
    /// The backend. Supports every problem, and is right where the bug does not show.
    pub backend: Box<dyn Backend>,
}

/// Every mutant, theme by theme.
pub fn all() -> Vec<Mutant> {
    let themes = corpus::THEMES.iter();
    themes
        .flat_map(|(family, bugs)| {
            bugs.iter().map(|&(id, description, steps)| Mutant {
                id,
                description,
                family,
                backend: Box::new(Tiled { id, steps, style: None }),
            })
        })
        .collect()
}

/// The same kernel without a bug: whatever kills this is a false positive.
pub fn control() -> Mutant {
    let id = "mutant/none";
    let backend = Box::new(Tiled { id, steps: HONEST, style: None });
    Mutant { id, description: "the honest kernel", family: "control", backend }
}

/// Honest kernels of other arithmetics, for results that are judged as if they had been computed elsewhere. They
/// say of themselves what the honest kernel says.
pub fn foreign() -> Vec<Mutant> {
    let kernel = |&(id, description, style): &(&'static str, &'static str, _)| {
        let backend = Box::new(Tiled { id, steps: HONEST, style: Some(style) });
        Mutant { id, description, family: "foreign", backend }
    };
    foreign::STYLES.iter().map(kernel).collect()
}
