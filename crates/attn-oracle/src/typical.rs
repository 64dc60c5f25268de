//! How large the errors of a result typically are that was computed elsewhere, element by element.
//!
//! The bound of `budget.rs` holds whatever roundings do together; over N keys they do not conspire, and an honest error is
//! some `sqrt(N)` times smaller. A mistake that hides below the bound, such as a window of 4096 keys that is off by one,
//! shows against this size. It is taken twice, and the larger counts (`norms.rs`):
//!
//! **A model** of independent roundings. With `sigma_j` the standard deviation of score j and `lever = w_j (v_jc - o_c)`
//!
//! ```text
//! sigma_j^2  = u^2 (walk_j^2 + s_j^2 + (m - s_j)^2 + c^2 + bias_j^2 + 1)        walk_j: noise.rs
//! variance_c = sum_j (lever sigma_j)^2                                          independent over keys
//!            + (u sum_j lever s_j)^2                                            a rounded scale hits all keys alike
//!            + u_p^2 / 3 (sum_j (w_j v_jc)^2 + o_c^2)                           weights as stored, alike or not
//!            + u_l^2 (0.16 n (sum_j (w_j v_jc)^2 + o_c^2) + o_c^2)              sums over keys, and the quotient
//!            + max(u_out |o_c|, half a subnormal step)^2 / 3                    the result as stored
//!            + (sum w_j v_jc over p_j < 2 tiny)^2                               weights that may be flushed
//! ```
//!
//! **A peer**: the row computed once in the arithmetic of the claim, keys one after another, from the true scores.
//! Where terms repeat, sums are biased (near-ties err by `0.2 N u`), which no model of independent roundings knows.

use attn_core::{DType, Format};

use crate::budget::{NoiseUnits, Score, weights_unit};
use crate::columns::{LANES, Lanes, lanes, sums};
use crate::operands::Operands;
use crate::row::Row;

/// `0.4 sqrt(n)`, squared: see `noise.rs`.
const WALK: f64 = 0.16;
/// The variance of a rounding, in squares of the unit roundoff.
const ROUNDING: f64 = 1.0 / 3.0;

/// Squares of the typical errors, laid out as the elements of a [`Reference`](crate::Reference).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typical {
    /// By the model.
    pub variance: Vec<f64>,
    /// Of the peer.
    pub peer: Vec<f64>,
    /// One per row: by how much the logarithm of l moves if the weights are summed as they are stored.
    pub stored_sum: Vec<f64>,
}

impl Typical {
    /// Adds row `at = [b, h, i]`, which `row` holds.
    pub(crate) fn push(
        &mut self,
        operands: &Operands<'_>,
        row: &Row,
        at: [usize; 3],
        units: &NoiseUnits,
    ) {
        if row.is_undetermined() || row.keys.is_empty() {
            self.variance.extend(std::iter::repeat_n(0.0, row.o.len()));
            self.peer.extend(std::iter::repeat_n(0.0, row.o.len()));
            self.stored_sum.push(0.0);
            return;
        }
        let values = operands.values(at);
        self.variance.extend(variance(operands, row, values, units));
        let peer = match units.sums {
            u if u < DType::F32.unit_roundoff() => peer::<f64>(row, values, units.weights),
            _ => peer::<f32>(row, values, units.weights),
        };
        self.stored_sum.push(stored_sum(row, units.weights));
        // A peer computes the right weights: beside a mistake it says nothing.
        let trusted = if operands.twist.weights.is_some() { 0.0 } else { 1.0 };
        let errors = peer.iter().zip(&row.o).map(|(peer, o)| trusted * (peer - o).powi(2));
        self.peer.extend(errors);
    }

    /// Adds what another part holds.
    pub(crate) fn append(&mut self, other: &mut Typical) {
        self.variance.append(&mut other.variance);
        self.peer.append(&mut other.peer);
        self.stored_sum.append(&mut other.stored_sum);
    }
}

fn variance(
    operands: &Operands<'_>,
    row: &Row,
    values: &[f64],
    units: &NoiseUnits,
) -> impl Iterator<Item = f64> {
    let width = row.o.len();
    let cap = operands.problem().softcap().unwrap_or(0.0);
    let sigma = |score: &Score| {
        let after = [score.value, row.stats.max - score.value, cap, score.biases, 1.0];
        units.scores * after.iter().fold(score.walk * score.walk, |sum, x| sum + x * x).sqrt()
    };
    let sigmas: Vec<f64> = row.scores.iter().map(sigma).collect();
    let tiny = 2.0 * units.weights.min_positive();
    let lost = |(&exp, &weight): (&f64, &f64)| if exp < tiny { weight } else { 0.0 };
    let flushed: Vec<f64> = row.exps.iter().zip(&row.weights).map(lost).collect();
    let [mut scores, mut shared, mut squares, mut lost] = [const { Vec::new() }; 4];
    let add = |first: usize| {
        let (sigmas, o) = (&sigmas, lanes(&row.o, first));
        move |key: usize, v: &Lanes, sums: &mut [Lanes; 3]| {
            let weight = row.weights[key];
            let (moved, score) = ((weight * sigmas[key]).powi(2), weight * row.scores[key].value);
            let lever: Lanes = std::array::from_fn(|lane| v[lane] - o[lane]);
            add_products(&mut sums[0], moved, &lever, &lever);
            add_products(&mut sums[1], score, &lever, &[1.0; LANES]);
            add_products(&mut sums[2], weight * weight, v, v);
        }
    };
    sums(values, width, &row.keys, add, [&mut scores, &mut shared, &mut squares]);
    lost.resize(width, 0.0);
    if flushed.iter().any(|&weight| weight > 0.0) {
        let add = |_: usize| {
            |key: usize, v: &Lanes, sums: &mut [Lanes; 1]| {
                add_products(&mut sums[0], flushed[key], v, &[1.0; LANES]);
            }
        };
        sums(values, width, &row.keys, add, [&mut lost]);
    }
    let weights = ROUNDING * weights_unit(units.weights).powi(2);
    let (of_sums, walk) = (units.sums.powi(2), WALK * row.keys.len() as f64);
    let units = *units;
    let of_column = move |c: usize| {
        let o = row.o[c].powi(2);
        let stored = (units.stored * row.o[c]).abs().max(units.step);
        scores[c]
            + (units.scores * shared[c]).powi(2)
            + weights * (squares[c] + o)
            + of_sums * (walk * (squares[c] + o) + o)
            + ROUNDING * stored * stored
            + lost[c] * lost[c]
    };
    (0..width).map(of_column)
}

/// `sums += factor a b`, lane by lane.
fn add_products(sums: &mut Lanes, factor: f64, a: &Lanes, b: &Lanes) {
    for lane in 0..LANES {
        sums[lane] += factor * (a[lane] * b[lane]);
    }
}

/// `|ln(sum round(p_j) / sum p_j)|`.
fn stored_sum(row: &Row, weights: Format) -> f64 {
    let sink = row.sink.map_or(0.0, |[score, ..]| (score - row.stats.max).exp());
    let (mut exact, mut stored) = (sink, sink);
    for &p in &row.exps {
        exact += p;
        stored += weights.round(p);
    }
    (stored / exact).ln().abs()
}

/// A type that sums are accumulated in.
trait Accumulator: Copy + std::ops::AddAssign + std::ops::Mul<Output = Self> {
    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
}

impl Accumulator for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Accumulator for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn wide(self) -> f64 {
        self
    }
}

/// `sum_j round(p_j) v_j / sum_j p_j`, summed in `A`, one key after another.
fn peer<A: Accumulator>(row: &Row, values: &[f64], weights: Format) -> Vec<f64> {
    let width = row.o.len();
    let mut l = A::of(row.sink.map_or(0.0, |[score, ..]| (score - row.stats.max).exp()));
    let mut o = vec![A::of(0.0); width];
    for (&p, &j) in row.exps.iter().zip(&row.keys) {
        let p = A::of(p);
        l += p;
        let p = A::of(weights.round(p.wide()));
        for (o, &v) in o.iter_mut().zip(&values[j * width..][..width]) {
            *o += p * A::of(v);
        }
    }
    o.iter().map(|o| o.wide() / l.wide()).collect()
}
