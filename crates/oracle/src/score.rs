//! Raw scores: doubled precision as far as sums and products go, f64's tanh at a corrected argument.
//!
//! Beside each score stands what its rounding can amount to (`error`, a bound, see `bounds.rs`) and what
//! it typically amounts to (`walk`, a model, see `noise.rs`), both per unit roundoff and scaled.

use attn_core::{DType, Problem, Score};

use crate::bounds::{TANH, growth};
use crate::columns::{LANES, Lanes};
use crate::exact::Sum;
use crate::noise::partial_sums;

/// A scaled score without softcap and bias.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw {
    pub(crate) value: f64,
    pub(crate) error: f64,
    pub(crate) walk: f64,
}

/// How the scores of a head are computed by whom they are a bound for, and how exactly here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding {
    /// Whether the truth needs twice the precision of f64.
    pub(crate) doubled: bool,
    /// Unit roundoff of operands and scores in units of the accumulator's, where it is coarser; else 0.
    pub(crate) coarse: f64,
    /// Half a step of int8 for q and k, in units of the accumulator's unit roundoff.
    pub(crate) half_steps: Option<[f64; 2]>,
}

/// One element of a projected query or key: `x = sum_d x_d w_d`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Projected {
    x: Sum,
    /// `sum_d |x_d w_d|`; 0 where nothing is projected.
    absolute: f64,
    /// `sum_d (x_d w_d)^2`; 0 where nothing is projected.
    square: f64,
}

/// The rows `x` of width `inner`, times `matrix`; themselves without one.
pub(crate) fn project(x: &[f64], matrix: Option<&[f64]>, inner: usize, out: &mut Vec<Projected>) {
    let Some(matrix) = matrix else {
        out.extend(x.iter().map(|&x| Projected { x: Sum::of(x), ..Projected::default() }));
        return;
    };
    let width = matrix.len() / inner;
    for row in x.chunks_exact(inner) {
        for a in 0..width {
            let mut to = Projected::default();
            for (d, &x) in row.iter().enumerate() {
                let w = matrix[d * width + a];
                to.x.add_product(x, w);
                to.absolute += (x * w).abs();
                to.square += (x * w) * (x * w);
            }
            out.push(to);
        }
    }
}

impl Projected {
    /// Standard deviation of its rounding errors, per unit roundoff.
    fn walk(&self, inner: usize) -> f64 {
        if self.absolute == 0.0 { 0.0 } else { partial_sums(inner, self.square, self.x.value()) }
    }
}

/// The score of one pair: a query that is projected once per row, and a key.
pub(crate) enum Pair<'a> {
    /// Query and key.
    Dot(&'a [f64], &'a [f64]),
    /// `q^T W` and a key.
    General(&'a [Projected], &'a [f64]),
    /// Projected query and key, and `w`.
    Additive(&'a [Projected], &'a [Projected], Option<&'a [f64]>),
}

impl Pair<'_> {
    pub(crate) fn score(&self, problem: &Problem, rounding: &Rounding) -> Raw {
        let shape = problem.shape();
        let (d, dk) = (shape.dim, shape.dim_k());
        let scale = problem.scale();
        let sums = match *self {
            Pair::Dot(q, k) => dot(q, k, rounding),
            Pair::General(q, k) => general(q, k, d),
            Pair::Additive(q, k, w) => additive([q, k], w, [d, dk]),
        };
        let Raw { value, error, walk } = sums.rounded(rounding.coarse);
        Raw { value: scale * value, error: scale.abs() * error, walk: scale.abs() * walk }
    }

    /// What a pair of `problem` costs the oracle, in multiplications: a tanh counts as sixteen.
    pub(crate) const fn cost(problem: &Problem) -> usize {
        let width = problem.score().width(problem.shape());
        match problem.score() {
            Score::ScaledDot | Score::General { .. } => width,
            Score::Additive { .. } => 16 * width,
        }
    }
}

/// A raw score without its scale, and the sums that its rounding errors follow.
struct Sums {
    raw: Raw,
    /// Sum of the absolute values of all products.
    absolute: f64,
    /// Sum of their squares.
    square: f64,
}

impl Sums {
    /// With operands or scores rounded to a type whose unit roundoff is `coarse` times the accumulator's: two
    /// roundings of each product, or of a score that is no larger than their sum.
    fn rounded(self, coarse: f64) -> Raw {
        let Sums { raw: Raw { value, error, walk }, absolute, square } = self;
        if coarse == 0.0 {
            return self.raw;
        }
        let error = error + 2.0 * coarse * absolute;
        let walk = walk.hypot(coarse * (2.0 / 3.0 * (square + value * value)).sqrt());
        Raw { value, error, walk }
    }
}

fn dot(q: &[f64], k: &[f64], rounding: &Rounding) -> Sums {
    let [value, absolute, square] =
        if rounding.doubled { doubled_sums(q, k) } else { plain_sums(q, k) };
    let walk = partial_sums(q.len(), square, value);
    let mut raw = Raw { value, error: growth(q.len() + 2) * absolute, walk };
    if let Some(half_steps) = rounding.half_steps {
        raw = quantised(raw, q, k, half_steps);
    }
    Sums { raw, absolute, square }
}

/// `sum_d q_d k_d`, the sum of the absolute values of the products and that of their squares.
fn doubled_sums(q: &[f64], k: &[f64]) -> [f64; 3] {
    let (mut sum, mut absolute, mut square) = (Sum::default(), 0.0, 0.0);
    for (q, k) in q.iter().zip(k) {
        sum.add_product(*q, *k);
        absolute += (q * k).abs();
        square += (q * k) * (q * k);
    }
    [sum.value(), absolute, square]
}

/// The same in f64 alone, whose roundings are far below those of f32.
fn plain_sums(q: &[f64], k: &[f64]) -> [f64; 3] {
    let mut sums = [[0.0; LANES]; 3];
    let ((q, q_rest), (k, k_rest)) = (q.as_chunks::<LANES>(), k.as_chunks::<LANES>());
    for (q, k) in q.iter().zip(k) {
        let products: Lanes = std::array::from_fn(|lane| q[lane] * k[lane]);
        add(&mut sums[0], products);
        add(&mut sums[1], products.map(f64::abs));
        add(&mut sums[2], products.map(|product| product * product));
    }
    let mut sums = sums.map(|lanes| lanes.iter().sum::<f64>());
    for (q, k) in q_rest.iter().zip(k_rest) {
        let product = q * k;
        sums[0] += product;
        sums[1] += product.abs();
        sums[2] += product * product;
    }
    sums
}

fn add(sums: &mut Lanes, terms: Lanes) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

/// With each element of q and k off by up to half a step:
/// `|ds| <= h_k sum |q_d| + h_q sum |k_d| + D h_q h_k`, as noise uniform within the steps.
fn quantised(raw: Raw, q: &[f64], k: &[f64], [of_q, of_k]: [f64; 2]) -> Raw {
    let sum = |x: &[f64]| x.iter().map(|x| x.abs()).sum::<f64>();
    let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let unit = DType::F32.unit_roundoff();
    let bound = of_k * sum(q) + of_q * sum(k) + q.len() as f64 * of_q * of_k * unit;
    let variance = (of_k * of_k * squares(q) + of_q * of_q * squares(k)) / 3.0;
    Raw { error: raw.error + bound, walk: raw.walk.hypot(variance.sqrt()), ..raw }
}

fn general(y: &[Projected], k: &[f64], d: usize) -> Sums {
    let (mut sum, mut absolute, mut square, mut first) = (Sum::default(), 0.0, 0.0, 0.0);
    for (y, &k) in y.iter().zip(k) {
        let (high, low) = y.x.split();
        sum.add_product(high, k);
        sum.add_product(low, k);
        absolute += y.absolute * k.abs();
        square += (high * k) * (high * k);
        first += (k * y.walk(d)).powi(2);
    }
    let value = sum.value();
    let error = (growth(d) + growth(k.len() + 2)) * absolute;
    let walk = partial_sums(k.len(), square, value) + first.sqrt();
    Sums { raw: Raw { value, error, walk }, absolute, square }
}

fn additive([q, k]: [&[Projected]; 2], w: Option<&[f64]>, [d, dk]: [usize; 2]) -> Sums {
    let (mut sum, mut absolute, mut square) = (Sum::default(), 0.0, 0.0);
    let (mut inputs, mut noise, mut arguments) = (0.0, 0.0, 0.0);
    for (a, (q, k)) in q.iter().zip(k).enumerate() {
        let w = w.map_or(1.0, |w| w[a]);
        let mut x = q.x;
        x.add_sum(k.x);
        let (x, rest) = x.split();
        let t = x.tanh();
        let slope = 1.0 - t * t;
        sum.add_product(w, t);
        sum.add_product(w, slope * rest);
        absolute += (w * t).abs();
        square += (w * t) * (w * t);
        let argument = growth(d) * q.absolute + growth(dk) * k.absolute + x.abs();
        inputs += w.abs() * (argument + TANH);
        arguments += w.abs() * (q.absolute + k.absolute + x.abs());
        let walk = q.walk(d) + k.walk(dk) + x.abs();
        noise += (w * (slope * walk + 1.0)).powi(2);
    }
    let value = sum.value();
    let error = inputs + growth(q.len() + 2) * absolute;
    let walk = partial_sums(q.len(), square, value) + noise.sqrt();
    Sums { raw: Raw { value, error, walk }, absolute: absolute + arguments, square }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projected(x: &[f64], matrix: Option<&[f64]>) -> Vec<Projected> {
        let mut out = Vec::new();
        project(x, matrix, x.len(), &mut out);
        out
    }

    #[test]
    fn projections_keep_what_f64_drops() {
        let tiny = f64::EPSILON / 4.0;
        let y = projected(&[1.0, tiny], Some(&[1.0, 1.0]));
        assert_eq!(y[0].x.split(), (1.0, tiny));
        let score = general(&y, &[3.0], 2).raw;
        assert_eq!(score.value, 3.0 + 3.0 * tiny);
        let cancelled = additive([&y, &projected(&[-1.0], None)], None, [2, 1]).raw;
        assert_eq!(cancelled.value, tiny.tanh());
    }

    #[test]
    fn general_is_the_double_sum_and_additive_the_network() {
        let (q, k) = ([1.0, -2.0], [0.5, 3.0, -1.0]);
        let w = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        let direct: f64 = (0..6).map(|at| q[at / 3] * w[at] * k[at % 3]).sum();
        assert!((general(&projected(&q, Some(&w)), &k, 2).raw.value - direct).abs() < 1e-15);
        let (w_k, v) = ([0.3, -0.2, 0.1, 0.7, -0.4, 0.2], [2.0, -1.0]);
        let x = |a: usize| q[a] + (0..3).map(|e| k[e] * w_k[2 * e + a]).sum::<f64>();
        let direct: f64 = (0..2).map(|a| v[a] * x(a).tanh()).sum();
        let pair = [&*projected(&q, None), &*projected(&k, Some(&w_k))];
        assert!((additive(pair, Some(&v), [2, 3]).raw.value - direct).abs() < 1e-15);
    }

    /// A computation in f32 in its most natural order stays within the bound, and is not far below it.
    #[test]
    fn f32_errors_are_within_the_bound_and_not_lost_in_it() {
        let n = 64;
        let at = |i: usize| f64::from(((i * 7919 % 1000) as f32 / 500.0) - 1.0);
        let vector = |from: usize, len: usize| (from..from + len).map(at).collect::<Vec<_>>();
        let (q, k) = (vector(1, n), vector(5000, n));
        let (w_q, w_k, w) = (vector(100, n * n), vector(200, n * n), vector(300, n));
        let single = |x: &[f64], m: &[f64], a: usize| {
            (0..n).fold(0f32, |sum, d| sum + x[d] as f32 * m[d * n + a] as f32)
        };
        let u = f64::from(f32::EPSILON) / 2.0;
        let share = |got: f32, want: Raw| (f64::from(got) - want.value).abs() / (u * want.error);
        let want = general(&projected(&q, Some(&w_q)), &k, n).raw;
        let got = (0..n).fold(0f32, |sum, e| sum + single(&q, &w_q, e) * k[e] as f32);
        assert!((1e-4..1.0).contains(&share(got, want)), "{}", share(got, want));
        let pair = [&*projected(&q, Some(&w_q)), &*projected(&k, Some(&w_k))];
        let want = additive(pair, Some(&w), [n, n]).raw;
        let got = (0..n).fold(0f32, |sum, a| {
            sum + w[a] as f32 * (single(&q, &w_q, a) + single(&k, &w_k, a)).tanh()
        });
        assert!((1e-4..1.0).contains(&share(got, want)), "{}", share(got, want));
    }
}
