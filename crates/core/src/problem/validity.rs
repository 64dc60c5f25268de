//! Which specifications state a problem.

use super::{MaskSpec, ProblemSpec};
use crate::{Score, Shape};

/// Why a [`ProblemSpec`] states no problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidProblem {
    /// A size is zero.
    #[error("{size} is 0, expected at least 1")]
    ZeroSize {
        /// Field of [`Shape`].
        size: &'static str,
    },
    /// Query heads cannot be shared out evenly.
    #[error("heads_kv = {heads_kv} does not divide heads_q = {heads_q}")]
    Heads {
        /// Query heads.
        heads_q: usize,
        /// Key and value heads.
        heads_kv: usize,
    },
    /// Two sizes differ, and the score has no matrix between them.
    #[error("{} = {}, but {} = {}: the {score} score has no matrix between them", left.0, left.1, right.0, right.1)]
    ScoreDims {
        /// The score.
        score: Score,
        /// Name and size.
        left: (&'static str, usize),
        /// Name and size.
        right: (&'static str, usize),
    },
    /// The scale is NaN or infinite.
    #[error("scale = {scale}, expected a finite number")]
    Scale {
        /// As given.
        scale: f64,
    },
    /// The softcap is not a positive number.
    #[error("softcap = {softcap}, expected a finite number above 0")]
    Softcap {
        /// As given.
        softcap: f64,
    },
    /// An axis of the mask is neither 1 nor full.
    #[error("mask dimensions {dims:?}, expected each 1 or that of {full:?}")]
    Mask {
        /// As given.
        dims: [usize; 4],
        /// `[B, Hq, Nq, Nk]`.
        full: [usize; 4],
    },
    /// `kv_len` has not one entry per batch, each at most `len_k`.
    #[error("kv_len = {kv_len:?}, expected {batch} numbers from 0 to {len_k}")]
    KvLen {
        /// As given.
        kv_len: Vec<usize>,
        /// Batches.
        batch: usize,
        /// Keys.
        len_k: usize,
    },
    /// `causal` and `align` name two diagonals.
    #[error("align is for windows and ALiBi without causal, but causal is given too")]
    TwoDiagonals,
    /// A tensor or the score matrix would not fit any machine.
    #[error("the shape {shape} has more than 2^40 elements in one tensor")]
    TooLarge {
        /// As given.
        shape: Shape,
    },
}

/// What is wrong first, if anything is.
pub(super) fn check(spec: &ProblemSpec) -> Result<(), InvalidProblem> {
    check_shape(&spec.shape)?;
    check_scores(spec)?;
    check_masking(spec)
}

fn check_shape(shape: &Shape) -> Result<(), InvalidProblem> {
    if let Some((size, _)) = shape.named().into_iter().find(|(_, n)| *n == 0) {
        return Err(InvalidProblem::ZeroSize { size });
    }
    if !shape.heads_q.is_multiple_of(shape.heads_kv) {
        let Shape { heads_q, heads_kv, .. } = *shape;
        return Err(InvalidProblem::Heads { heads_q, heads_kv });
    }
    let tensors = [shape.q(), shape.k(), shape.v(), shape.out(), shape.scores()];
    if tensors.iter().all(fits) { Ok(()) } else { Err(InvalidProblem::TooLarge { shape: *shape }) }
}

fn check_scores(spec: &ProblemSpec) -> Result<(), InvalidProblem> {
    let (score, shape) = (spec.score, spec.shape);
    if matches!(score, Score::Additive { dim: 0, .. }) {
        return Err(InvalidProblem::ZeroSize { size: "the score's dim" });
    }
    if let Some([left, right]) = score.mismatch(&shape) {
        return Err(InvalidProblem::ScoreDims { score, left, right });
    }
    let projected = [shape.batch, shape.heads_q, shape.len_q.max(shape.len_k), score.width(&shape)];
    let weights = score.weights(&shape).named().into_iter().filter_map(|(_, dims)| dims);
    if !weights.chain([projected]).all(|dims| fits(&dims)) {
        return Err(InvalidProblem::TooLarge { shape });
    }
    if let Some(scale) = spec.scale.filter(|s| !s.is_finite()) {
        return Err(InvalidProblem::Scale { scale });
    }
    match spec.softcap.filter(|c| !(c.is_finite() && *c > 0.0)) {
        Some(softcap) => Err(InvalidProblem::Softcap { softcap }),
        None => Ok(()),
    }
}

fn check_masking(spec: &ProblemSpec) -> Result<(), InvalidProblem> {
    let Shape { batch, len_k, .. } = spec.shape;
    if spec.causal.is_some() && spec.align.is_some() {
        return Err(InvalidProblem::TwoDiagonals);
    }
    if let Some(MaskSpec { dims, .. }) = spec.mask {
        let full = spec.shape.scores();
        if !dims.iter().zip(full).all(|(&d, full)| d == 1 || d == full) {
            return Err(InvalidProblem::Mask { dims, full });
        }
    }
    match &spec.kv_len {
        Some(kv_len) if kv_len.len() != batch || kv_len.iter().any(|&n| n > len_k) => {
            Err(InvalidProblem::KvLen { kv_len: kv_len.clone(), batch, len_k })
        }
        _ => Ok(()),
    }
}

fn fits(dims: &[usize; 4]) -> bool {
    dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_some_and(|n| n <= 1 << 40)
}
