//! Additive attention (Bahdanau et al. 2015) in tiles, with vector instructions, and without the hidden layer
//! in memory.
//!
//! Written with tensors, `w . tanh(W_q^T q + W_k^T k)` asks for `Nq x Nk x A` numbers at once. Here a row
//! keeps the scores of one tile of 64 keys, and the hidden layer exists in registers only:
//!
//! ```text
//! once per head     k_j = W_k^T k_j             packed so that the 64 keys of a tile lie side by side
//! per row           q   = W_q^T q
//!   per tile        s_j += w_a tanh(q_a + k_ja)       for every a, 64 keys at a time
//!                   m' = max(m, max_j s_j),  p_j = exp(s_j - m')
//!                   l  = exp(m - m') l + sum_j p_j
//!                   o  = exp(m - m') o + sum_j p_j v_j
//!   o / l
//! ```
//!
//! Scratch is the projected keys of one head, and a query, a tile of scores and an output row per thread:
//! O(N). Compared with `naive` the tanh is what changed: a polynomial that the compiler turns into
//! vector instructions (`tanh.rs`), so its speed follows what the program was compiled for. Rows that admit no key are
//! exactly 0. Other scores are refused: they are matrix products, and this kernel is none.
//!
//! ```
//! use attn_core::{Exec, InputDistribution, Inputs, Problem, compute};
//!
//! let problem = Problem::new("N7x9 D8 additive:A=16,w_q,w_k,w".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let out = compute(&attn_additive::Additive, &problem, &Exec::SINGLE, &inputs)?;
//! assert_eq!(out.o().tensor().dims(), problem.shape().out());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod kernel;
mod tanh;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, Exec, Feature, Plan, Problem,
    ScoreKind, SumOrder, Unavailable, Unsupported, with_type,
};
use attn_host::{HostPlan, Storage};

use crate::kernel::TILE;
use crate::tanh::Lane;

/// The backend `additive`. Supports every problem whose score is additive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Additive;

impl Backend for Additive {
    fn id(&self) -> BackendId {
        BackendId::new("additive")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            arithmetic: Arithmetic {
                order: SumOrder::Blocked(TILE as u32),
                online: true,
                ..Arithmetic::PLAIN
            },
            ..BackendInfo::on_cpu(concat!("attn-additive ", env!("CARGO_PKG_VERSION")))
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        match problem.score().kind() {
            ScoreKind::Additive => attn_host::supports(problem),
            kind @ (ScoreKind::ScaledDot | ScoreKind::General) => Err(Unsupported {
                feature: Feature::Score(kind),
                why: "this kernel computes additive scores only",
            }),
        }
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let threads = exec.threads.get();
        Ok(with_type!(problem.dtype(), T => plan::<T>(problem, threads)))
    }
}

fn plan<S: Storage<Compute: Lane>>(problem: &Problem, threads: usize) -> Box<dyn Plan> {
    let kernel = kernel::Additive::<S::Compute>::new(problem, threads);
    Box::new(HostPlan::<S, _>::new(problem, kernel))
}
