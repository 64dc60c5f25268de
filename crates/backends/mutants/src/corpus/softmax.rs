//! Maximum, rescaling and normalisation.

use super::Bug;
use crate::steps::{HONEST, Steps, largest};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/no-maximum",
        "exp(s) without the maximum subtracted",
        Steps { next_max: |_, _| 0.0, ..HONEST },
    ),
    (
        "mutant/maximum-of-first-tile",
        "the maximum is not updated after the first tile: right until exp overflows",
        Steps { next_max: |m, peak| if m == f64::NEG_INFINITY { peak } else { m }, ..HONEST },
    ),
    (
        "mutant/stale-maximum",
        "weights are relative to the maximum before their tile, accumulators to the one after it",
        Steps { shift: |m, next| if m == f64::NEG_INFINITY { next } else { m }, ..HONEST },
    ),
    (
        "mutant/maximum-before-negative-scale",
        "the maximum is taken of q.k and then scaled: with a negative scale it is the minimum",
        Steps {
            peak: |problem, scores| {
                if problem.scale() < 0.0 {
                    let finite = scores.iter().copied().filter(|s| s.is_finite());
                    finite.reduce(f64::min).unwrap_or(f64::NEG_INFINITY)
                } else {
                    largest(scores)
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/rescale-forgotten",
        "neither accumulator is rescaled when the maximum grows",
        Steps { rescale: |_, _, _| [1.0, 1.0], ..HONEST },
    ),
    (
        "mutant/rescale-sum-only",
        "l is rescaled, o is not",
        Steps { rescale: |exp, m, next| [exp(m - next), 1.0], ..HONEST },
    ),
    (
        "mutant/rescale-output-only",
        "o is rescaled, l is not",
        Steps { rescale: |exp, m, next| [1.0, exp(m - next)], ..HONEST },
    ),
    (
        "mutant/sum-of-last-tile",
        "l starts anew with every tile",
        Steps { rescale: |exp, m, next| [0.0, exp(m - next)], ..HONEST },
    ),
    ("mutant/exp-base-2", "exp2 without the factor log2(e)", Steps { exp: f64::exp2, ..HONEST }),
    (
        "mutant/divided-by-count",
        "o is divided by the number of keys, not by the sum of the weights",
        Steps {
            divide: |row, o, _| o / row.problem.admitted(row.b, row.i).len().max(1) as f64,
            ..HONEST
        },
    ),
    (
        "mutant/not-divided",
        "o is not divided by the sum of the weights",
        Steps { divide: |_, o, _| o, ..HONEST },
    ),
    (
        "mutant/softmax-over-queries",
        "the weights of a key sum to 1, not those of a query",
        Steps {
            columns: Some(columns),
            divide: |_, o, sums| if sums.l == 0.0 { 0.0 } else { o * sums.m.exp() },
            ..HONEST
        },
    ),
];

/// The log-sum-exp of every column of a matrix of `width` columns; 0 for columns of -inf.
fn columns(scores: &[f64], width: usize) -> Vec<f64> {
    let column = |j: usize| scores[j..].iter().step_by(width).copied();
    let lse = |j: usize| {
        let m = column(j).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = column(j).map(|s| (s - m).exp()).sum();
        if m == f64::NEG_INFINITY { 0.0 } else { m + sum.ln() }
    };
    (0..width).map(lse).collect()
}
