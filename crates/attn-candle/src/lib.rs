//! Attention over candle on the CPU, in the two ways that candle offers.
//!
//! - [`Composed`], `candle/composed`: tensor operations, as most of candle-transformers' models do it.
//! - [`Fused`], `candle/fused`: `candle_nn::attention::flash_attn`, one pass with an online softmax.
//!
//! Both run on pools that are fixed for the life of a process: rayon's global one
//! (`RAYON_NUM_THREADS`), and candle's spinning one (`CANDLE_NUM_THREADS`).

mod composed;
mod fused;
mod plan;
mod scores;

pub use composed::Composed;
pub use fused::Fused;
