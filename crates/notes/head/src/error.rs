//! Why a layer was not computed.

use attn_core::{BackendError, InvalidInputs, InvalidProblem, Unsupported};

/// A layer is not stated, not supported or failed.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The width of the embeddings is 0.
    #[error("model is 0, expected the width of an embedding")]
    NoWidth,
    /// The attention inside the layer is no problem.
    #[error(transparent)]
    Problem(#[from] InvalidProblem),
    /// An operand has another number of elements than the problem's sizes say.
    #[error("{operand} has {found} elements, expected {expected} for {dims}")]
    Size {
        /// Its name.
        operand: &'static str,
        /// Its elements.
        found: usize,
        /// The product of the sizes.
        expected: usize,
        /// The sizes, named.
        dims: &'static str,
    },
    /// There is no context although the keys are not the queries.
    #[error("{len_k} keys for {len_q} queries are of another sequence: cross attention needs it")]
    NoContext {
        /// Queries.
        len_q: usize,
        /// Keys.
        len_k: usize,
    },
    /// The projected queries, keys or values are not finite.
    #[error("after projection, {0}")]
    Inputs(#[from] InvalidInputs),
    /// The backend does not compute the attention of this layer.
    #[error("{backend} does not support {reason}")]
    Unsupported {
        /// Its id.
        backend: String,
        /// What and why.
        reason: Unsupported,
    },
    /// The backend or a matrix product failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
