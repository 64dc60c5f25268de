//! The weights of a score, and what a family makes of q, k and them.

use super::{Draft, STEEP};
use crate::random::Normal;
use crate::{Problem, Score, ScoreWeights};

/// Dimensions and elements of each weight.
pub(crate) type Weights = ScoreWeights<([usize; 4], Vec<f64>)>;

/// Streams of `w_q`, `w_k` and `w`.
const FIRST_STREAM: u64 = 5;

/// Normal weights, so large that normal q and k have projections and scores of about 1:
///
/// ```text
/// general     W = t / sqrt(D Dk)
/// additive    W_q = t / sqrt(D),  W_k = t / sqrt(Dk),  w = 2 t / sqrt(A)
/// ```
pub(super) fn normal(problem: &Problem, seed: u64) -> Weights {
    problem.score_weights().map(|name, dims| {
        let stream = ScoreWeights::<()>::NAMES.iter().position(|known| *known == name);
        let stream = FIRST_STREAM + stream.expect("every weight has a name") as u64;
        let size = size(problem.score(), name, dims);
        let elements = Normal::new(seed, stream).take(dims.iter().product());
        (dims, elements.map(|t| size * t).collect())
    })
}

/// The factor on `t`.
fn size(score: Score, name: &str, [_, _, rows, columns]: [usize; 4]) -> f64 {
    match (score, name) {
        (Score::General { .. }, _) => 1.0 / ((rows * columns) as f64).sqrt(),
        (_, "w") => 2.0 / (columns as f64).sqrt(),
        _ => 1.0 / (rows as f64).sqrt(),
    }
}

impl Draft {
    /// Integers: -1, 0 and 1.
    pub(super) fn whole_weights(&mut self, problem: &Problem) {
        self.each_weight(problem, |_, _, t| (1.5 * t).round().clamp(-1.0, 1.0));
    }

    /// `w` of an additive score `factor` times as large: nothing else makes bounded scores differ more.
    pub(super) fn amplify_additive(&mut self, problem: &Problem, factor: f64) {
        let additive = matches!(problem.score(), Score::Additive { .. });
        if let Some((_, w)) = self.weights.w.as_mut().filter(|_| additive) {
            for w in w {
                *w *= factor;
            }
        }
    }

    /// Weights under which graded keys still have graded scores: all of a matrix about `1 / Dk`, `w`
    /// about `40 / (scale A)`, `1 + t / 8` times that. Keys under an additive score rise to 1, where tanh still does.
    pub(super) fn grade_weights(&mut self, problem: &Problem, steep: f64) {
        let (shape, scale) = (problem.shape(), problem.scale());
        let additive = matches!(problem.score(), Score::Additive { .. });
        let about = |name: &str, [_, _, rows, columns]: [usize; 4]| match (additive, name) {
            (false, _) => Some(1.0 / columns as f64),
            (true, "w_k") => Some(1.0 / rows as f64),
            (true, "w") => Some(STEEP / (columns as f64 * if scale == 0.0 { 1.0 } else { scale })),
            (true, _) => None,
        };
        let score = problem.score();
        self.each_weight(problem, |name, dims, t| {
            let graded = about(name, dims).map(|x| x * (1.0 + (t / 8.0).clamp(-0.5, 0.5)));
            graded.unwrap_or(size(score, name, dims) * t)
        });
        if additive {
            for (row, k) in self.k.chunks_exact_mut(shape.dim_k()).enumerate() {
                k.fill(steep / STEEP * (row % shape.len_k) as f64 / shape.len_k as f64);
            }
        }
    }

    /// Every element from the name and the dimensions of its weight and its `t`.
    fn each_weight(&mut self, problem: &Problem, f: impl Fn(&str, [usize; 4], f64) -> f64) {
        let score = problem.score();
        self.weights = std::mem::take(&mut self.weights).map(|name, (dims, mut w)| {
            let size = size(score, name, dims);
            for w in &mut w {
                *w = f(name, dims, *w / size);
            }
            (dims, w)
        });
    }

    /// What query head `h` compares a multiplicative query with: `W k`, or k itself.
    pub(super) fn compared(&self, h: usize, k: &[f64]) -> Vec<f64> {
        let Some(([_, heads, rows, columns], w)) = &self.weights.w else {
            return k.to_vec();
        };
        let w = &w[h % heads * rows * columns..][..rows * columns];
        let dot = |row: &[f64]| row.iter().zip(k).map(|(w, k)| w * k).sum();
        w.chunks_exact(*columns).map(dot).collect()
    }
}
