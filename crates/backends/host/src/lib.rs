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
//!
//! ```
//! use attn_core::{InputDistribution, Inputs, Problem, run_once};
//! use attn_host::{Head, HeadKernel, HeadOutput, HostPlan};
//!
//! /// Every admitted key weighs the same.
//! struct Average;
//!
//! impl HeadKernel<f32> for Average {
//!     fn attend(&mut self, head: &Head<'_, f32>, out: HeadOutput<'_, f32>) {
//!         let width = head.shape().dim_v;
//!         for (i, o) in out.o.chunks_exact_mut(width).enumerate() {
//!             let keys = head.admitted(i);
//!             o.fill(0.0);
//!             for v in head.v.chunks_exact(width).take(keys.end).skip(keys.start) {
//!                 o.iter_mut().zip(v).for_each(|(o, v)| *o += v / keys.len() as f32);
//!             }
//!         }
//!     }
//!
//!     fn scratch(&self) -> usize {
//!         0
//!     }
//! }
//!
//! let problem = Problem::new("N3 D2 causal".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let out = run_once(&mut HostPlan::<f32, _>::new(&problem, Average), &problem, &inputs)?;
//! let (o, v) = (out.o().tensor(), inputs.v());
//! assert_eq!(o.slice::<f32>().unwrap()[..2], v.slice::<f32>().unwrap()[..2]); // the first query sees one key
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
