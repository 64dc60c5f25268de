//! Queries and keys as a score compares them.

use std::ops::Range;

use attn_core::{Problem, Score};

use crate::{Head, Real};

/// Projected queries and keys of one head, where its score projects them.
///
/// ```text
/// scaled-dot    q, k                 compared by q . k
/// general       q W, k               compared by q . k
/// additive      q W_q, k W_k         compared by w . tanh(q + k)
/// ```
pub struct Projections<C> {
    q: Vec<C>,
    k: Vec<C>,
}

/// One matrix product: `out = a b`, all row-major.
pub struct Product<'a, C> {
    /// `[rows, inner]`.
    pub a: &'a [C],
    /// `[inner, columns]`.
    pub b: &'a [C],
    /// `[rows, columns]`; every element is to be written.
    pub out: &'a mut [C],
    /// Rows, inner and columns.
    pub sizes: [usize; 3],
}

/// What is compared: rows of queries and of keys, both `width` wide.
#[derive(Clone, Copy)]
pub struct Compared<'a, C> {
    /// `[Nq, width]`, row-major.
    pub q: &'a [C],
    /// `[used keys, width]`, row-major.
    pub k: &'a [C],
    /// D, Dk or A.
    pub width: usize,
}

impl<C: Real> Projections<C> {
    /// Enough for every head of `problem`; nothing where the score projects nothing.
    pub fn new(problem: &Problem) -> Self {
        let (shape, weights) = (problem.shape(), problem.score_weights());
        let width = problem.score().width(shape);
        let (of_q, of_k) = match problem.score() {
            Score::ScaledDot => (None, None),
            Score::General { .. } => (weights.w, None),
            Score::Additive { .. } => (weights.w_q, weights.w_k),
        };
        let used = (0..shape.batch).map(|b| problem.used_keys(b).len()).max().unwrap_or(0);
        let buffer =
            |rows: usize, wanted: bool| vec![C::ZERO; if wanted { rows * width } else { 0 }];
        Projections { q: buffer(shape.len_q, of_q.is_some()), k: buffer(used, of_k.is_some()) }
    }

    /// What the score of `head` compares over the `used` keys; `multiply` computes the products.
    pub fn project<'a>(
        &'a mut self,
        head: &Head<'a, C>,
        used: &Range<usize>,
        mut multiply: impl FnMut(Product<'_, C>),
    ) -> Compared<'a, C> {
        let shape = head.shape();
        let (d, dk) = (shape.dim, shape.dim_k());
        let score = head.problem.score();
        let width = score.width(shape);
        let (of_q, of_k) = match score {
            Score::ScaledDot => (None, None),
            Score::General { .. } => (head.weights.w, None),
            Score::Additive { .. } => (head.weights.w_q, head.weights.w_k),
        };
        let mut project =
            |x: &'a [C], w: Option<&[C]>, out: &'a mut [C], [rows, inner]: [usize; 2]| {
                let Some(w) = w else { return x };
                let out = &mut out[..rows * width];
                multiply(Product { a: x, b: w, out: &mut *out, sizes: [rows, inner, width] });
                out
            };
        let keys = &head.k[used.start * dk..used.end * dk];
        let q = project(head.q, of_q, &mut self.q, [shape.len_q, d]);
        let k = project(keys, of_k, &mut self.k, [used.len(), dk]);
        Compared { q, k, width }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        (self.q.len() + self.k.len()) * size_of::<C>()
    }
}

impl<C: Real> Compared<'_, C> {
    /// The scaled scores of row `i` over the keys from `first` on, where the score is additive; one
    /// pair after another, the A terms of each in order.
    ///
    /// ```text
    /// s_j = scale * sum_a w_a tanh(q_ia + k_ja)      for the keys that the row admits by position
    /// ```
    pub fn add(&self, head: &Head<'_, C>, i: usize, first: usize, row: &mut [C]) {
        let (scale, admitted) = (C::from_f64(head.problem.scale()), head.admitted(i));
        let q = &self.q[i * self.width..][..self.width];
        for j in admitted {
            let at = j - first;
            let k = &self.k[at * self.width..][..self.width];
            row[at] = scale * hidden_sum(head.weights.w, q, k);
        }
    }
}

/// `sum_a w_a tanh(q_a + k_a)`.
fn hidden_sum<C: Real>(w: Option<&[C]>, q: &[C], k: &[C]) -> C {
    let hidden = q.iter().zip(k).map(|(&q, &k)| (q + k).tanh());
    let mut sum = C::ZERO;
    match w {
        None => hidden.for_each(|x| sum += x),
        Some(w) => hidden.zip(w).for_each(|(x, &w)| sum += w * x),
    }
    sum
}
