//! Why a claim was not tested.

use attn_bench::cell::CellError;
use attn_bench::expected::ExpectedError;
use attn_core::{BackendError, Finding, InvalidInputs, InvalidProblem};
use attn_head::LayerError;

/// A measurement failed; this says nothing about the claim.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A problem is not valid.
    #[error(transparent)]
    Problem(#[from] InvalidProblem),
    /// Inputs do not fit.
    #[error(transparent)]
    Inputs(#[from] InvalidInputs),
    /// A layer failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A backend could not be prepared.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// There is no oracle.
    #[error(transparent)]
    Expected(#[from] ExpectedError),
    /// A backend is wrong, and what is wrong is not timed.
    #[error("{backend} disagrees with the oracle: {finding}")]
    Disagrees {
        /// Its id.
        backend: String,
        /// What is wrong.
        finding: Finding,
    },
    /// The recurrent baseline is not what its definition says.
    #[error("the recurrent baseline is off by {error:e}, expected at most {allowed:e}")]
    Recurrent {
        /// The largest error.
        error: f64,
        /// What rounding explains.
        allowed: f64,
    },
    /// A pool of threads could not be made.
    #[error("rayon: {0}")]
    Threads(String),
    /// What the claim is about is not there.
    #[error("{0}")]
    Missing(String),
}
