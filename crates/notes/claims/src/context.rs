//! What claims are tested with.

use attn_core::{Backend, ByRows, Inputs, Problem};

use crate::ClaimError;

/// One layer of a trained model on a real text.
#[derive(Clone, Debug)]
pub struct RealLayer {
    /// Its number, from 0.
    pub layer: usize,
    /// Sizes.
    pub problem: Problem,
    /// Queries, keys and values of every head.
    pub inputs: Inputs,
    /// The tokens of the text.
    pub tokens: Vec<String>,
    /// Where the numbers come from.
    pub source: String,
}

/// Backends, real activations and the machine.
pub struct Context<'a> {
    /// Every backend that can run here.
    pub backends: Vec<&'a dyn Backend>,
    /// The yardstick of error budgets.
    pub naive: &'a dyn ByRows,
    /// A backend that takes its number of threads per call.
    pub parallel: &'a dyn Backend,
    /// All layers of a model on "The big, fluffy dog ...".
    pub layers: &'a [RealLayer],
    /// Processors.
    pub cores: usize,
}

impl Context<'_> {
    /// The first layer.
    pub(crate) fn first_layer(&self) -> Result<&RealLayer, ClaimError> {
        self.layers.first().ok_or_else(|| ClaimError::Missing("no real activations".into()))
    }
}
