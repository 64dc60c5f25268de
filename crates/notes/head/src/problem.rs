//! What a layer is: the width of its embeddings and the attention inside it.

use attn_core::{Alignment, DType, Problem, ProblemSpec, Shape};

use crate::LayerError;

/// Sizes and masking of a layer, as people state them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerSpec {
    /// Width of an embedding, M.
    pub model: usize,
    /// Sequences, heads, tokens, and the widths D and Dv of a head. `heads_kv < heads_q` shares keys
    /// and values among groups of query heads.
    pub shape: Shape,
    /// Factor on the scores; absent means `1/sqrt(D)`.
    pub scale: Option<f64>,
    /// Whether a token sees those after it; absent means that it does.
    pub causal: Option<Alignment>,
}

impl LayerSpec {
    /// Self-attention of one sequence of `len` embeddings of width `model`, with `heads` heads of
    /// width `dim` each.
    pub const fn square(heads: usize, len: usize, model: usize, dim: usize) -> Self {
        LayerSpec { model, shape: Shape::square(heads, len, dim), scale: None, causal: None }
    }
}

/// A layer that can be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerProblem {
    model: usize,
    attention: Problem,
}

impl LayerProblem {
    /// Checks what the types cannot.
    pub fn new(spec: LayerSpec) -> Result<Self, LayerError> {
        let LayerSpec { model, shape, scale, causal } = spec;
        if model == 0 {
            return Err(LayerError::NoWidth);
        }
        let spec = ProblemSpec { scale, causal, ..ProblemSpec::new(shape, DType::F32) };
        Ok(LayerProblem { model, attention: Problem::new(spec)? })
    }

    /// Width of an embedding, M.
    pub const fn model(&self) -> usize {
        self.model
    }

    /// The attention inside the layer.
    pub const fn attention(&self) -> &Problem {
        &self.attention
    }

    /// Sizes of the attention.
    pub const fn shape(&self) -> &Shape {
        self.attention.shape()
    }
}
