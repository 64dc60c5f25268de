//! The inputs in f64, and where each row of each head is.

use attn_core::{Inputs, Mask, Problem, Shape};

/// Everything that scores and values are computed from.
pub(crate) struct Operands<'a> {
    problem: &'a Problem,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    mask: Option<&'a Mask>,
    slopes: Option<Vec<f64>>,
    sinks: Option<Vec<f64>>,
}

impl<'a> Operands<'a> {
    pub(crate) fn new(problem: &'a Problem, inputs: &'a Inputs) -> Self {
        let [q, k, v] = [inputs.q(), inputs.k(), inputs.v()].map(|t| t.data().to_f64());
        let widen = |x: Option<&[f32]>| x.map(|x| x.iter().map(|&x| f64::from(x)).collect());
        let (slopes, sinks) = (widen(inputs.slopes()), widen(inputs.sinks()));
        Operands { problem, q, k, v, mask: inputs.mask(), slopes, sinks }
    }

    pub(crate) fn problem(&self) -> &Problem {
        self.problem
    }

    pub(crate) fn query(&self, [b, h, i]: [usize; 3]) -> &[f64] {
        let Shape { heads_q, len_q, dim, .. } = *self.problem.shape();
        &self.q[((b * heads_q + h) * len_q + i) * dim..][..dim]
    }

    pub(crate) fn key(&self, [b, h, _]: [usize; 3], j: usize) -> &[f64] {
        let dim = self.problem.shape().dim;
        &self.k[(self.first_key(b, h) + j) * dim..][..dim]
    }

    pub(crate) fn value(&self, [b, h, _]: [usize; 3], j: usize) -> &[f64] {
        let width = self.problem.shape().dim_v;
        &self.v[(self.first_key(b, h) + j) * width..][..width]
    }

    /// Row of k and v at which the key/value head of query head `h` begins: `h Hkv / Hq`.
    fn first_key(&self, b: usize, h: usize) -> usize {
        let Shape { heads_q, heads_kv, len_k, .. } = *self.problem.shape();
        (b * heads_kv + h * heads_kv / heads_q) * len_k
    }

    /// ALiBi and mask of one key; `None` if the row does not admit it.
    pub(crate) fn biases(&self, [b, h, i]: [usize; 3], j: usize) -> Option<[f64; 2]> {
        let distance = (self.problem.diagonal(b, i) as f64 - j as f64).abs();
        let alibi = self.slopes.as_ref().map_or(0.0, |slopes| -slopes[h] * distance);
        let mask = self.mask.map_or(Some(0.0), |mask| mask.bias([b, h, i, j]))?;
        Some([alibi, mask])
    }

    pub(crate) fn sink(&self, h: usize) -> Option<f64> {
        self.sinks.as_ref().map(|sinks| sinks[h])
    }
}
