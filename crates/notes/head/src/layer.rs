//! A layer, prepared: project, attend, combine.

use std::num::NonZeroU32;

use attn_core::{
    Backend, BackendError, Data, Element as _, Exec, InputParts, Inputs, Output, Plan, Tensor,
};

use crate::weights::size;
use crate::{LayerError, LayerProblem, Matrix, Projection, Weights};

/// What computes a layer.
#[derive(Clone, Copy)]
pub struct Engines<'a> {
    /// The attention.
    pub backend: &'a dyn Backend,
    /// All other products.
    pub projection: &'a dyn Projection,
    /// Threads of both.
    pub exec: Exec,
}

/// A layer whose attention is prepared.
///
/// [`Layer::forward`] is [`Layer::project`], [`Layer::attend`], [`Layer::combine`] and the sum with
/// x; who wants to look at the weights or to time a step takes the steps.
pub struct Layer<'a> {
    problem: &'a LayerProblem,
    weights: &'a Weights,
    engines: Engines<'a>,
    plan: Box<dyn Plan + 'a>,
}

impl<'a> Layer<'a> {
    /// Checks the sizes, asks the backend whether it can, and prepares it.
    pub fn prepare(
        problem: &'a LayerProblem,
        weights: &'a Weights,
        engines: Engines<'a>,
    ) -> Result<Self, LayerError> {
        weights.check(problem)?;
        let Engines { backend, exec, .. } = engines;
        backend.supports(problem.attention()).map_err(|reason| LayerError::Unsupported {
            backend: backend.id().to_string(),
            reason,
        })?;
        let plan = backend.prepare(problem.attention(), &exec)?;
        Ok(Layer { problem, weights, engines, plan })
    }

    /// `x + delta`: the embeddings `[B, Nq, M]` of x, changed by those of the context `[B, Nk, M]`,
    /// or of x itself where there is none.
    pub fn forward(&mut self, x: &[f32], context: Option<&[f32]>) -> Result<Vec<f32>, LayerError> {
        let mut out = self.delta(x, context)?;
        out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
        Ok(out)
    }

    /// The change alone: the sum of what every head adds, `[B, Nq, M]`.
    pub fn delta(&mut self, x: &[f32], context: Option<&[f32]>) -> Result<Vec<f32>, LayerError> {
        let inputs = self.project(x, context)?;
        let o = self.attend(&inputs)?;
        self.combine(&o)
    }

    /// Queries of x, keys and values of the context, head by head.
    pub fn project(&self, x: &[f32], context: Option<&[f32]>) -> Result<Inputs, LayerError> {
        let shape = *self.problem.shape();
        let model = self.problem.model();
        size("x", x, [shape.batch, shape.len_q, model], "[B, Nq, M]")?;
        let context = match context {
            None if shape.len_q != shape.len_k => {
                let (len_q, len_k) = (shape.len_q, shape.len_k);
                return Err(LayerError::NoContext { len_q, len_k });
            }
            None => x,
            Some(context) => context,
        };
        size("the context", context, [shape.batch, shape.len_k, model], "[B, Nk, M]")?;
        let biases = self.weights.biases.as_ref();
        let q = self.heads(x, &self.weights.q, biases.map(|b| &*b.q), shape.q())?;
        let k = self.heads(context, &self.weights.k, biases.map(|b| &*b.k), shape.k())?;
        let v = self.heads(context, &self.weights.down, biases.map(|b| &*b.down), shape.v())?;
        let parts = InputParts::plain(q, k, v);
        Ok(Inputs::new(self.problem.attention(), parts)?)
    }

    /// `from W[h] + bias[h]` for every sequence and head, `[B, H, N, D]`.
    fn heads(
        &self,
        from: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        dims: [usize; 4],
    ) -> Result<Tensor, LayerError> {
        let [_, heads, len, dim] = dims;
        let model = self.problem.model();
        let mut out = vec![0.0; dims.iter().product()];
        for (at, out) in out.chunks_exact_mut(len * dim).enumerate() {
            let (b, h) = (at / heads, at % heads);
            if let Some(bias) = bias {
                let bias = &bias[h * dim..][..dim];
                out.chunks_exact_mut(dim).for_each(|row| row.copy_from_slice(bias));
            }
            let x = Matrix::new(&from[b * len * model..][..len * model], [len, model]);
            let w = Matrix::new(&weights[h * model * dim..][..model * dim], [model, dim]);
            self.engines.projection.multiply_add(x, w, out, &self.engines.exec)?;
        }
        Ok(Tensor::new(dims, Data::F32(out)).expect("as many elements as the dimensions say"))
    }

    /// What every head mixes from the values, `[B, Hq, Nq, Dv]`.
    pub fn attend(&mut self, inputs: &Inputs) -> Result<Vec<f32>, LayerError> {
        self.plan.load(inputs)?;
        self.plan.run(NonZeroU32::MIN)?;
        let mut out = Output::poisoned(self.problem.attention());
        self.plan.store(&mut out)?;
        let found = out.o().dtype();
        let o = out.o_mut().slice_mut::<f32>();
        Ok(o.ok_or(BackendError::DType { expected: f32::DTYPE, found })?.to_vec())
    }

    /// `sum over h of o[h] W_up[h] + bias`, `[B, Nq, M]`.
    pub fn combine(&self, o: &[f32]) -> Result<Vec<f32>, LayerError> {
        let shape = *self.problem.shape();
        let (model, head) = (self.problem.model(), shape.len_q * shape.dim_v);
        size("o", o, [shape.batch, shape.heads_q, head], "[B, Hq, Nq, Dv]")?;
        let mut delta = match &self.weights.biases {
            None => vec![0.0; shape.batch * shape.len_q * model],
            Some(biases) => biases.up.repeat(shape.batch * shape.len_q),
        };
        for (at, o) in o.chunks_exact(head).enumerate() {
            let (b, h) = (at / shape.heads_q, at % shape.heads_q);
            let o = Matrix::new(o, [shape.len_q, shape.dim_v]);
            let up = &self.weights.up[h * shape.dim_v * model..][..shape.dim_v * model];
            let up = Matrix::new(up, [shape.dim_v, model]);
            let delta = &mut delta[b * shape.len_q * model..][..shape.len_q * model];
            self.engines.projection.multiply_add(o, up, delta, &self.engines.exec)?;
        }
        Ok(delta)
    }
}
