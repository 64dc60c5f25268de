//! Queries and keys as a score compares them, and the numbers they are computed in.

use attn_core::{Problem, Score, ScoreWeights};
use attn_host::Real;

use crate::steps::Steps;

/// A [`Real`] whose conversions are inlined: they are made once per element and step.
pub(crate) trait Number: Real {
    /// Rounds to nearest.
    fn of(x: f64) -> Self;
    /// Exact.
    fn wide(self) -> f64;
}

impl Number for f32 {
    #[inline]
    fn of(x: f64) -> Self {
        x as f32
    }

    #[inline]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f64 {
    #[inline]
    fn of(x: f64) -> Self {
        x
    }

    #[inline]
    fn wide(self) -> f64 {
        self
    }
}

/// `q W` and k of a general score, `q W_q` and `k W_k` of an additive one, q and k themselves else.
pub(crate) struct Compared<C> {
    q: Vec<C>,
    k: Vec<C>,
    /// `w` of an additive score, or ones; empty for the others.
    w: Vec<C>,
    width: usize,
}

impl<C: Number> Compared<C> {
    /// Nothing, before the first head.
    pub(crate) const NOTHING: Self =
        Compared { q: Vec::new(), k: Vec::new(), w: Vec::new(), width: 0 };

    /// Projects the queries and keys of one head.
    pub(crate) fn new(
        steps: &Steps,
        problem: &Problem,
        [q, k]: [&[C]; 2],
        weights: ScoreWeights<&[C]>,
    ) -> Self {
        let (shape, width) = (problem.shape(), problem.score().width(problem.shape()));
        let project = |x: &[C], inner: usize, matrix: Option<&[C]>| match matrix {
            None => x.to_vec(),
            Some(matrix) => project(steps, x, matrix, [inner, width]),
        };
        let (of_q, of_k, w) = match problem.score() {
            Score::ScaledDot => (None, None, vec![]),
            Score::General { .. } => (weights.w, None, vec![]),
            Score::Additive { .. } => {
                let w = weights.w.map_or_else(|| vec![C::ONE; width], <[C]>::to_vec);
                (weights.w_q, weights.w_k, w)
            }
        };
        let (q, k) = (project(q, shape.dim, of_q), project(k, shape.dim_k(), of_k));
        Compared { q, k, w, width }
    }

    /// The raw score of query i and key j.
    pub(crate) fn score(&self, steps: &Steps, i: usize, j: usize) -> C {
        let depth = (steps.depth)(self.width);
        let q = &self.q[i * self.width..][..depth];
        let k = &self.k[j * self.width..][..depth];
        if self.w.is_empty() {
            return dot(q, k);
        }
        let mut sum = C::ZERO;
        for ((&q, &k), &w) in q.iter().zip(k).zip(&self.w) {
            sum += w * C::of((steps.hidden)(q.wide(), k.wide()));
        }
        sum
    }
}

/// The rows of x, `inner` wide, times `matrix [inner, width]`.
fn project<C: Number>(steps: &Steps, x: &[C], matrix: &[C], [inner, width]: [usize; 2]) -> Vec<C> {
    let mut out = vec![C::ZERO; x.len() / inner * width];
    for (x, out) in x.chunks_exact(inner).zip(out.chunks_exact_mut(width)) {
        for (&x, row) in x.iter().zip(matrix.chunks_exact(width)) {
            out.iter_mut().zip(row).for_each(|(out, &w)| *out += x * w);
        }
        for out in out {
            *out = C::of((steps.projected)(out.wide()));
        }
    }
    out
}

/// `a . b` in eight lanes.
fn dot<C: Number>(a: &[C], b: &[C]) -> C {
    let mut lanes = [C::ZERO; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(C::ZERO, |sum, (&a, &b)| sum + a * b);
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}
