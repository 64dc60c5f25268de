//! One layer of the encoder.

use attn_core::{Exec, Inputs};
use attn_head::{Biases, Engines, Layer, LayerProblem, LayerSpec, Projection, Weights};

use crate::ModelError;
use crate::config::Config;
use crate::math::{Linear, Norm, gelu};
use crate::tensors::Tensors;

/// Attention, then a network applied to every token, each with a residual and a norm after it.
pub(crate) struct EncoderLayer {
    attention: Weights,
    after_attention: Norm,
    widen: Linear,
    narrow: Linear,
    after_network: Norm,
}

impl EncoderLayer {
    /// Reads layer `at`.
    pub(crate) fn load(
        tensors: &Tensors<'_>,
        config: &Config,
        at: usize,
    ) -> Result<Self, ModelError> {
        let (m, eps) = (config.hidden_size, config.layer_norm_eps);
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        let linear = |part: &str, from, to| tensors.linear(&name(part), [from, to]);
        let heads = |part: &str| -> Result<(Vec<f32>, Vec<f32>), ModelError> {
            let Linear { weight, bias } = linear(part, m, m)?;
            Ok((by_head(&weight, m, config.dim()), bias))
        };
        let (q, bias_q) = heads("attention.self.query")?;
        let (k, bias_k) = heads("attention.self.key")?;
        let (down, bias_down) = heads("attention.self.value")?;
        // The rows of the output matrix [H Dv, M] are those of the heads, one after another.
        let Linear { weight: up, bias: bias_up } = linear("attention.output.dense", m, m)?;
        let biases = Biases { q: bias_q, k: bias_k, down: bias_down, up: bias_up };
        Ok(EncoderLayer {
            attention: Weights { q, k, down, up, biases: Some(biases) },
            after_attention: tensors.norm(&name("attention.output.LayerNorm"), m, eps)?,
            widen: linear("intermediate.dense", m, config.intermediate_size)?,
            narrow: linear("output.dense", config.intermediate_size, m)?,
            after_network: tensors.norm(&name("output.LayerNorm"), m, eps)?,
        })
    }

    /// The attention of this layer over `len` tokens.
    pub(crate) fn attention<'a>(
        &'a self,
        problem: &'a LayerProblem,
        engines: Engines<'a>,
    ) -> Result<Layer<'a>, ModelError> {
        Ok(Layer::prepare(problem, &self.attention, engines)?)
    }

    /// Everything after the heads: x `[N, M]` and what they mixed `[H, N, D]` become the next x.
    pub(crate) fn finish(
        &self,
        layer: &Layer<'_>,
        mixed: &[f32],
        x: &mut [f32],
        (projection, exec): (&dyn Projection, Exec),
    ) -> Result<(), ModelError> {
        add(x, &layer.combine(mixed)?);
        self.after_attention.apply(x);
        let mut hidden = self.widen.apply(x, projection, exec)?;
        for h in &mut hidden {
            *h = gelu(*h);
        }
        add(x, &self.narrow.apply(&hidden, projection, exec)?);
        self.after_network.apply(x);
        Ok(())
    }
}

/// Sizes of the attention over `len` tokens.
pub(crate) fn problem(config: &Config, len: usize) -> Result<LayerProblem, ModelError> {
    let heads = config.num_attention_heads;
    Ok(LayerProblem::new(LayerSpec::square(heads, len, config.hidden_size, config.dim()))?)
}

/// What a layer's attention is given, for those who look at its weights.
pub(crate) fn project(layer: &Layer<'_>, x: &[f32]) -> Result<Inputs, ModelError> {
    Ok(layer.project(x, None)?)
}

fn add(x: &mut [f32], delta: &[f32]) {
    x.iter_mut().zip(delta).for_each(|(x, delta)| *x += delta);
}

/// `[M, H D]` as `[H, M, D]`.
fn by_head(weight: &[f32], model: usize, dim: usize) -> Vec<f32> {
    let width = weight.len() / model;
    let head = |h: usize| weight.chunks_exact(width).flat_map(move |row| &row[h * dim..][..dim]);
    (0..width / dim).flat_map(head).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_shared_out_among_heads() {
        let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(by_head(&weight, 2, 2), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
    }
}
