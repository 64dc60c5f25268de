//! The matrices of all heads of a layer.

use attn_core::Shape;

use crate::{LayerError, LayerProblem};

/// Row-major matrices, one head after another; a vector x of width M is mapped to `x W`.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `W_Q` `[Hq, M, D]`: from an embedding to what the token looks for.
    pub q: Vec<f32>,
    /// `W_K` `[Hkv, M, D]`: from an embedding to what the token offers.
    pub k: Vec<f32>,
    /// `W_down` `[Hkv, M, Dv]`: the first factor of the value matrix.
    pub down: Vec<f32>,
    /// `W_up` `[Hq, Dv, M]`: the second. All heads together are the output matrix of a transformer,
    /// `[Hq Dv, M]`.
    pub up: Vec<f32>,
    /// Added to the products; a layer of the plain definition has none.
    pub biases: Option<Biases>,
}

/// What trained models add to the products.
#[derive(Clone, Debug, PartialEq)]
pub struct Biases {
    /// `[Hq, D]`.
    pub q: Vec<f32>,
    /// `[Hkv, D]`.
    pub k: Vec<f32>,
    /// `[Hkv, Dv]`.
    pub down: Vec<f32>,
    /// `[M]`, once for all heads.
    pub up: Vec<f32>,
}

impl Weights {
    /// Whether every matrix has the size that `problem` says.
    pub fn check(&self, problem: &LayerProblem) -> Result<(), LayerError> {
        let Shape { heads_q, heads_kv, dim, dim_v, .. } = *problem.shape();
        let model = problem.model();
        size("W_Q", &self.q, [heads_q, model, dim], "[Hq, M, D]")?;
        size("W_K", &self.k, [heads_kv, model, dim], "[Hkv, M, D]")?;
        size("W_down", &self.down, [heads_kv, model, dim_v], "[Hkv, M, Dv]")?;
        size("W_up", &self.up, [heads_q, dim_v, model], "[Hq, Dv, M]")?;
        let Some(biases) = &self.biases else {
            return Ok(());
        };
        size("the bias of W_Q", &biases.q, [heads_q, 1, dim], "[Hq, D]")?;
        size("the bias of W_K", &biases.k, [heads_kv, 1, dim], "[Hkv, D]")?;
        size("the bias of W_down", &biases.down, [heads_kv, 1, dim_v], "[Hkv, Dv]")?;
        size("the bias of W_up", &biases.up, [1, 1, model], "[M]")
    }
}

/// Whether `values` has as many elements as `dims` say, which are called `names`.
pub(crate) fn size(
    operand: &'static str,
    values: &[f32],
    dims: [usize; 3],
    names: &'static str,
) -> Result<(), LayerError> {
    let (found, expected) = (values.len(), dims.iter().product());
    if found == expected {
        return Ok(());
    }
    Err(LayerError::Size { operand, found, expected, dims: names })
}
