//! What CPU backends over plain slices share.
//!
//! ```text
//! HostPlan    load: copy, zero what nobody reads;  run: widen half types, one head after another, narrow
//! Head        the matrices of one query head, and what its mask, window, bias and sink say of a row
//! Projections queries and keys as general and additive scores compare them, and the additive rows
//! softmax     one row of raw scores -> weights, their sum and log-sum-exp
//! ```
//!
//! A backend brings a [`HeadKernel`]: how one head is computed. The oracle shares none of this.

mod head;
mod plan;
mod projections;
mod real;
mod scratch;
mod softmax;

pub use head::{Head, HeadOutput, supports};
pub use plan::{HeadKernel, HostPlan};
pub use projections::{Compared, Product, Projections};
pub use real::{Real, Storage};
pub use scratch::Scratch;
pub use softmax::{Block, Normaliser, softmax};
