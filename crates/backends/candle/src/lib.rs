//! Attention over candle, in the ways that it offers.
//!
//! - [`Composed`], `candle/composed`: tensor operations, as most of candle-transformers' models do it.
//! - [`Fused`], `candle/fused`: `candle_nn::attention::flash_attn`, one pass with an online softmax.
//! - `Cuda`, `candle/cuda`, with the feature `cuda`: the operations of [`Composed`] on a GPU. Not yet run on
//!   hardware.
//!
//! [`countable`] says which problems its kernels can count; [`Loads`] is what a device's limits are measured with.
//!
//! The first two run on pools that are fixed for the life of a process: rayon's global one
//! (`RAYON_NUM_THREADS`), and candle's spinning one (`CANDLE_NUM_THREADS`).

mod composed;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod fused;
mod indices;
mod plan;
mod scores;

pub use composed::Composed;
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use device::Loads;
pub use fused::Fused;
pub use indices::countable;
