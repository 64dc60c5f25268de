//! General and additive scores: their matrices, their heads, their tanh.

use attn_core::{DType, Score, ScoreKind};

use super::Bug;
use super::heads::transposed;
use crate::steps::{HONEST, Steps};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/general-transposed",
        "W of a general score is read as [Dk, D]",
        Steps {
            parts: |problem, parts| {
                if let (ScoreKind::General, Some((dims, w))) =
                    (problem.score().kind(), &mut parts.weights.w)
                {
                    *w = transposed(w, dims[2], dims[3]);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/general-without-matrix",
        "W of a general score is ignored where it is square",
        Steps {
            parts: |problem, parts| {
                let square = problem.shape().dim == problem.shape().dim_k();
                if square && problem.score().kind() == ScoreKind::General {
                    parts.weights.w = None;
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/weights-of-kv-head",
        "query head h uses the weights of head h / (Hq / Hkv): as if there were one per key head",
        Steps { weight_head: |shape, h| shape.kv_head(h), ..HONEST },
    ),
    (
        "mutant/weights-of-head-0",
        "every query head uses the weights of the first",
        Steps { weight_head: |_, _| 0, ..HONEST },
    ),
    (
        "mutant/additive-without-tanh",
        "an additive score is w.(q + k): the same order of keys for every query",
        Steps { hidden: |q, k| q + k, ..HONEST },
    ),
    (
        "mutant/additive-tanh-of-query",
        "an additive score takes the tanh of the query alone",
        Steps { hidden: |q, k| q.tanh() + k, ..HONEST },
    ),
    (
        "mutant/additive-tanh-before-sum",
        "an additive score is w.(tanh q + tanh k)",
        Steps { hidden: |q, k| q.tanh() + k.tanh(), ..HONEST },
    ),
    (
        "mutant/additive-difference",
        "an additive score is w.tanh(q - k)",
        Steps { hidden: |q, k| (q - k).tanh(), ..HONEST },
    ),
    (
        "mutant/additive-tanh-coarse",
        "tanh by a rational function, good to 1.4e-3",
        Steps { hidden: |q, k| coarse_tanh(q + k), ..HONEST },
    ),
    (
        "mutant/additive-tanh-overflows",
        "tanh is (exp(2x) - 1) / (exp(2x) + 1) in f32: NaN from x = 45 on",
        Steps {
            hidden: |q, k| {
                let e = ((2.0 * (q + k)) as f32).exp();
                f64::from((e - 1.0) / (e + 1.0))
            },
            ..HONEST
        },
    ),
    (
        "mutant/additive-hidden-in-bf16",
        "the hidden layer is kept in bf16",
        Steps { hidden: |q, k| DType::BF16.round((HONEST.hidden)(q, k)), ..HONEST },
    ),
    (
        "mutant/additive-without-w",
        "w of an additive score is ignored",
        Steps {
            parts: |problem, parts| {
                if problem.score().kind() == ScoreKind::Additive {
                    parts.weights.w = None;
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/additive-matrices-swapped",
        "W_q and W_k are swapped, where they have the same shape",
        Steps {
            parts: |_, parts| {
                let dims = |w: &Option<([usize; 4], Vec<f64>)>| w.as_ref().map(|w| w.0);
                let weights = &mut parts.weights;
                if dims(&weights.w_q) == dims(&weights.w_k) {
                    std::mem::swap(&mut weights.w_q, &mut weights.w_k);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/score-scaled-by-dim",
        "general and additive scores are scaled by 1/sqrt(D) like a dot product",
        Steps {
            asked: |spec| {
                if spec.scale.is_none() && spec.score != Score::ScaledDot {
                    spec.scale = Some(1.0 / (spec.shape.dim as f64).sqrt());
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/projections-in-bf16",
        "projected queries and keys are rounded to bf16",
        Steps { projected: |x| DType::BF16.round(x), ..HONEST },
    ),
    (
        "mutant/projections-in-tf32",
        "projected queries and keys keep 10 bits: tensor cores were left on for the projections",
        Steps { projected: super::precision::tf32, ..HONEST },
    ),
];

/// The Padé approximant of order 5 / 4, cut off at 1.
fn coarse_tanh(x: f64) -> f64 {
    let y = x * x;
    let t = x * (945.0 + y * (105.0 + y)) / (945.0 + y * (420.0 + 15.0 * y));
    t.clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_tanh_is_as_coarse_as_it_says() {
        let error =
            |at: i32| (coarse_tanh(f64::from(at) / 100.0) - (f64::from(at) / 100.0).tanh()).abs();
        let worst = (-2000..2000).map(error).fold(0.0, f64::max);
        assert!((1e-3..1.4e-3).contains(&worst), "{worst}");
    }
}
