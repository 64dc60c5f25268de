//! Tensors read in another layout, and heads matched otherwise.

use attn_core::{
    Data, InputParts, Inputs, Mask, MaskSpec, Problem, ProblemSpec, Score, Shape, Tensor,
};

use super::statements::parts;
use super::{Hypothesis, Make};
use crate::attn_case::{AttnCase, Claim};

/// All readings of the tensors but the stated one.
pub(super) fn all<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let mut all = layouts(case, claim);
    all.extend(heads(case, claim));
    all.extend(
        swapped(case).map(|inputs| of_inputs(case, claim, inputs, "agrees if k and v are swapped")),
    );
    let hint = "agrees if the mask is inverted (true = leave out)";
    all.extend(inverted(case).map(|inputs| of_inputs(case, claim, inputs, hint)));
    all
}

/// The result would be right for these inputs.
fn of_inputs<'a>(
    case: &'a AttnCase,
    claim: &'a Claim,
    inputs: Inputs,
    hint: &'static str,
) -> Make<'a> {
    Box::new(move || Hypothesis { inputs: inputs.clone(), ..Hypothesis::new(case, claim, hint) })
}

/// `[B, N, H, D]` in place of `[B, H, N, D]`.
fn layouts<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    if case.problem.shape().heads_q == 1 {
        return Vec::new();
    }
    let relaid_claim = move || Claim { out: claim.out.as_ref().map(tokens_first), ..claim.clone() };
    let mut all: Vec<Make<'a>> = vec![Box::new(move || Hypothesis {
        claim: relaid_claim(),
        ..Hypothesis::new(case, claim, "agrees if out is [B,N,H,D] read as [B,H,N,D]: transpose it")
    })];
    if let Some(inputs) = relaid(case).filter(|_| !rows_are_alike(case.problem.spec())) {
        let of_both = inputs.clone();
        all.push(Box::new(move || {
            let hint = "agrees if q, k, v and out are [B,N,H,D] read as [B,H,N,D]: transpose them";
            let (inputs, claim_read) = (of_both.clone(), relaid_claim());
            Hypothesis { inputs, claim: claim_read, ..Hypothesis::new(case, claim, hint) }
        }));
        let hint = "agrees if q, k and v are [B,N,H,D] read as [B,H,N,D]: transpose them";
        all.push(of_inputs(case, claim, inputs, hint));
    }
    all
}

/// Query head, kv heads, query heads: the kv head that it reads.
type HeadMap = fn(usize, usize, usize) -> usize;

/// Other kv heads for the query heads, and results that repeat the first batch or head.
fn heads<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    const MAPS: [(HeadMap, &str); 2] = [
        (
            |h, kv, _| h % kv,
            "agrees if grouped heads are interleaved (kv head h % Hkv instead of h / (Hq/Hkv))",
        ),
        (|_, _, _| 0, "agrees if all heads use the first kv head"),
    ];
    let several = MAPS.into_iter().filter(|_| case.problem.shape().heads_kv > 1);
    let mapped = several.filter_map(|(map, hint)| Some((expanded(case, map)?, hint)));
    let mut all: Vec<Make<'a>> = Vec::new();
    for ((problem, inputs), hint) in mapped {
        all.push(Box::new(move || Hypothesis {
            problem: problem.clone(),
            inputs: inputs.clone(),
            ..Hypothesis::new(case, claim, hint)
        }));
    }
    let first = [
        (true, "agrees with the first batch's result in every batch"),
        (false, "agrees with the first head's result in every head"),
    ];
    let repeated =
        first.into_iter().filter_map(|(batches, hint)| Some((repeated(case, batches)?, hint)));
    all.extend(repeated.map(|(inputs, hint)| of_inputs(case, claim, inputs, hint)));
    all
}

/// A tensor whose memory is `[B, N, H, C]` although its dimensions say `[B, H, N, C]`, as it should be.
fn tokens_first(tensor: &Tensor) -> Tensor {
    let [batch, heads, len, width] = tensor.dims();
    let mut values = Vec::with_capacity(tensor.data().len());
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..len {
                let first = ((b * len + i) * heads + h) * width;
                values.extend((first..first + width).map(|at| tensor.data().get(at)));
            }
        }
    }
    let data = Data::from_f64(tensor.dtype(), values.into_iter());
    Tensor::new(tensor.dims(), data).expect("the same number of elements")
}

/// Whether all rows of a batch are computed alike, whatever their head and place: another order of them is no other problem.
fn rows_are_alike(spec: &ProblemSpec) -> bool {
    let by_place = spec.causal.is_some() || spec.window.is_some() || spec.alibi;
    let by_head = spec.shape.heads_kv > 1 || spec.sinks || spec.score != Score::ScaledDot;
    let by_mask = spec.mask.is_some_and(|MaskSpec { dims: [_, h, i, _], .. }| h > 1 || i > 1);
    !(by_place || by_head || by_mask)
}

fn relaid(case: &AttnCase) -> Option<Inputs> {
    let mut parts = parts(&case.inputs, &case.problem);
    for tensor in [&mut parts.q, &mut parts.k, &mut parts.v] {
        *tensor = tokens_first(tensor);
    }
    Inputs::new(&case.problem, parts).ok()
}

/// The problem with a kv head of its own for every query head h, a copy of head `map(h, Hkv, Hq)`.
pub(super) fn expanded(case: &AttnCase, map: HeadMap) -> Option<(Problem, Inputs)> {
    let Shape { batch, heads_q, heads_kv, .. } = *case.problem.shape();
    let shape = Shape { heads_kv: heads_q, ..*case.problem.shape() };
    let problem = Problem::new(ProblemSpec { shape, ..case.problem.spec().clone() }).ok()?;
    let expand = |tensor: &Tensor| {
        let [_, _, len, width] = tensor.dims();
        let size = len * width;
        let mut values = Vec::with_capacity(batch * heads_q * size);
        for b in 0..batch {
            for h in 0..heads_q {
                let first = (b * heads_kv + map(h, heads_kv, heads_q)) * size;
                values.extend((first..first + size).map(|at| tensor.data().get(at)));
            }
        }
        let data = Data::from_f64(tensor.dtype(), values.into_iter());
        Tensor::new([batch, heads_q, len, width], data).ok()
    };
    let parts = InputParts {
        k: expand(case.inputs.k())?,
        v: expand(case.inputs.v())?,
        ..parts(&case.inputs, &problem)
    };
    let inputs = Inputs::new(&problem, parts).ok()?;
    Some((problem, inputs))
}

/// Every batch, or every head, a copy of the first; `None` where other parts of the inputs differ between them.
fn repeated(case: &AttnCase, batches: bool) -> Option<Inputs> {
    let (shape, spec) = (case.problem.shape(), case.problem.spec());
    let axis = usize::from(!batches);
    let (count, own) = if batches {
        (shape.batch, spec.kv_len.is_some())
    } else {
        (shape.heads_q, spec.alibi || spec.sinks || spec.score != Score::ScaledDot)
    };
    if count == 1 || own || spec.mask.is_some_and(|mask| mask.dims[axis] > 1) {
        return None;
    }
    let mut parts = parts(&case.inputs, &case.problem);
    for tensor in [&mut parts.q, &mut parts.k, &mut parts.v] {
        let [_, heads, len, width] = tensor.dims();
        let size = if batches { heads * len * width } else { len * width };
        let period = heads * len * width;
        let first = |at: usize| if batches { at % size } else { at / period * period + at % size };
        let values = (0..tensor.data().len()).map(|at| tensor.data().get(first(at)));
        let data = Data::from_f64(tensor.dtype(), values);
        *tensor = Tensor::new(tensor.dims(), data).ok()?;
    }
    Inputs::new(&case.problem, parts).ok()
}

/// k in place of v; `None` where they differ in width.
fn swapped(case: &AttnCase) -> Option<Inputs> {
    let shape = case.problem.shape();
    if shape.dim != shape.dim_v || shape.dim_k() != shape.dim_v {
        return None;
    }
    let mut parts = parts(&case.inputs, &case.problem);
    std::mem::swap(&mut parts.k, &mut parts.v);
    Inputs::new(&case.problem, parts).ok()
}

/// The mask admits what it leaves out.
pub(super) fn inverted(case: &AttnCase) -> Option<Inputs> {
    let mut parts = parts(&case.inputs, &case.problem);
    let Some(Mask::Bool { admits, .. }) = &mut parts.mask else { return None };
    for admits in admits.iter_mut() {
        *admits = !*admits;
    }
    Inputs::new(&case.problem, parts).ok()
}
