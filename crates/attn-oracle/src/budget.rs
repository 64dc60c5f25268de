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
//! **Weight error.** The argument `s_j - m` is rounded, perhaps multiplied by log2(e), and exp is
//! good to a few ulp; an error common to all keys (that of m) cancels. So `p_j` has relative error
//! `expm1(u E_j)` with
//!
//! ```text
//! E_j = G(n) |scale| sum_d |q_d k_jd|  +  3 |s_j - m|  +  4
//! ```
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
//! bound = (A u sensitivity + R u magnitude + |o| dl) / (1 - dl)  +  2 u |o|  +  underflow
//! A     = expm1(u max_j E_j) / (u max_j E_j)              makes the first order exact
//! underflow = tiny (1 + 2 keys max|v|)                    results flushed below the normal range
//! ```

use attn_core::{Arithmetic, DType, Problem, SumOrder};

use crate::RowStats;

/// Factor on the square root in the probabilistic bound.
const LAMBDA: f64 = 6.0;
/// Roundings per unit of `s - m`: the difference, the factor log2(e), its own rounding.
const ARGUMENT: f64 = 3.0;
/// Relative error of exp and of storing its result, in unit roundoffs.
const EXP: f64 = 4.0;
/// Roundings of one rescaling: the product, and the factor's own error.
const RESCALE: f64 = 1.0 + EXP;

/// `E_j` above, from the width of q and k, `|scale| sum_d |q_d k_d|` and `max - s_j`.
pub(crate) fn relative_score_error(dim: usize, absolute_score: f64, distance: f64) -> f64 {
    let n = dim as f64 + 2.0;
    n.min(LAMBDA * n.sqrt()) * absolute_score + ARGUMENT * distance + EXP
}

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

    /// The largest error that an element may have.
    ///
    /// `keys` is the number of keys that the row admits, `o`, `magnitude` and `sensitivity` the
    /// element's entries of [`Reference`](crate::Reference).
    pub fn bound(&self, keys: usize, row: &RowStats, [o, magnitude, sensitivity]: [f64; 3]) -> f64 {
        if keys == 0 {
            return 0.0;
        }
        let u = self.scores.unit_roundoff();
        let amplified = amplification(u * row.max_error) * u;
        let roundings = self.roundings(keys);
        let denominator = amplified * row.mean_error + roundings;
        if denominator >= 1.0 {
            return f64::INFINITY;
        }
        let numerator = amplified * sensitivity
            + (roundings + self.weights.unit_roundoff()) * magnitude
            + o.abs() * denominator;
        let tiny = self.weights.min_positive().max(self.storage.min_positive());
        let underflow = tiny * (1.0 + 2.0 * keys as f64 * row.max_value);
        numerator / (1.0 - denominator) + 2.0 * self.storage.unit_roundoff() * o.abs() + underflow
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
        lse: 0.0,
        mean_error: 10.0,
        max_error: 40.0,
        max_value: 1.0,
    };

    #[test]
    fn grows_with_the_depth_of_the_sums() {
        let element = [0.5, 0.5, 5.0];
        let of = |order, online| {
            budget(Arithmetic {
                order,
                online,
                ..Arithmetic::PLAIN
            })
            .bound(1024, &ROW, element)
        };
        let blocked = of(SumOrder::Blocked(32), false);
        let sequential = of(SumOrder::Sequential, false);
        let online = of(SumOrder::Sequential, true);
        assert!(blocked < sequential && sequential < online);
        // depth 64 + 3 against 1024 + 3, twice (numerator and denominator), plus the score errors.
        let u = DType::F32.unit_roundoff();
        assert!(
            (blocked / u - (67.0 + 10.0 + 1.5)).abs() < 0.1,
            "{}",
            blocked / u
        );
        assert!(
            (sequential / u - (1027.0 + 10.0 + 1.5)).abs() < 0.5,
            "{}",
            sequential / u
        );
    }

    #[test]
    fn an_empty_row_has_no_budget() {
        let nothing = RowStats {
            lse: f64::NEG_INFINITY,
            ..RowStats::default()
        };
        assert_eq!(budget(Arithmetic::PLAIN).bound(0, &nothing, [0.0; 3]), 0.0);
    }

    #[test]
    fn scores_beyond_the_precision_have_an_infinite_budget() {
        let wild = RowStats {
            mean_error: 1e9,
            max_error: 1e9,
            ..ROW
        };
        assert_eq!(
            budget(Arithmetic::PLAIN).bound(8, &wild, [1.0; 3]),
            f64::INFINITY
        );
    }
}
