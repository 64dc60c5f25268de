//! The attention layer around a [`Backend`](attn_core::Backend): tokens in, changed tokens out.
//!
//! Rows are tokens. A layer takes embeddings `x` `[B, N, M]`, M numbers for each of N tokens, and
//! every head h has four matrices:
//!
//! ```text
//! Q = x W_Q[h]                       what each token looks for            [N, D]
//! K = c W_K[h]                       what each token offers               [N, D]
//! V = c W_down[h]                    what it would add, at low rank       [N, Dv]
//! O = softmax(scale Q K^T + mask) V  the mix of what is offered           [N, Dv]
//! delta = sum over h of O W_up[h]    back to the width of an embedding    [N, M]
//! out = x + delta                    the token, changed by its context
//! ```
//!
//! In self-attention the context `c` is `x`; in cross attention (encoder to decoder) it is another
//! sequence. `W_down W_up` is the value matrix, M x M, as a product of two narrow ones. Causal
//! masking sets the scores of later tokens to -inf *before* the softmax, so that the weights of the
//! others still sum to 1. Trained models add a bias to each product; [`Biases`] are optional.
//!
//! The attention itself is any backend's, the other products are any [`Projection`]'s. The layer
//! is stored and computed in f32.
//!
//! ```
//! use attn_core::{Alignment, Exec};
//! use attn_head::{Engines, Layer, LayerProblem, LayerSpec, Naive, Weights};
//!
//! // Two tokens of width 2, one head; every matrix is the identity.
//! let spec = LayerSpec { causal: Some(Alignment::TopLeft), ..LayerSpec::square(1, 2, 2, 2) };
//! let problem = LayerProblem::new(spec)?;
//! let one = vec![1.0, 0.0, 0.0, 1.0];
//! let weights = Weights { q: one.clone(), k: one.clone(), down: one.clone(), up: one, biases: None };
//! let engines = Engines { backend: &attn_naive::Naive, projection: &Naive, exec: Exec::SINGLE };
//! let mut layer = Layer::prepare(&problem, &weights, engines)?;
//! let out = layer.forward(&[3.0, 0.0, 0.0, 3.0], None)?;
//! // The first token sees only itself, so its change is its own value.
//! assert_eq!(out[..2], [6.0, 0.0]);
//! # Ok::<(), attn_head::LayerError>(())
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`LayerProblem`] | sizes and masking |
//! | [`Weights`] | the matrices of all heads |
//! | [`Layer`] | project, attend, combine |
//! | [`Projection`] | `C += A B` by plain loops, ndarray, faer or candle |
//! | [`params`] | how many numbers a model's attention consists of |

mod error;
mod layer;
pub mod params;
mod problem;
mod projection;
mod weights;

pub use error::LayerError;
pub use layer::{Engines, Layer};
pub use problem::{LayerProblem, LayerSpec};
pub use projection::{Candle, Faer, Matrix, Naive, Ndarray, Projection, all, named};
pub use weights::{Biases, Weights};
