//! The inputs in f64, and where each row of each head is.

use attn_core::{DType, Format, Inputs, Mask, Problem, Score, ScoreWeights, Shape};

use crate::score::{Pair, Projected, Rounding, project};
use crate::twist::{Key, Twist};

/// Everything that scores and values are computed from.
pub(crate) struct Operands<'a> {
    problem: &'a Problem,
    scores: Format,
    /// Steps that are done wrong on purpose.
    pub(crate) twist: Twist<'a>,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    weights: ScoreWeights<Vec<f64>>,
    /// `[B, heads, Nk, A]` of an additive score, `heads` being Hq where each head has its own `W_k` and Hkv
    /// elsewhere.
    projected_k: Vec<Projected>,
    mask: Option<&'a Mask>,
    slopes: Option<Vec<f64>>,
    sinks: Option<Vec<f64>>,
    /// `max_c |v_jc|`, one per `[B, Hkv, Nk]`.
    largest_values: Vec<f64>,
    /// Half a step of int8 for q, one per `[B, Hq]`, and k, one per `[B, Hkv]`.
    half_steps: Option<[Vec<f64>; 2]>,
}

impl<'a> Operands<'a> {
    /// The operands, and how exact the scores are whose errors are bounded.
    pub(crate) fn new(problem: &'a Problem, inputs: &'a Inputs, scores: Format) -> Self {
        let [q, k, v] = [inputs.q(), inputs.k(), inputs.v()].map(|t| t.data().to_f64());
        let widen = |x: Option<&[f32]>| x.map(|x| x.iter().map(|&x| f64::from(x)).collect());
        let (slopes, sinks) = (widen(inputs.slopes()), widen(inputs.sinks()));
        let weights = inputs.weights().as_ref().map(|_, tensor| tensor.data().to_f64());
        let mask = inputs.mask();
        let shape = problem.shape();
        let largest = |row: &[f64]| row.iter().fold(0.0f64, |max, x| max.max(x.abs()));
        let largest_values = v.chunks_exact(shape.dim_v).map(largest).collect();
        let half_steps = (scores == Format::Int8).then(|| {
            let heads = [(&q, shape.len_q * shape.dim), (&k, shape.len_k * shape.dim_k())];
            heads.map(|(x, size)| x.chunks_exact(size).map(half_step).collect())
        });
        let projected_k = Vec::new();
        let mut operands = Operands {
            problem,
            scores,
            twist: Twist::default(),
            q,
            k,
            v,
            weights,
            projected_k,
            mask,
            slopes,
            sinks,
            largest_values,
            half_steps,
        };
        operands.project_keys();
        operands
    }

    fn project_keys(&mut self) {
        let Shape { batch, heads_q, heads_kv, len_k, .. } = *self.problem.shape();
        if !matches!(self.problem.score(), Score::Additive { .. }) {
            return;
        }
        let mut all = Vec::new();
        for b in 0..batch {
            for head in 0..if self.keys_per_head() { heads_q } else { heads_kv } {
                let h = if self.keys_per_head() { head } else { head * (heads_q / heads_kv) };
                let dim = self.problem.shape().dim_k();
                let keys = &self.k[self.first_key(b, h) * dim..][..len_k * dim];
                project(keys, self.weights(h).w_k, dim, &mut all);
            }
        }
        self.projected_k = all;
    }

    /// Whether every query head has its own `W_k`.
    fn keys_per_head(&self) -> bool {
        self.problem.score_weights().w_k.is_some_and(|dims| dims[1] > 1)
    }

    /// The weights of query head `h`.
    fn weights(&self, h: usize) -> ScoreWeights<&[f64]> {
        let dims = self.problem.score_weights();
        self.weights.as_ref().zip(dims).map(|_, (w, [_, heads, rows, columns])| {
            let first = if heads == 1 { 0 } else { h * rows * columns };
            &w[first..][..rows * columns]
        })
    }

    /// The projected query of a row; nothing for a scaled dot product.
    pub(crate) fn project_query(&self, at: [usize; 3], out: &mut Vec<Projected>) {
        out.clear();
        let (q, ScoreWeights { w_q, w, .. }) = (self.query(at), self.weights(at[1]));
        match self.problem.score() {
            Score::ScaledDot => {}
            Score::General { .. } => project(q, w, q.len(), out),
            Score::Additive { .. } => project(q, w_q, q.len(), out),
        }
    }

    /// What the score of key `j` is computed from, beside the projected query of the row.
    pub(crate) fn pair<'p>(&'p self, at: [usize; 3], query: &'p [Projected], j: usize) -> Pair<'p> {
        let [b, h, _] = at;
        match self.problem.score() {
            // Without a matrix the general score is the dot product.
            Score::ScaledDot | Score::General { w: None } => {
                Pair::Dot(self.query(at), self.key(at, j))
            }
            Score::General { .. } => Pair::General(query, self.key(at, j)),
            Score::Additive { dim, .. } => {
                let Shape { heads_q, len_k, .. } = *self.problem.shape();
                let first = if self.keys_per_head() {
                    (b * heads_q + h) * len_k
                } else {
                    self.first_key(b, h)
                };
                let k = &self.projected_k[(first + j) * dim..][..dim];
                Pair::Additive(query, k, self.weights(h).w)
            }
        }
    }

    pub(crate) fn problem(&self) -> &Problem {
        self.problem
    }

    /// Unit roundoff of the type that dot products are accumulated in.
    pub(crate) fn unit(&self) -> f64 {
        self.scores.accumulator().unit_roundoff()
    }

    /// How the scores of query head `h` of batch `b` are rounded.
    pub(crate) fn rounding(&self, b: usize, h: usize) -> Rounding {
        let Shape { heads_q, heads_kv, .. } = *self.problem.shape();
        Rounding {
            doubled: self.problem.dtype() == DType::F64,
            coarse: self.scores.coarse_roundoff() / self.unit(),
            half_steps: self.half_steps.as_ref().map(|[q, k]| {
                let kv = b * heads_kv + self.problem.shape().kv_head(h);
                [q[b * heads_q + h], k[kv]].map(|step| step / self.unit())
            }),
        }
    }

    pub(crate) fn query(&self, [b, h, i]: [usize; 3]) -> &[f64] {
        let Shape { heads_q, len_q, dim, .. } = *self.problem.shape();
        &self.q[((b * heads_q + h) * len_q + i) * dim..][..dim]
    }

    pub(crate) fn key(&self, [b, h, _]: [usize; 3], j: usize) -> &[f64] {
        let dim = self.problem.shape().dim_k();
        &self.k[(self.first_key(b, h) + j) * dim..][..dim]
    }

    /// The values of a head, `[Nk, Dv]`.
    pub(crate) fn values(&self, [b, h, _]: [usize; 3]) -> &[f64] {
        let Shape { len_k, dim_v, .. } = *self.problem.shape();
        &self.v[self.first_key(b, h) * dim_v..][..len_k * dim_v]
    }

    /// `max_c |v_jc|` of a head, one per key.
    pub(crate) fn largest_values(&self, [b, h, _]: [usize; 3]) -> &[f64] {
        &self.largest_values[self.first_key(b, h)..][..self.problem.shape().len_k]
    }

    /// Row of k and v at which the key/value head of query head `h` begins: `h Hkv / Hq`.
    fn first_key(&self, b: usize, h: usize) -> usize {
        let Shape { heads_q, heads_kv, len_k, .. } = *self.problem.shape();
        (b * heads_kv + h * heads_kv / heads_q) * len_k
    }

    /// ALiBi and mask of one key; `None` if the row does not admit it.
    pub(crate) fn biases(&self, [b, h, i]: [usize; 3], j: usize) -> Option<[f64; 2]> {
        let mask = self.mask.map_or(Some(0.0), |mask| mask.bias([b, h, i, j]))?;
        Some([self.alibi([b, h, i], j), mask])
    }

    /// The final score of key `j` with its biases, whose score after the softcap is `capped`, if it takes part.
    pub(crate) fn twisted(&self, [b, h, i]: [usize; 3], j: usize, capped: f64) -> Option<f64> {
        let alibi = self.alibi([b, h, i], j);
        let mask = self.mask.map_or(Some(0.0), |mask| mask.bias([b, h, i, j]));
        let in_reach = self.problem.admitted(b, i).contains(&j);
        let key = Key { at: [b, h, i, j], capped, alibi, mask, in_reach };
        self.twist.score.map_or_else(|| key.right(), |score| score(&key))
    }

    fn alibi(&self, [b, h, i]: [usize; 3], j: usize) -> f64 {
        let distance = (self.problem.diagonal(b, i) as f64 - j as f64).abs();
        self.slopes.as_ref().map_or(0.0, |slopes| -slopes[h] * distance)
    }

    pub(crate) fn sink(&self, h: usize) -> Option<f64> {
        self.sinks.as_ref().map(|sinks| sinks[h])
    }
}

/// Half a step of numbers that are quantised to -127..=127 with one factor for all of them.
fn half_step(x: &[f64]) -> f64 {
    let finite = x.iter().filter(|x| x.is_finite());
    finite.fold(0.0f64, |max, x| max.max(x.abs())) / 127.0 / 2.0
}
