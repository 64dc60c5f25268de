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
//! no square root is taken: each term goes through `depth` roundings, as the backend declares, and
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
//! underflow = lost + exp(-200) keys max|v| + tiny_out         flushed weights, far keys, flushed result
//! ```
//!
//! **Lost weights.** Below the smallest normal number `tiny` of their type, weights have no relative precision.
//! Of `p_j = exp(s_j - m)`, held as they are, flushing loses all of `p_j`, and rounding to a subnormal number
//! no more than that; of weights that are divided by l before they are stored, rounding loses at most half a step
//! `tiny u`, and no more than the weight. So, with a factor 2 on tiny for keys that errors of the scores carry across,
//!
//! ```text
//! lost = max( sum w_j |v_j| over p_j < 2 tiny,   sum min(w_j, tiny u) |v_j| over w_j < 2 tiny ),   |v_j| = max_c |v_jc|
//! ```
//!
//! For f16, `tiny = 2^-14`, the sums are taken. The other types have `tiny < 2^-125`, and `4 tiny keys max|v|` bounds both.
//! A kernel whose maximum is a stale, smaller one has larger `p_j` and loses less. Not covered: weights that are
//! divided first and then flushed, which is no attention any more where a row has more than 2^14 keys.
//!
//! **Coarse scores.** Where a file declares that scores are rounded to a type of unit roundoff `u_s` above that of
//! their accumulator (bf16, f16, TF32), `|ds_j|` grows by `2 u_s |scale| sum_d |q_d k_jd| + u_s (4 c + 2 (|bias_j| + |s_j|))`: both
//! operands rounded, or the score once before and once after its scale. With int8 q and k, of half steps `h_q` and `h_k`
//! (one factor per head: `max|x| / 254`; one per row is finer), by
//! `|scale| (h_k sum_d |q_d| + h_q sum_d |k_jd| + D h_q h_k)`.
//!
//! A backend whose scores are held in a half type is judged by the same reference as all others, so its `u` grows instead: to
//! `u + 2 u_s / G(D + 2)`, which is `2 u_s` for each product, or to `u + u_s` where a softcap or a bias is rounded too. Its loose rows are
//! undetermined, since `loose.rs` knows the reference's u alone, and where `dl >= 1` in any other row, the result is still an average:
//! `|o' - o| <= |o| + max|v| + stored`.
//!
//! **Loose rows.** Where `A u ē` is not small, first order says nothing; `loose.rs` bounds these rows by what
//! averages can do.
//!
//! **Log-sum-exp.** `lse = m + ln l` moves with the scores by `sum_j w_j ds_j`, which `ē` covers:
//!
//! ```text
//! bound = u min(A ē, max_j E_j) + R u + 3 u (|m| + |lse - m|) + 2 u_out |lse| + summed
//! summed = 3.5 u_p sqrt(sum_{j != t} w_j^2) + 2 |ln(sum round(p_j) / sum p_j)|
//! ```
//!
//! The second of the two holds however large the errors are: no sum of exponentials moves by more than
//! its terms. `summed` is for kernels that sum the weights as they are stored, where that is coarser than the sum: six
//! standard deviations of independent roundings, `u_p / sqrt(3)` each, of all keys but that of the largest weight, whose
//! `p_t = 1` is exact, and what these amount to where weights repeat and are all rounded alike.

use attn_core::{Arithmetic, ClaimArithmetic, DType, Format, Problem, SumOrder, lse_dtype};

use crate::loose::LooseRow;
use crate::reference::RowStats;

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
/// Six standard deviations of a rounding, in unit roundoffs.
const STORED_SUM: f64 = 3.5;
/// Roundings per unit of bias and of biased score.
const BIAS: f64 = 2.0;

/// A final score and what its rounding depends on.
#[derive(Clone, Copy)]
pub(crate) struct Score {
    /// The score.
    pub(crate) value: f64,
    /// `|ds_j| / u` before softcap and biases.
    pub(crate) error: f64,
    /// Standard deviation of that error, per unit roundoff.
    pub(crate) walk: f64,
    /// Sum of the absolute values of its biases.
    pub(crate) biases: f64,
    /// Unit roundoff of the scores in units of the accumulator's, where it is coarser; else 0.
    pub(crate) coarse: f64,
}

impl Score {
    /// A score that is given, not computed: a sink.
    pub(crate) const fn given(value: f64) -> Self {
        Score { value, error: 0.0, walk: 0.0, biases: 0.0, coarse: 0.0 }
    }
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
    let error = score.error + (1.0 + score.coarse) * (softcap + biases) + ARGUMENT * distance + EXP;
    // Finite also where biases are as large as numbers get.
    error.min(f64::MAX)
}

/// Unit roundoff that stands for that of the accumulator and, where scores are held in a coarser type, for theirs.
fn scores_unit(problem: &Problem, arithmetic: &Arithmetic) -> f64 {
    let (summed, held) = (lse_dtype(problem.dtype()), arithmetic.scores.of(problem.dtype()));
    if held.unit_roundoff() <= summed.unit_roundoff() {
        return held.unit_roundoff();
    }
    let products = growth(problem.shape().dim + 2);
    // They are rounded again with every change.
    let share = if problem.changes_scores() { 1.0 } else { 2.0 / products };
    summed.unit_roundoff() + share * held.unit_roundoff()
}

/// Twice the weight at which keys are far enough to be 0 in every arithmetic, per unit of value.
const FAR_WEIGHT: f64 = 1.4e-87;

/// The bound of a backend with the given arithmetic on one problem.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    storage: DType,
    /// Unit roundoff of the scores.
    scores: f64,
    /// Whether that is above the one that the reference's loose rows are computed with.
    coarse: bool,
    weights: Format,
    sums: DType,
    order: SumOrder,
    online: bool,
}

impl Bounds {
    /// The bounds that `arithmetic` earns on `problem`.
    pub fn new(problem: &Problem, arithmetic: &Arithmetic) -> Self {
        let storage = problem.dtype();
        let scores = scores_unit(problem, arithmetic);
        Bounds {
            storage,
            scores,
            coarse: scores > lse_dtype(storage).unit_roundoff(),
            weights: Format::of(arithmetic.weights.of(storage)),
            sums: arithmetic.sums.of(storage),
            order: arithmetic.order,
            online: arithmetic.online,
        }
    }

    /// The bounds of a result that was computed elsewhere and stored as `out`: keys summed one after another.
    pub fn of_claim(arithmetic: &ClaimArithmetic, out: DType) -> Self {
        Bounds {
            storage: out,
            scores: arithmetic.scores.accumulator().unit_roundoff(),
            coarse: false,
            weights: arithmetic.weights,
            sums: arithmetic.sums,
            order: SumOrder::Sequential,
            online: false,
        }
    }

    /// Whether rounding alone decides the weights of such a row.
    pub(crate) const fn leaves_undetermined(&self, loose: &LooseRow) -> bool {
        loose.undetermined || self.coarse
    }

    /// What bounds the elements of one row, with what bounds it beyond first order.
    pub fn row<'a>(&self, row: &RowStats, loose: Option<&'a LooseRow>) -> RowBounds<'a> {
        let (amplified, roundings) = (self.amplified(row), self.roundings(row.keys));
        let values = row.keys as f64 * row.max_value;
        let lost_weights = match self.weights {
            Format::F16 => row.lost,
            other => 4.0 * other.min_positive() * values,
        };
        RowBounds {
            empty: row.keys == 0,
            coarse: self.coarse,
            undetermined: loose.is_some_and(|loose| self.leaves_undetermined(loose)),
            amplified,
            roundings,
            rounded_weights: roundings + weights_unit(self.weights),
            denominator: amplified * row.mean_error + roundings,
            stored: 2.0 * self.storage.unit_roundoff(),
            underflow: lost_weights + FAR_WEIGHT * values + self.smallest_step(),
            max_value: row.max_value,
            loose,
        }
    }

    /// The largest error that the log-sum-exp of a row may have; `stored_sum` is by how much it moves if the weights
    /// are summed as they are stored.
    pub fn lse_bound(&self, row: &RowStats, stored_sum: f64) -> f64 {
        if row.lse == f64::NEG_INFINITY {
            return 0.0;
        }
        let u = self.scores;
        let scores = (self.amplified(row) * row.mean_error).min(u * row.max_error);
        let parts = ARGUMENT * u * row.max.abs() + ARGUMENT * u * (row.lse - row.max).abs();
        let stored = lse_dtype(self.storage).unit_roundoff();
        let weights = weights_unit(self.weights);
        let coarse = weights > self.sums.unit_roundoff();
        let summed = STORED_SUM * weights * row.concentration.sqrt() + 2.0 * stored_sum;
        let summed = if coarse { summed } else { 0.0 };
        scores + self.roundings(row.keys) + parts + 2.0 * stored * row.lse.abs() + summed
    }

    /// Standard deviations of what rounding does beside the scores: of the weights and of the result, relative.
    pub(crate) fn noise_units(&self) -> NoiseUnits {
        NoiseUnits {
            scores: self.scores,
            weights: self.weights,
            sums: self.sums.unit_roundoff(),
            stored: self.storage.unit_roundoff(),
            step: self.smallest_step() / 2.0,
        }
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
        let u = self.scores;
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

/// What the expected size of an error is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoiseUnits {
    /// Unit roundoff of the scores.
    pub(crate) scores: f64,
    /// Format of the weights.
    pub(crate) weights: Format,
    /// Unit roundoff of the sums.
    pub(crate) sums: f64,
    /// Unit roundoff of the stored result.
    pub(crate) stored: f64,
    /// Largest absolute error of storing a number below the normal range.
    pub(crate) step: f64,
}

/// What the bounds of a row's elements share.
#[derive(Clone, Copy, Debug)]
pub struct RowBounds<'a> {
    empty: bool,
    coarse: bool,
    undetermined: bool,
    /// `A u`.
    amplified: f64,
    /// `R u`.
    roundings: f64,
    /// `R u + u_p`.
    rounded_weights: f64,
    /// `dl`.
    denominator: f64,
    /// `2 u_out`.
    stored: f64,
    underflow: f64,
    max_value: f64,
    loose: Option<&'a LooseRow>,
}

impl RowBounds<'_> {
    /// The largest error that an element of an ordinary row may have; `o`, `magnitude` and `sensitivity` are its
    /// entries of [`Reference`](crate::Reference).
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

    /// The largest error that column `c` may have if it is above the truth, or below it.
    pub fn allowed(&self, c: usize, element: [f64; 3], above: bool) -> f64 {
        let o = element[0];
        let Some(loose) = self.loose else {
            let bound = self.bound(element);
            let known = bound.is_finite() || !self.coarse;
            return if known { bound } else { self.of_average(o.abs() + self.max_value) };
        };
        let to_values = if above { loose.upper[c] - o } else { o - loose.lower[c] };
        let to_values = to_values.max(0.0);
        let away = if self.undetermined { to_values } else { loose.bound[c].min(to_values) };
        self.of_average(away)
    }

    /// The same where exact sums with the weights as computed are that far `away` at most.
    fn of_average(&self, away: f64) -> f64 {
        if self.roundings.is_nan() || self.roundings >= 0.5 {
            return f64::INFINITY;
        }
        let sums = 2.0 * (self.roundings + self.rounded_weights) * self.max_value;
        away + (sums + self.stored * self.max_value + self.underflow)
    }

    /// Whether rounding alone decides the weights of the row.
    pub fn is_undetermined(&self) -> bool {
        self.undetermined
    }
}

/// `u_p`: the relative error of a product of weight and value before it is summed. TF32 rounds both.
pub(crate) const fn weights_unit(weights: Format) -> f64 {
    match weights {
        Format::Tf32 => 2.0 * Format::Tf32.unit_roundoff(),
        other => other.unit_roundoff(),
    }
}

/// `expm1(x) / x`, 1 at 0.
pub(crate) fn amplification(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.exp_m1() / x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attn_core::{ProblemSpec, Shape};

    fn bounds(arithmetic: Arithmetic) -> Bounds {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 64, 32), DType::F32)).unwrap();
        Bounds::new(&problem, &arithmetic)
    }

    const ROW: RowStats = RowStats {
        keys: 1024,
        lse: 0.0,
        max: 0.0,
        mean_error: 10.0,
        max_error: 40.0,
        max_value: 1.0,
        lost: 0.0,
        concentration: 0.0,
    };

    #[test]
    fn grows_with_the_depth_of_the_sums() {
        let element = [0.5, 0.5, 5.0];
        let of = |order, online| {
            bounds(Arithmetic { order, online, ..Arithmetic::PLAIN }).row(&ROW, None).bound(element)
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
        assert_eq!(bounds(Arithmetic::PLAIN).row(&nothing, None).bound([0.0; 3]), 0.0);
    }

    #[test]
    fn scores_beyond_the_precision_have_an_infinite_budget() {
        let wild = RowStats { mean_error: 1e9, max_error: 1e9, ..ROW };
        assert_eq!(bounds(Arithmetic::PLAIN).row(&wild, None).bound([1.0; 3]), f64::INFINITY);
    }
}
