//! Raw scores as tensor operations.
//!
//! ```text
//! scaled-dot   Q K^T                                                 matmul
//! general      (Q W) K^T                                             matmul, matmul
//! additive     tanh(Q W_q [.., Nq, 1, A] + K W_k [.., 1, Nk, A]) w   matmul, broadcast_add, tanh, matmul
//! ```
//!
//! The sum inside the tanh is a tensor `[B, Hq, Nq, Nk, A]`, and so is its tanh: A times the memory of
//! the scores, twice. That is how additive attention is written with tensors, and why it is said to need
//! so much.

use attn_core::{Problem, Score, ScoreWeights, Shape};
use candle_core::{D, Result as CandleResult, Tensor};

/// `[B, Hq, Nq, Nk]`, before the scale.
pub(crate) fn raw(
    problem: &Problem,
    q: &Tensor,
    k: &Tensor,
    weights: &ScoreWeights<Tensor>,
) -> CandleResult<Tensor> {
    match problem.score() {
        Score::ScaledDot => q.matmul(&repeated(problem, k)?.t()?),
        Score::General { .. } => {
            projected(q, weights.w.as_ref())?.matmul(&repeated(problem, k)?.t()?)
        }
        Score::Additive { .. } => additive(problem, q, k, weights),
    }
}

fn additive(
    problem: &Problem,
    q: &Tensor,
    k: &Tensor,
    weights: &ScoreWeights<Tensor>,
) -> CandleResult<Tensor> {
    let Shape { batch, heads_q, len_q, len_k, .. } = *problem.shape();
    let q = projected(q, weights.w_q.as_ref())?;
    let k = match &weights.w_k {
        // Each query head has its own matrix for the keys that it shares with others.
        Some(w_k) if w_k.dim(1)? > 1 => projected(&repeated(problem, k)?, Some(w_k))?,
        w_k => repeated(problem, &projected(k, w_k.as_ref())?)?,
    };
    let hidden = q.unsqueeze(3)?.broadcast_add(&k.unsqueeze(2)?)?.tanh()?;
    let Some(w) = &weights.w else {
        return hidden.sum(D::Minus1);
    };
    let pairs = hidden.reshape((batch, heads_q, len_q * len_k, ()))?;
    projected(&pairs, Some(&w.t()?))?.reshape((batch, heads_q, len_q, len_k))
}

/// `x [B, H, N, rows]` times `matrix [1, 1|H, rows, columns]`; itself without one.
fn projected(x: &Tensor, matrix: Option<&Tensor>) -> CandleResult<Tensor> {
    let Some(matrix) = matrix else {
        return Ok(x.clone());
    };
    let shared = matrix.dim(1)? == 1;
    // A matrix of rank 2 is not copied for every head.
    x.broadcast_matmul(&if shared { matrix.squeeze(0)?.squeeze(0)? } else { matrix.clone() })
}

/// Every head of `kv` as often as query heads share it.
pub(crate) fn repeated(problem: &Problem, kv: &Tensor) -> CandleResult<Tensor> {
    let shape = problem.shape();
    if shape.group() == 1 {
        return Ok(kv.clone());
    }
    let width = kv.dim(D::Minus1)?;
    let copies = vec![kv; shape.group()];
    Tensor::cat(&copies, 2)?.reshape((shape.batch, shape.heads_q, shape.len_k, width))
}

/// Elements that live at once while the scores of a general or additive problem come about: projected
/// queries and repeated keys beside the scores, or the hidden layer before and after its tanh beside the
/// projections.
pub(crate) fn scratch(problem: &Problem) -> usize {
    let shape = problem.shape();
    let heads = shape.batch * shape.heads_q;
    let pairs = heads * shape.len_q * shape.len_k;
    let width = problem.score().width(shape);
    let weights = problem.score_weights();
    let queries = |projects: bool| if projects { heads * shape.len_q * width } else { 0 };
    let keys = |copies: bool| if copies { heads * shape.len_k * width } else { 0 };
    let grouped = shape.group() > 1;
    match problem.score() {
        Score::ScaledDot => 0,
        Score::General { w } => pairs + queries(w.is_some()) + keys(grouped),
        Score::Additive { .. } => {
            let own = queries(weights.w_q.is_some()) + keys(grouped || weights.w_k.is_some());
            2 * pairs * width + own
        }
    }
}
