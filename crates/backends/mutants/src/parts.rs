//! Operands and results on their way between the harness's tensors and the kernel.

use attn_core::{Inputs, Mask, ScoreWeights};

/// The operands of one problem, exactly, in the layout of [`Inputs`].
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) q: Vec<f64>,
    pub(crate) k: Vec<f64>,
    pub(crate) v: Vec<f64>,
    /// Dimensions and elements.
    pub(crate) weights: ScoreWeights<([usize; 4], Vec<f64>)>,
    pub(crate) mask: Option<Mask>,
    pub(crate) slopes: Option<Vec<f64>>,
    pub(crate) sinks: Option<Vec<f64>>,
}

impl Parts {
    pub(crate) fn new(inputs: &Inputs) -> Self {
        let widen = |x: Option<&[f32]>| x.map(|x| x.iter().map(|&x| f64::from(x)).collect());
        Parts {
            q: inputs.q().data().to_f64(),
            k: inputs.k().data().to_f64(),
            v: inputs.v().data().to_f64(),
            weights: inputs.weights().as_ref().map(|_, w| (w.dims(), w.data().to_f64())),
            mask: inputs.mask().cloned(),
            slopes: widen(inputs.slopes()),
            sinks: widen(inputs.sinks()),
        }
    }
}

/// What `store` writes: nothing where there is `None`.
pub(crate) struct Stored {
    /// `[B, Hq, Nq, Dv]`.
    pub(crate) o: Vec<Option<f64>>,
    /// `[B, Hq, Nq]`; empty if the log-sum-exp is not asked for.
    pub(crate) lse: Vec<Option<f64>>,
    /// Goes behind the last element of o.
    pub(crate) past_the_end: Option<f64>,
}
