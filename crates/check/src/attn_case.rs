//! The file format attn-case/1: one problem with its tensors, as a `.safetensors` file.
//!
//! | tensor | type | dimensions |
//! |---|---|---|
//! | `q`, `k`, `v` | F64, F32, F16 or BF16, all the same | `[B,Hq,Nq,D]`, `[B,Hkv,Nk,Dk]`, `[B,Hkv,Nk,Dv]` |
//! | `w` of a general score | as q | `[Hq\|1,D,Dk]` |
//! | `w_q`, `w_k`, `w` of an additive score | as q | `[Hq\|1,D,A]`, `[Hq\|1,Dk,A]`, `[Hq\|1,A]` |
//! | `mask` | BOOL or U8 (1 = attend), or any float (additive) | `[B\|1,Hq\|1,Nq\|1,Nk\|1]` |
//! | `kv_len` | I64 | `[B]` |
//! | `alibi_slopes`, `sinks` | F32 | `[Hq]` |
//! | `out`, to be judged | as q, or F32 | `[B,Hq,Nq,Dv]` |
//! | `lse`, to be judged | F32; F64 for F64 | `[B,Hq,Nq]` |
//!
//! All but q, k and v are optional. Under the metadata key `attn_case` lies a JSON string:
//!
//! ```json
//! {"schema":"attn-case/1","score":"scaled-dot","scale":null,"causal":null,"align":null,
//!  "window":{"left":3,"right":null},"softcap":null,"out":{"rtol":1e-3,"atol":1e-7},
//!  "arithmetic":{"scores":"bf16","weights":"bf16","sums":"f32"},"lse_base":2,
//!  "tokens":{"q":["a"],"k":["a"]},"source":null}
//! ```
//!
//! Absent keys are null, but for `schema` and `score`, which are required. `causal` and `align` are null, `"top-left"`, `"bottom-right"` or
//! `{"offset":n}`. With `out.rtol` and `out.atol` the rule for `out` is
//! `|out - truth| <= atol + rtol |truth|`, without them the budget of its arithmetic. `arithmetic` says how `out` and `lse`
//! were computed: `scores` is `f64`, `f32`, `tf32`, `bf16`, `f16` or `int8` (q and k quantised to -127..=127 with a factor per row
//! or per head; scaled-dot only), `weights` is one of these but int8, `sums` is a storage type. What is not declared is taken as the
//! strictest that is usual: weights in the type of q, everything else in it or in f32 for the half types. `lse_base` 2
//! says that `lse` is in base 2. A file may have `lse` without `out`; `"lse": true` says that the problem asks for one
//! that the file does not have. `score` is
//! `scaled-dot`, `general` or `additive` ([`attn_core::Score`] has the formulas); a matrix that is absent is the identity,
//! an absent `w` of an additive score all ones. Unknown keys and unknown tensors are refused by name,
//! never ignored.

#[cfg(feature = "files")]
mod format;
#[cfg(feature = "files")]
mod score;
#[cfg(feature = "files")]
mod tensors;

use attn_core::{ClaimArithmetic, Inputs, Problem, Tensor};
#[cfg(feature = "files")]
pub use format::FormatError;
use serde::{Deserialize, Serialize};

/// A parsed file.
#[derive(Clone, Debug, PartialEq)]
pub struct AttnCase {
    /// The problem that shapes and metadata state. It asks for the log-sum-exp if the file has one.
    pub problem: Problem,
    /// Everything that is read.
    pub inputs: Inputs,
    /// A result to be judged.
    pub claim: Option<Claim>,
    /// Labels of the rows of q and k, if given.
    pub tokens: Option<Tokens>,
    /// Where the numbers come from.
    pub source: Option<String>,
}

/// A result that was computed elsewhere: an output, a log-sum-exp, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// `[B, Hq, Nq, Dv]`.
    pub out: Option<Tensor>,
    /// `[B, Hq, Nq, 1]`.
    pub lse: Option<Tensor>,
    /// Whether the log-sum-exp is in base 2.
    pub lse_base_two: bool,
    /// The rule that the file asks for, instead of the budget.
    pub tolerance: Option<Tolerance>,
    /// How it was computed, if the file says so.
    pub arithmetic: Option<ClaimArithmetic>,
}

/// `|out - truth| <= atol + rtol |truth|`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Relative part.
    pub rtol: f64,
    /// Absolute part.
    pub atol: f64,
}

/// One label per row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Of q.
    pub q: Vec<String>,
    /// Of k and v.
    pub k: Vec<String>,
}
