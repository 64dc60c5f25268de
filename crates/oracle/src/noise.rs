//! What rounding errors *typically* amount to, as opposed to what they can amount to.
//!
//! The yardstick compares with naive's error, and naive can be lucky: in a row that is decided by
//! two nearly equal scores its own roundings may happen to cancel. So naive's error counts as at
//! least what is to be expected. With independent roundings of standard deviation about `u / 2`,
//!
//! ```text
//! dot     sigma_j  = u (0.4 sqrt(D) (sqrt(sum_d (q_d k_jd)^2) + |q.k|)) |scale|      partial sums of a dot product
//! general    y_e = q W: as a dot product each, then  sqrt(sum_e (k_je sigma_e)^2) + that of y.k
//! additive   sqrt(sum_a (w_a (tanh'(x_a) (sigma of both projections + |x_a|) + 1))^2) + that of w.tanh(x)
//! score   sigma_j += u (|s_j| + |s_j - m| + c + |bias_j| + 1)                        what follows the dot product
//! noise_c = sqrt(sum_j (w_j (v_jc - o_c) sigma_j)^2)                                 independent over keys
//!         + u sum_j w_j |v_jc - o_c| |s_j - m|                                       a rounded scale hits all keys alike
//!         + u (0.4 sqrt(n) (sqrt(sum_j (w_j v_jc)^2) + |o_c|) + |o_c|)               sums over keys, and the quotient
//!         + u_out |o_c|
//! ```
//!
//! `u` is that of f32 for the half types, `c` the softcap. It is a model, not a bound: nothing is
//! accepted or refused by it alone, and its constants are checked against what honest backends do.

use attn_core::{Problem, lse_dtype};

use crate::bounds::Score;
use crate::columns::{LANES, Lanes, lanes, sums};
use crate::operands::Operands;
use crate::row::Row;

/// `0.4 sqrt(n)`: the standard deviation of the sum of n roundings of growing partial sums.
const WALK: f64 = 0.4;

/// Standard deviation of a sum of n products, per unit roundoff: their squares' sum and their sum.
pub(crate) fn partial_sums(n: usize, square: f64, value: f64) -> f64 {
    WALK * (n as f64).sqrt() * (square.sqrt() + value.abs())
}

/// The largest `noise_c` of row `at = [b, h, i]`, which `row` holds.
pub(crate) fn largest(operands: &Operands<'_>, row: &Row, at: [usize; 3]) -> f64 {
    let problem = operands.problem();
    let u = lse_dtype(problem.dtype()).unit_roundoff();
    let walk_keys = WALK * (row.keys.len() as f64).sqrt();
    let sigmas: Vec<f64> = row.scores.iter().map(|score| sigma(problem, row, score, u)).collect();
    let width = row.o.len();
    let [mut scores, mut shared, mut squares] = [const { Vec::new() }; 3];
    let add = |first: usize| {
        let (sigmas, o) = (&sigmas, lanes(&row.o, first));
        move |key: usize, v: &Lanes, sums: &mut [Lanes; 3]| {
            let (weight, sigma) = (row.weights[key], sigmas[key]);
            let distance = row.stats.max - row.scores[key].value;
            for lane in 0..LANES {
                let lever = weight * (v[lane] - o[lane]).abs();
                sums[0][lane] += (lever * sigma).powi(2);
                sums[1][lane] += lever * distance;
                sums[2][lane] += (weight * v[lane]).powi(2);
            }
        }
    };
    let out = [&mut scores, &mut shared, &mut squares];
    sums(operands.values(at), width, &row.keys, add, out);
    let u_out = problem.dtype().unit_roundoff();
    let noise = |c: usize| {
        let o = row.o[c].abs();
        scores[c].sqrt() + u * (shared[c] + walk_keys * (squares[c].sqrt() + o) + o) + u_out * o
    };
    (0..width).map(noise).fold(0.0, f64::max)
}

/// The standard deviation of one score.
fn sigma(problem: &Problem, row: &Row, score: &Score, u: f64) -> f64 {
    let cap = problem.softcap().unwrap_or(0.0);
    let after = score.value.abs() + (row.stats.max - score.value) + cap + score.biases + 1.0;
    u * (score.walk + after)
}
