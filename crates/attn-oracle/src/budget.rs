//! The a-priori error bound of one output element.
//!
//! With `u` the unit roundoff, `w_j` the true weights of a row and `o = sum_j w_j v_jc`, a correct
//! implementation computes `(sum_j p_j v_j) / (sum_j p_j)` with
//!
//! **Score error.** `s_j = scale * q.k` comes from `n = D + 2` roundings (D products and sums, the
//! factor, and the rounding of the factor itself), so
//!
//! ```text
//! |ds_j| <= u G(n) |scale| sum_d |q_d k_jd|,      G(n) = min(n, 6 sqrt(n))
//! ```
//!
//! `n` is the worst case, `6 sqrt(n)` holds for mean-independent roundings with probability
//! `1 - 2 exp(-18)` per score (Higham and Mary, "A new approach to probabilistic rounding error
//! analysis", 2019, theorem 2.4), and for D identical terms, the most biased case, up to D = 680.
//!
//! Other scores: with `G = G(D)` for what the queries are multiplied by and `G_k = G(Dk)` for the keys,
//!
//! ```text
//! general    |ds_j| <= u |scale| (G(D) + G(Dk + 2)) sum_de |q_d W_de k_je|
//! additive   |ds_j| <= u |scale| (sum_a |w_a| (G X_a + G_k Y_ja + |x_ja| + 4) + G(A + 2) sum_a |w_a tanh x_ja|)
//!            x_ja = sum_d q_d Wq_da + sum_e k_je Wk_ea,   X_a = sum_d |q_d Wq_da|,   Y_ja = sum_e |k_je Wk_ea|
//! ```
//!
//! general: the first product errs by `u G(D) sum_d |q_d W_de|` in each of the Dk elements, which the
//! second carries on with weight `|k_je|`; the second rounds `G(Dk + 2)` times, on elements no larger
//! than these sums. Whether W joins the queries or the keys, both terms stay below the same sum. The
//! errors of different elements are added up, not averaged: equal columns of W err alike. additive:
//! the argument of tanh errs by both projections and the addition, which tanh, whose derivative is at
//! most 1, does not amplify; its own absolute error is up to 4 u; then a dot product of A terms. X and Y
//! are 0 where nothing is projected.
//!
//! A softcap contracts these and adds its own rounding, at most `4 u c`. ALiBi and additive masks are
//! rounded themselves and in the sum: `2 u (|bias| + |s_j|)`.
//!
//! **Weight error.** The argument `s_j - m` is rounded, perhaps multiplied by log2(e), and exp is
//! good to a few ulp; an error common to all keys (that of m) cancels. So `p_j` has relative error
//! `expm1(u E_j)` with
//!
//! ```text
//! E_j = |ds_j| / u  +  4 c  +  2 (|bias_j| + |s_j|)  +  3 |s_j - m|  +  4
//! ```
//!
//! the second and third term only where there is a softcap or a bias. A sink is given, not computed:
//! of its error only `3 |s - m| + 4` remains. Keys 400 below the maximum are 0 in every arithmetic.
//!
//! **Sums over keys.** Rounding there is *biased* when terms repeat (near-ties, one-hot values), so
//! no square root is taken: each term goes through `depth` roundings, as the receipt declares, and
//! in an online softmax through up to one rescaling per block, 5 roundings each (a product and an
//! exp); exponents telescope, so `3 |s_j - m|` already covers their arguments.
//!
//! **Together**, numerator and denominator perturbed, first order in each and exact in their quotient:
//!
//! ```text
//! R     = depth + 5 rescalings + 3
//! dl    = A u ē + R u                                     relative error of l, ē = sum_j w_j E_j
//! bound = (A u sensitivity + (R u + u_p) magnitude + |o| dl) / (1 - dl)  +  2 u_out |o|  +  underflow
//! A     = expm1(u max_j E_j) / (u max_j E_j)              makes the first order exact
//! underflow = (2 tiny + exp(-200)) keys max|v| + tiny_out     flushed weights, far keys, flushed result
//! ```
//!
//! **Log-sum-exp.** `lse = m + ln l` moves with the scores by `sum_j w_j ds_j`, which `ē` covers:
//!
//! ```text
//! bound = A u ē + R u + 3 u (|m| + |lse - m|) + 2 u_out |lse|
//! ```

use attn_core::{Arithmetic, DType, Precision, Problem, SumOrder, lse_dtype};

use crate::RowStats;

/// Factor on the square root in the probabilistic bound.
const LAMBDA: f64 = 6.0;
/// Roundings per unit of `s - m`: the difference, the factor log2(e), its own rounding.
const ARGUMENT: f64 = 3.0;
/// Relative error of exp and of storing its result, in unit roundoffs.
const EXP: f64 = 4.0;
/// Roundings of one rescaling: the product, and the factor's own error.
const RESCALE: f64 = 1.0 + EXP;

/// Roundings of a softcap per unit of its bound: quotient, tanh (as a quotient of exponentials), product.
const SOFTCAP: f64 = 4.0;
/// Absolute error of a tanh of the additive score, in unit roundoffs.
pub(crate) const TANH: f64 = 4.0;
/// Roundings per unit of bias and of biased score.
const BIAS: f64 = 2.0;

/// A final score and what its rounding depends on.
pub(crate) struct Score {
    /// The score.
    pub(crate) value: f64,
    /// `|ds_j| / u` before softcap and biases.
    pub(crate) error: f64,
    /// Standard deviation of that error, per unit roundoff.
    pub(crate) walk: f64,
    /// Sum of the absolute values of its biases.
    pub(crate) biases: f64,
}

/// `G(n)`.
pub(crate) fn growth(n: usize) -> f64 {
    let n = n as f64;
    n.min(LAMBDA * n.sqrt())
}

/// `E_j` above; `distance` is `m - s_j`.
pub(crate) fn relative_error(problem: &Problem, score: &Score, distance: f64) -> f64 {
    let softcap = problem.softcap().map_or(0.0, |c| SOFTCAP * c);
    let biased = score.biases > 0.0;
    let biases = if biased { BIAS * (score.biases + score.value.abs()) } else { 0.0 };
    score.error + softcap + biases + ARGUMENT * distance + EXP
}

/// Twice the weight at which keys are far enough to be 0 in every arithmetic, per unit of value.
const FAR_WEIGHT: f64 = 1.4e-87;

/// The bound of a backend with the given arithmetic on one problem.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    storage: DType,
    scores: DType,
    weights: DType,
    sums: DType,
    order: SumOrder,
    online: bool,
}

impl Budget {
    /// The budget that `arithmetic` earns on `problem`.
    pub fn new(problem: &Problem, arithmetic: &Arithmetic) -> Self {
        let storage = problem.dtype();
        Budget {
            storage,
            scores: arithmetic.scores.of(storage),
            weights: arithmetic.weights.of(storage),
            sums: arithmetic.sums.of(storage),
            order: arithmetic.order,
            online: arithmetic.online,
        }
    }

    /// The budget of a result that somebody else computed and stored as `out`: scores and sums in at
    /// least f32, weights as q, k and v are stored, keys summed one after another.
    pub fn foreign(problem: &Problem, out: DType) -> Self {
        let arithmetic = Arithmetic { weights: Precision::Storage, ..Arithmetic::PLAIN };
        Budget { storage: out, ..Budget::new(problem, &arithmetic) }
    }

    /// What bounds the elements of one row.
    pub fn row(&self, row: &RowStats) -> RowBudget {
        let (amplified, roundings) = (self.amplified(row), self.roundings(row.keys));
        let values = row.keys as f64 * row.max_value;
        let lost_weights = 2.0 * self.weights.min_positive() * values + FAR_WEIGHT * values;
        RowBudget {
            empty: row.keys == 0,
            amplified,
            rounded_weights: roundings + self.weights.unit_roundoff(),
            denominator: amplified * row.mean_error + roundings,
            stored: 2.0 * self.storage.unit_roundoff(),
            underflow: lost_weights + self.smallest_step(),
        }
    }

    /// The largest error that the log-sum-exp of a row may have.
    pub fn lse_bound(&self, row: &RowStats) -> f64 {
        if row.lse == f64::NEG_INFINITY {
            return 0.0;
        }
        let relative = self.amplified(row) * row.mean_error + self.roundings(row.keys);
        let parts = ARGUMENT * (row.max.abs() + (row.lse - row.max).abs());
        let stored = lse_dtype(self.storage).unit_roundoff();
        relative + parts * self.scores.unit_roundoff() + 2.0 * stored * row.lse.abs()
    }

    /// The largest absolute error of storing a number below the normal range: f32 and f64 may be
    /// flushed to 0, the half types are converted and round to their subnormals.
    fn smallest_step(&self) -> f64 {
        match self.storage {
            DType::F64 | DType::F32 => self.storage.min_positive(),
            half => 2.0 * half.min_positive() * half.unit_roundoff(),
        }
    }

    /// `A u`.
    fn amplified(&self, row: &RowStats) -> f64 {
        let u = self.scores.unit_roundoff();
        amplification(u * row.max_error) * u
    }

    /// `R u`: relative error of a sum over `keys` terms.
    fn roundings(&self, keys: usize) -> f64 {
        let rescalings = match (self.online, self.order) {
            (false, _) => 0,
            (true, SumOrder::Sequential) => keys,
            (true, SumOrder::Blocked(block)) => keys.div_ceil(block.max(1) as usize),
        };
        let depth = self.order.depth(keys) as f64 + RESCALE * rescalings as f64 + 3.0;
        depth * self.sums.unit_roundoff()
    }
}

/// What the bounds of a row's elements share.
#[derive(Clone, Copy, Debug)]
pub struct RowBudget {
    empty: bool,
    /// `A u`.
    amplified: f64,
    /// `R u + u_p`.
    rounded_weights: f64,
    /// `dl`.
    denominator: f64,
    /// `2 u_out`.
    stored: f64,
    underflow: f64,
}

impl RowBudget {
    /// The largest error that an element may have; `o`, `magnitude` and `sensitivity` are its entries
    /// of [`Reference`](crate::Reference).
    pub fn bound(&self, [o, magnitude, sensitivity]: [f64; 3]) -> f64 {
        if self.empty {
            return 0.0;
        }
        if self.denominator >= 1.0 {
            return f64::INFINITY;
        }
        let numerator = self.amplified * sensitivity
            + self.rounded_weights * magnitude
            + o.abs() * self.denominator;
        numerator / (1.0 - self.denominator) + self.stored * o.abs() + self.underflow
    }
}

/// `expm1(x) / x`, 1 at 0.
fn amplification(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.exp_m1() / x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attn_core::{ProblemSpec, Shape};

    fn budget(arithmetic: Arithmetic) -> Budget {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 64, 32), DType::F32)).unwrap();
        Budget::new(&problem, &arithmetic)
    }

    const ROW: RowStats = RowStats {
        keys: 1024,
        lse: 0.0,
        max: 0.0,
        mean_error: 10.0,
        max_error: 40.0,
        max_value: 1.0,
    };

    #[test]
    fn grows_with_the_depth_of_the_sums() {
        let element = [0.5, 0.5, 5.0];
        let of = |order, online| {
            budget(Arithmetic { order, online, ..Arithmetic::PLAIN }).row(&ROW).bound(element)
        };
        let blocked = of(SumOrder::Blocked(32), false);
        let sequential = of(SumOrder::Sequential, false);
        let online = of(SumOrder::Sequential, true);
        assert!(blocked < sequential && sequential < online);
        // depth 64 + 3 against 1024 + 3, twice (numerator and denominator), plus the score errors.
        let u = DType::F32.unit_roundoff();
        assert!((blocked / u - (67.0 + 10.0 + 1.5)).abs() < 0.1, "{}", blocked / u);
        assert!((sequential / u - (1027.0 + 10.0 + 1.5)).abs() < 0.5, "{}", sequential / u);
    }

    #[test]
    fn an_empty_row_has_no_budget() {
        let nothing = RowStats { lse: f64::NEG_INFINITY, ..RowStats::default() };
        assert_eq!(budget(Arithmetic::PLAIN).row(&nothing).bound([0.0; 3]), 0.0);
    }

    #[test]
    fn scores_beyond_the_precision_have_an_infinite_budget() {
        let wild = RowStats { mean_error: 1e9, max_error: 1e9, ..ROW };
        assert_eq!(budget(Arithmetic::PLAIN).row(&wild).bound([1.0; 3]), f64::INFINITY);
    }
}
