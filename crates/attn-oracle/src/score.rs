//! Raw scores: doubled precision as far as sums and products go, f64's tanh at a corrected argument.
//!
//! Beside each score stands what its rounding can amount to (`error`, a bound, see `budget.rs`) and what
//! it typically amounts to (`walk`, a model, see `noise.rs`), both per unit roundoff and scaled.

use attn_core::{Problem, Score};

use crate::budget::{TANH, growth};
use crate::exact::Sum;
use crate::noise::partial_sums;

/// A scaled score without softcap and bias.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw {
    pub(crate) value: f64,
    pub(crate) error: f64,
    pub(crate) walk: f64,
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
    pub(crate) fn score(&self, problem: &Problem) -> Raw {
        let shape = problem.shape();
        let (d, dk) = (shape.dim, shape.dim_k());
        let scale = problem.scale();
        let Raw { value, error, walk } = match *self {
            Pair::Dot(q, k) => dot(q, k),
            Pair::General(q, k) => general(q, k, d),
            Pair::Additive(q, k, w) => additive([q, k], w, [d, dk]),
        };
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

fn dot(q: &[f64], k: &[f64]) -> Raw {
    let (mut sum, mut absolute, mut square) = (Sum::default(), 0.0, 0.0);
    for (q, k) in q.iter().zip(k) {
        sum.add_product(*q, *k);
        absolute += (q * k).abs();
        square += (q * k) * (q * k);
    }
    let value = sum.value();
    let walk = partial_sums(q.len(), square, value);
    Raw { value, error: growth(q.len() + 2) * absolute, walk }
}

fn general(y: &[Projected], k: &[f64], d: usize) -> Raw {
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
    Raw { value, error, walk: partial_sums(k.len(), square, value) + first.sqrt() }
}

fn additive([q, k]: [&[Projected]; 2], w: Option<&[f64]>, [d, dk]: [usize; 2]) -> Raw {
    let (mut sum, mut absolute, mut square) = (Sum::default(), 0.0, 0.0);
    let (mut inputs, mut noise) = (0.0, 0.0);
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
        let walk = q.walk(d) + k.walk(dk) + x.abs();
        noise += (w * (slope * walk + 1.0)).powi(2);
    }
    let value = sum.value();
    let error = inputs + growth(q.len() + 2) * absolute;
    Raw { value, error, walk: partial_sums(q.len(), square, value) + noise.sqrt() }
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
        let score = general(&y, &[3.0], 2);
        assert_eq!(score.value, 3.0 + 3.0 * tiny);
        let cancelled = additive([&y, &projected(&[-1.0], None)], None, [2, 1]);
        assert_eq!(cancelled.value, tiny.tanh());
    }

    #[test]
    fn general_is_the_double_sum_and_additive_the_network() {
        let (q, k) = ([1.0, -2.0], [0.5, 3.0, -1.0]);
        let w = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        let direct: f64 = (0..6).map(|at| q[at / 3] * w[at] * k[at % 3]).sum();
        assert!((general(&projected(&q, Some(&w)), &k, 2).value - direct).abs() < 1e-15);
        let (w_k, v) = ([0.3, -0.2, 0.1, 0.7, -0.4, 0.2], [2.0, -1.0]);
        let x = |a: usize| q[a] + (0..3).map(|e| k[e] * w_k[2 * e + a]).sum::<f64>();
        let direct: f64 = (0..2).map(|a| v[a] * x(a).tanh()).sum();
        let pair = [&*projected(&q, None), &*projected(&k, Some(&w_k))];
        assert!((additive(pair, Some(&v), [2, 3]).value - direct).abs() < 1e-15);
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
        let want = general(&projected(&q, Some(&w_q)), &k, n);
        let got = (0..n).fold(0f32, |sum, e| sum + single(&q, &w_q, e) * k[e] as f32);
        assert!((1e-4..1.0).contains(&share(got, want)), "{}", share(got, want));
        let pair = [&*projected(&q, Some(&w_q)), &*projected(&k, Some(&w_k))];
        let want = additive(pair, Some(&w), [n, n]);
        let got = (0..n).fold(0f32, |sum, a| {
            sum + w[a] as f32 * (single(&q, &w_q, a) + single(&k, &w_k, a)).tanh()
        });
        assert!((1e-4..1.0).contains(&share(got, want)), "{}", share(got, want));
    }
}
