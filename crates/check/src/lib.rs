//! Is my attention kernel right? In any `#[test]`, with a closure:
//!
//! ```
//! use attn_check::{BF16, CAUSAL_BOTTOM_RIGHT, F32, GROUPED_HEADS, Problem};
//!
//! attn_check::forward(|p: &Problem, q: &[f32], k: &[f32], v: &[f32]| my_sdpa(p, q, k, v))
//!     .supports(GROUPED_HEADS | CAUSAL_BOTTOM_RIGHT)
//!     .dtypes([F32, BF16])
//!     .cases(200)
//!     .seed(1)
//!     .assert();
//! # fn my_sdpa(p: &Problem, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
//! #     let s = p.shape();
//! #     let mut out = vec![];
//! #     for (row, q) in q.chunks(s.dim).enumerate() {
//! #         let (b, h, i) = (row / s.len_q / s.heads_q, row / s.len_q % s.heads_q, row % s.len_q);
//! #         let first = (b * s.heads_kv + s.kv_head(h)) * s.len_k;
//! #         let key = |j: usize| &k[(first + j) * s.dim..][..s.dim];
//! #         let keys = p.admitted(b, i);
//! #         let score = |j| q.iter().zip(key(j)).map(|(q, k)| q * k).sum::<f32>() * p.scale() as f32;
//! #         let max = keys.clone().map(score).fold(f32::NEG_INFINITY, f32::max);
//! #         let w: Vec<f32> = keys.clone().map(|j| (score(j) - max).exp()).collect();
//! #         let sum: f32 = w.iter().sum();
//! #         out.extend((0..s.dim_v).map(|c| keys.clone().zip(&w).map(|(j, w)| w * v[(first + j) * s.dim_v + c]).sum::<f32>() / sum));
//! #     }
//! #     out
//! # }
//! ```
//!
//! ```text
//! O = softmax(cap(scale * Q K^T) + bias, over admitted keys) V
//!
//! q [B, Hq, Nq, D]   k [B, Hkv, Nk, D]   v [B, Hkv, Nk, Dv]   out [B, Hq, Nq, Dv]      contiguous, row-major
//! ```
//!
//! The kernel is asked random problems of all that it [supports](Check::supports), in ten kinds of inputs, small ones and some of up to
//! 300 keys. Each result is compared with an f64 oracle: every element must be within an error bound that follows from its type and its
//! operands, and the errors of each row, head and column, taken together, within what rounding explains. There is no tolerance to
//! choose. A kernel that panics, fails, returns too few elements or leaves some unwritten is reported, and the next problem follows.
//! Rows of q, k and v that no output depends on, such as keys behind a causal mask, are zeros in what closures are given.
//!
//! What is wrong is reported like this, here of a kernel whose causal mask is aligned with the first key:
//!
//! ```text
//! attn-check: 36 of 200 problems came out wrong (36 wrong values), in 4.4 s
//!   in common: all 36 have causal bottom-right, none of the 164 right ones has
//!
//! for example: B3 H1 N1x190 D48 bf16 causal:bottom-right inputs:masked-poison seed:17358008417272736978
//!   144 of 144 elements are beyond their error bound, the worst [b 0, h 0, i 0, c 20] = -2.828125e0, expected 1.043201e-1, error 2.93e0, bound 3.75e-3
//!   wrong in all batches, heads, rows and columns
//!   hint: agrees if causal = "top-left"
//!
//! smallest: B1 H1 N1x2 D1 bf16 causal:bottom-right inputs:small-ints seed:0
//!   1 of 1 elements are beyond their error bound, the worst [b 0, h 0, i 0, c 0] = 1.000000e0, expected 4.621172e-1, error 5.38e-1, bound 7.52e-3
//!   q = [-1]
//!   k = [-1, -0]
//!   v = [1, -1]
//!   out = [1], expected [0.462117]
//!
//! again: .problem("B1 H1 N1x2 D1 bf16 causal:bottom-right inputs:small-ints seed:0"), or all of them with .seed(1)
//! ```
//!
//! | function | kernels |
//! |---|---|
//! | [`forward`] | closures over slices that return their output, and perhaps a log-sum-exp |
//! | [`forward_into`] | closures that write their output, into poisoned memory between fences |
//! | [`forward_with`] | closures that also take masks, ALiBi slopes, sinks or weights of the score |
//! | `candle::forward` | over tensors of candle, with the feature `candle` |
//! | `ndarray::forward` | over arrays of ndarray, with the feature `ndarray` |
//! | [`backend`] | implementations of [`attn_core::Backend`], such as [`Closure`] |
//! | [`mutants()`] | no kernel but a comparison of one's own: which wrong kernels does it let through? |
//! | `trials` | one test for each problem, with the feature `libtest-mimic` |
//!
//! A library's tensors that are none of these are made of slices. Those of burn 0.22, whose attention has no grouped heads:
//!
//! ```ignore
//! attn_check::forward(|p: &Problem, q: &[f32], k: &[f32], v: &[f32]| {
//!     let tensor = |x: &[f32], dims: [usize; 4]| {
//!         Tensor::<4>::from_data(TensorData::new(x.to_vec(), dims), &Device::flex())
//!     };
//!     let [q, k, v] = [tensor(q, p.shape().q()), tensor(k, p.shape().k()), tensor(v, p.shape().v())];
//!     let (scale, softcap) = (Some(p.scale()), p.softcap());
//!     let options = AttentionModuleOptions { scale, softcap, is_causal: p.causal().is_some() };
//!     attention(q, k, v, None, None, options).into_data().try_to_vec::<f32>()
//! })
//! .supports(CAUSAL_BOTTOM_RIGHT | SOFTCAP | VALUE_DIM)
//! .dtypes([F32]).cases(200).seed(1).assert();
//! ```
//!
//! # What it takes
//!
//! In `Cargo.toml`, by version, or by path or address of a checkout:
//!
//! ```toml
//! [dev-dependencies]
//! attn-check = "0.1"
//! ```
//!
//! That is 22 packages and about a minute of one processor. 200 problems of a kernel like the one above take 6 s where nothing is optimised
//! and 0.3 s with `cargo test --release`. To optimise only what computes the truth, and none of the packages that are needed to compile it:
//!
//! ```toml
//! [profile.dev.package]
//! attn-core.opt-level = 3
//! attn-oracle.opt-level = 3
//! ```
//!
//! What `attn`, the program around it, does besides: it measures, draws and gates. Results of other languages it takes as files.
//!
//! The modules below are what both share: [`attn_case`] files, [`random`] problems, the judgement of results whose origin is unknown
//! ([`claim_truth`]) and the [`diagnosis`] of wrong ones.

pub mod attn_case;
#[cfg(feature = "candle")]
pub mod candle;
mod case;
mod check;
pub mod claim_truth;
mod closure;
mod common;
pub mod diagnosis;
pub mod features;
mod kernel;
#[cfg(feature = "mutants")]
mod mutants;
#[cfg(feature = "ndarray")]
pub mod ndarray;
mod panics;
pub mod random;
mod report;
mod shrink;
mod space;
mod trial;
#[cfg(feature = "libtest-mimic")]
mod trials;

pub use attn_core::DType::{self, BF16, F16, F32, F64};
pub use attn_core::{ClaimArithmetic, Format, InputDistribution, Inputs, Mask, Problem, Shape};

pub use half::{bf16, f16};

pub use case::Case;
pub use check::{Check, backend, forward, forward_into, forward_with};
pub use closure::Closure;
pub use features::*;
pub use kernel::{Kernel, Reply, Returned, Rows};
#[cfg(feature = "mutants")]
pub use mutants::{Accepts, Comparison, Fate, Survivors, mutants};
pub use report::{Failure, Report};
pub use trial::Kind;
#[cfg(feature = "libtest-mimic")]
pub use trials::trials;
