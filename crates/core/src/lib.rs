//! The vocabulary of `attn`: what a problem is, what it is computed on, and how an implementation
//! is asked. No I/O, and no arithmetic beyond counting.
//!
//! ```text
//! ProblemSpec -> Problem + Inputs -> Backend::prepare -> Plan::{load, run, store} -> Output
//! ```
//!
//! ```
//! use attn_core::{InputDistribution, Inputs, Problem, ProblemSpec};
//!
//! let spec: ProblemSpec = "B2 H8/2 N3x5 D4 f32 causal:bottom-right".parse()?;
//! let problem = Problem::new(spec)?;
//! assert_eq!(problem.admitted(0, 0), 0..3); // the first of three queries sees three of five keys
//!
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! assert_eq!(inputs.k().dims(), [2, 2, 5, 4]); // [B, Hkv, Nk, D]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod backend_info;
mod distribution;
mod dtype;
mod inputs;
mod mask;
mod output;
mod problem;
mod random;
mod reads;
mod score;
mod shape;
mod tensor;
pub mod text;
mod variation;
mod verdict;
mod work;

pub use backend::{
    Asked, Backend, BackendError, BackendId, ByRows, Exec, Feature, Footprint, PhaseTime, Plan,
    Unavailable, Unsupported, compute, run_once,
};
pub use backend_info::{
    Arithmetic, BackendInfo, ClaimArithmetic, Format, Precision, SumOrder, ThreadPolicy,
    target_features,
};
pub use distribution::InputDistribution;
pub use dtype::{DType, Data, Element};
#[doc(hidden)]
pub use half::{bf16, f16};
pub use inputs::{InputParts, Inputs, InvalidInputs};
pub use mask::Mask;
pub use output::{Fenced, Output, lse_dtype};
pub use problem::{Alignment, InvalidProblem, MaskKind, MaskSpec, Problem, ProblemSpec, Window};
pub use score::{Score, ScoreKind, ScoreWeights, Span};
pub use shape::Shape;
pub use tensor::{Tensor, WrongLength};
pub use variation::{Variation, Varied};
pub use verdict::{Finding, Metrics, Verdict, Worst};
pub use work::{Bytes, Flops, Work};
