//! How large the errors of a result typically are that was computed elsewhere, element by element.
//!
//! The bound of `bounds.rs` holds whatever roundings do together; over N keys they do not conspire, and an honest error is
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
//!            + (sum |w_j v_jc| over p_j < 2 tiny)^2                             weights of which any may be flushed
//! ```
//!
//! **Peers**: the row computed in the arithmetic of the claim from the true scores, once from the first key to the last with
//! a maximum that is replaced late, once from the last to the first with the true maximum; of the two errors of an element
//! the larger counts. Where terms repeat, their roundings are biased (near-ties err by `0.2 N u`), which no model of
//! independent roundings knows, and by how much depends on where weights and sums start.

use attn_core::{DType, Format};

use crate::bounds::{NoiseUnits, Score, weights_unit};
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
    /// Of the peers, element by element the larger.
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
        let peers = match units.sums {
            u if u < DType::F32.unit_roundoff() => peers::<f64>(row, values, units.weights),
            _ => peers::<f32>(row, values, units.weights),
        };
        self.stored_sum.push(stored_sum(row, units.weights));
        // Peers compute the right weights: beside a mistake they say nothing.
        let trusted = if operands.twist.weights.is_some() { 0.0 } else { 1.0 };
        let errors = (0..row.o.len()).map(|c| {
            let error = peers.iter().map(|peer| (peer[c] - row.o[c]).abs()).fold(0.0, f64::max);
            trusted * error * error
        });
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
                add_products(&mut sums[0], flushed[key], &v.map(f64::abs), &[1.0; LANES]);
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

/// A type that weights are computed in and sums are accumulated in.
trait Accumulator:
    Copy + std::ops::AddAssign + std::ops::MulAssign + std::ops::Mul<Output = Self>
{
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

/// By how much a score must exceed the maximum so far to replace it: 8 in base 2, as FlashAttention-4 does.
const LATE: f64 = 8.0 * std::f64::consts::LN_2;

/// Both peers' outputs.
fn peers<A: Accumulator>(row: &Row, values: &[f64], weights: Format) -> [Vec<f64>; 2] {
    let sink = row.sink.map(|[score, ..]| score);
    let keys = || row.scores.iter().map(|score| score.value).zip(row.keys.iter().copied());
    let first = sink.or(row.scores.first().map(|score| score.value)).unwrap_or(0.0);
    let new = |max| Peer::<A>::new(sink, max, weights, values, row.o.len());
    let mut forward = new(first);
    keys().for_each(|(score, j)| forward.add(score, j));
    let mut backward = new(row.stats.max);
    keys().rev().for_each(|(score, j)| backward.add(score, j));
    [forward.output(), backward.output()]
}

/// `sum_j round(p_j) v_j / sum_j p_j`, everything in `A`, one key after another.
struct Peer<'a, A> {
    weights: Format,
    values: &'a [f64],
    max: f64,
    l: A,
    o: Vec<A>,
}

impl<'a, A: Accumulator> Peer<'a, A> {
    fn new(sink: Option<f64>, max: f64, weights: Format, values: &'a [f64], width: usize) -> Self {
        let l = sink.map_or(A::of(0.0), |sink| exp(sink, max));
        Peer { weights, values, max, l, o: vec![A::of(0.0); width] }
    }

    fn add(&mut self, score: f64, j: usize) {
        if score > self.max + LATE {
            let factor: A = exp(self.max, score);
            self.max = score;
            self.l *= factor;
            self.o.iter_mut().for_each(|o| *o *= factor);
        }
        let p: A = exp(score, self.max);
        self.l += p;
        let p = A::of(self.weights.round(p.wide()));
        let width = self.o.len();
        for (o, &v) in self.o.iter_mut().zip(&self.values[j * width..][..width]) {
            *o += p * A::of(v);
        }
    }

    fn output(&self) -> Vec<f64> {
        self.o.iter().map(|o| o.wide() / self.l.wide()).collect()
    }
}

/// `exp(s - m)`, every step rounded.
fn exp<A: Accumulator>(s: f64, m: f64) -> A {
    let difference = A::of(A::of(s).wide() - A::of(m).wide());
    A::of(difference.wide().exp())
}
