//! Masks, windows, padding and slopes as one tensor that is added to the scores: what callers of an engine make of them.

use attn_core::{Inputs, MaskKind, Problem};

use crate::definition::{Bias, Causal, Variant};

/// What of a problem an engine is told beside its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The causal mask that it applies itself.
    pub(crate) causal: Option<&'static str>,
    /// The bias, if one is needed.
    pub(crate) bias: Option<BiasForm>,
}

/// Form of a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BiasForm {
    /// A byte for each key, 1 where it is admitted; else numbers.
    pub(crate) boolean: bool,
    /// `[1|B, 1|Hq, Nq, Nk]`.
    pub(crate) dims: [usize; 4],
}

/// How `variant` is told of `problem`.
pub(crate) fn form(problem: &Problem, variant: &Variant) -> Form {
    let spec = problem.spec();
    let (shape, mask) = (problem.shape(), spec.mask);
    let values = mask.is_some() || spec.alibi;
    let others = values || spec.window.is_some() || spec.kv_len.is_some();
    let causal = native_causal(problem, variant).filter(|_| !others);
    // Such as causal masking of one query that sees all keys.
    let excludes_nothing = !values && every_key_is_admitted(problem);
    if causal.is_some() || excludes_nothing {
        return Form { causal: causal.filter(|_| !excludes_nothing), bias: None };
    }
    let additive = spec.alibi || mask.is_some_and(|mask| mask.kind == MaskKind::Additive);
    let [mask_batch, mask_heads, ..] = mask.map_or([1; 4], |mask| mask.dims);
    let batch = if spec.kv_len.is_some() { shape.batch } else { mask_batch };
    let heads = if spec.alibi { shape.heads_q } else { mask_heads };
    let boolean = variant.bias == Bias::BoolOrAdditive && !additive;
    let dims = [batch, heads, shape.len_q, shape.len_k];
    Form { causal: None, bias: Some(BiasForm { boolean, dims }) }
}

fn every_key_is_admitted(problem: &Problem) -> bool {
    let (shape, all) = (problem.shape(), 0..problem.shape().len_k);
    (0..shape.batch).all(|b| (0..shape.len_q).all(|i| problem.admitted(b, i) == all))
}

fn native_causal(problem: &Problem, variant: &Variant) -> Option<&'static str> {
    let shape = problem.shape();
    let offset = problem.causal()?.offset(shape.len_q, shape.len_k);
    let knows = |causal| variant.causal.contains(&causal);
    let last_sees_last = offset == shape.len_k as i64 - shape.len_q as i64;
    if offset == 0 && (knows(Causal::TopLeft) || (last_sees_last && knows(Causal::Square))) {
        Some("top-left")
    } else {
        (last_sees_last && knows(Causal::BottomRight)).then_some("bottom-right")
    }
}

impl BiasForm {
    /// The elements: -inf where a key is not admitted.
    pub(crate) fn elements(&self, problem: &Problem, inputs: &Inputs) -> Vec<f64> {
        let [batch, heads, len_q, len_k] = self.dims;
        let mut elements = vec![f64::NEG_INFINITY; batch * heads * len_q * len_k];
        let rows = elements.chunks_exact_mut(len_k.max(1)).enumerate();
        for (at, row) in rows {
            let (b, h, i) = (at / len_q / heads, at / len_q % heads, at % len_q);
            for j in problem.admitted(b, i) {
                row[j] = element(problem, inputs, [b, h, i, j]);
            }
        }
        elements
    }
}

/// What is added to the score of a key that its position admits.
fn element(problem: &Problem, inputs: &Inputs, at: [usize; 4]) -> f64 {
    let [b, h, i, j] = at;
    let distance = (problem.diagonal(b, i) - j as i64).unsigned_abs() as f64;
    let slope = inputs.slopes().map_or(0.0, |slopes| -f64::from(slopes[h]) * distance);
    let masked = inputs.mask().map_or(Some(0.0), |mask| mask.bias(at));
    masked.map_or(f64::NEG_INFINITY, |bias| slope + bias)
}
