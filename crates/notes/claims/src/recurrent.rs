//! The sequential baseline: a simple recurrent network (Elman 1990) of the same sizes.
//!
//! ```text
//! h_t = tanh(x_t W + h_(t-1) U),   h_0 = tanh(x_0 W)        x [N, M], W and U [M, M]
//! ```
//!
//! `x W` is one product for all tokens; step t cannot begin before step t - 1 has ended.

use attn_core::{BackendError, Exec};
use attn_head::{Matrix, Projection};

use crate::ClaimError;
use crate::probe::normal;

/// A network of width `model`.
pub(crate) struct Recurrent {
    model: usize,
    /// `[M, M]`.
    input: Vec<f32>,
    /// `[M, M]`.
    state: Vec<f32>,
}

impl Recurrent {
    /// Random weights that keep the variance of a state (gain 1).
    pub(crate) fn random(model: usize, seed: u64) -> Result<Self, ClaimError> {
        let deviation = 1.0 / (model as f64).sqrt();
        let [input, state] = [seed, seed + 1].map(|seed| normal(model * model, seed, deviation));
        Ok(Recurrent { model, input: input?, state: state? })
    }

    /// The states `[N, M]` after each token.
    pub(crate) fn run(
        &self,
        x: &[f32],
        projection: &dyn Projection,
        exec: Exec,
        states: &mut Vec<f32>,
    ) -> Result<(), BackendError> {
        let m = self.model;
        states.clear();
        states.resize(x.len(), 0.0);
        let square = |w| Matrix::new(w, [m, m]);
        let rows = Matrix::new(x, [x.len() / m, m]);
        projection.multiply_add(rows, square(&self.input), states, &exec)?;
        for t in 0..x.len() / m {
            let (before, after) = states.split_at_mut(t * m);
            let now = &mut after[..m];
            if t > 0 {
                let last = Matrix::new(&before[(t - 1) * m..], [1, m]);
                projection.multiply_add(last, square(&self.state), now, &exec)?;
            }
            for h in now {
                *h = h.tanh();
            }
        }
        Ok(())
    }

    /// The largest error of `states`, step by step: each state against the f64 step from the state
    /// before it as it is.
    pub(crate) fn step_error(&self, x: &[f32], states: &[f32]) -> f64 {
        let m = self.model;
        let rows = |t: usize| (&x[t * m..][..m], t.checked_sub(1).map(|t| &states[t * m..][..m]));
        let mut worst = 0.0f64;
        for t in 0..x.len() / m {
            let (x, last) = rows(t);
            for c in 0..m {
                let dot = |v: &[f32], w: &[f32]| -> f64 {
                    v.iter().enumerate().map(|(r, v)| f64::from(*v) * f64::from(w[r * m + c])).sum()
                };
                let sum = dot(x, &self.input) + last.map_or(0.0, |h| dot(h, &self.state));
                worst = worst.max((f64::from(states[t * m + c]) - sum.tanh()).abs());
            }
        }
        worst
    }

    /// What rounding explains of [`Self::step_error`]: `2 M` terms of size about 1 in f32.
    pub(crate) fn allowed_error(&self) -> f64 {
        2.0 * self.model as f64 * f64::from(f32::EPSILON)
    }

    /// How much the state after token t moves with token 0, for t = 0, 1, ...: the Frobenius norm of
    /// `d h_t / d x_0`, over `sqrt(M)`; by the chain rule in f64.
    pub(crate) fn influence(&self, x: &[f32]) -> Vec<f64> {
        let m = self.model;
        let wide = |w: &[f32]| w.iter().map(|w| f64::from(*w)).collect::<Vec<_>>();
        let (input, state) = (wide(&self.input), wide(&self.state));
        let mut h = vec![0.0; m];
        // d h_t / d x_0, one row per component of x_0.
        let mut jacobian = vec![0.0; m * m];
        let mut found = Vec::new();
        for (t, x) in x.chunks_exact(m).enumerate() {
            let from_last = product(&h, &state, m);
            let sums = product(&wide(x), &input, m);
            h = sums.iter().zip(from_last).map(|(a, b)| (a + b).tanh()).collect();
            let moved = if t == 0 {
                input.clone()
            } else {
                jacobian.chunks_exact(m).flat_map(|row| product(row, &state, m)).collect()
            };
            let slopes = h.iter().map(|h| 1.0 - h * h).cycle();
            jacobian = moved.iter().zip(slopes).map(|(j, slope)| j * slope).collect();
            let squares = jacobian.iter().map(|j| j * j).sum::<f64>();
            found.push((squares / m as f64).sqrt());
        }
        found
    }
}

/// `v W`, W `[m, m]`.
fn product(v: &[f64], w: &[f64], m: usize) -> Vec<f64> {
    let mut out = vec![0.0; m];
    for (v, row) in v.iter().zip(w.chunks_exact(m)) {
        out.iter_mut().zip(row).for_each(|(out, w)| *out += v * w);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use attn_head::{Faer, Naive};

    #[test]
    fn steps_are_those_of_the_definition() {
        let network = Recurrent::random(24, 1).unwrap();
        let x = normal(10 * 24, 2, 1.0).unwrap();
        for projection in [&Naive as &dyn Projection, &Faer] {
            let mut states = Vec::new();
            network.run(&x, projection, Exec::SINGLE, &mut states).unwrap();
            assert!(network.step_error(&x, &states) <= network.allowed_error());
            states[50] += 0.01;
            assert!(network.step_error(&x, &states) > network.allowed_error());
        }
    }

    #[test]
    fn influence_is_the_derivative() {
        let network = Recurrent::random(4, 3).unwrap();
        let x = normal(3 * 4, 4, 0.5).unwrap();
        let run = |x: &[f32]| {
            let mut states = Vec::new();
            network.run(x, &Naive, Exec::SINGLE, &mut states).unwrap();
            states
        };
        // Central differences, all of d h_2 / d x_0.
        let mut squares = 0.0;
        for c in 0..4 {
            let moved = |by: f32| {
                let mut x = x.clone();
                x[c] += by;
                run(&x)
            };
            let (up, down) = (moved(0.02), moved(-0.02));
            let slopes = (8..12).map(|at| f64::from(up[at] - down[at]) / 0.04);
            squares += slopes.map(|slope| slope * slope).sum::<f64>();
        }
        let expected = (squares / 4.0).sqrt();
        let found = network.influence(&x)[2];
        assert!((found - expected).abs() < 1e-3 * (1.0 + expected), "{found} {expected}");
    }
}
