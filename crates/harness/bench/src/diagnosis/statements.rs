//! Other statements of a problem, and other readings of its tensors.

use std::f64::consts::{LN_2, LOG2_E};

use attn_core::{
    Alignment, Data, InputParts, Inputs, Mask, MaskSpec, Problem, ProblemSpec, Score, Shape,
    Tensor, Window,
};

use super::{Hypothesis, Make};
use crate::attn_case::{AttnCase, Claim};

/// All that differ from what is stated.
pub(super) fn all<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let mut all: Vec<Make<'a>> = Vec::new();
    for (spec, hint) in specs(case.problem.spec()) {
        if let Some(problem) = Problem::new(spec).ok().filter(|problem| *problem != case.problem) {
            // Parts of the inputs may become unread or read; what is read and not finite is no hypothesis.
            if let Ok(inputs) = Inputs::new(&problem, parts(&case.inputs, &problem)) {
                all.push(Box::new(move || Hypothesis {
                    problem: problem.clone(),
                    inputs: inputs.clone(),
                    ..Hypothesis::new(case, claim, hint.clone())
                }));
            }
        }
    }
    if claim.lse.is_some() {
        all.extend(of_lse(case, claim));
    }
    all.extend(readings(case, claim));
    all
}

const FORGOTTEN: &str = "; did the file forget to say so?";

/// The problem stated in other words, and the hint if those are right.
fn specs(spec: &ProblemSpec) -> Vec<(ProblemSpec, String)> {
    let Shape { len_q, len_k, dim, .. } = spec.shape;
    let mut all = Vec::new();
    let mut add = |changed: ProblemSpec, hint: String| all.push((changed, hint));
    let aligned = |causal: Option<Alignment>| {
        // The diagonal of a window or of ALiBi stays where it was.
        let align = if causal.is_none() { spec.causal.or(spec.align) } else { None };
        ProblemSpec { causal, align, ..spec.clone() }
    };
    for (causal, name) in [
        (Some(Alignment::TopLeft), "\"top-left\""),
        (Some(Alignment::BottomRight), "\"bottom-right\""),
        (None, "null"),
    ] {
        add(aligned(causal), format!("agrees if causal = {name}{FORGOTTEN}"));
    }
    for by in [1, -1] {
        let later = if by > 0 { "later" } else { "earlier" };
        if let Some(alignment) = spec.causal {
            let offset = Alignment::Offset(offset(spec, alignment) + by);
            add(
                aligned(Some(offset)),
                format!("agrees if the causal diagonal lies one key {later}"),
            );
        }
        if let (Some(align), None) = (spec.align, spec.causal) {
            let align = Some(Alignment::Offset(offset(spec, align) + by));
            let changed = ProblemSpec { align, ..spec.clone() };
            add(changed, format!("agrees if the diagonal lies one key {later}"));
        }
        if let Some(Window { left, right }) = spec.window {
            let moved = |side: Option<u64>| side.map(|n| n.saturating_add_signed(by));
            for (window, name) in [
                (Window { left: moved(left), right }, "to the left"),
                (Window { left, right: moved(right) }, "to the right"),
                (Window { left: moved(left), right: moved(right) }, "to either side"),
            ] {
                let more = if by > 0 { "one key more" } else { "one key less" };
                let changed = ProblemSpec { window: Some(window), ..spec.clone() };
                add(changed, format!("agrees if the window reaches {more} {name}"));
            }
        }
    }
    if spec.window.is_some() {
        add(ProblemSpec { window: None, ..spec.clone() }, "agrees without the window".into());
    }
    let stated = Problem::new(spec.clone()).map_or(1.0, |problem| problem.scale());
    let root = 1.0 / (dim as f64).sqrt();
    for (scale, name) in [
        (1.0, "1 (the scale is missing)".to_string()),
        (root, format!("1/sqrt({dim})")),
        (1.0 / dim as f64, format!("1/{dim}")),
        (stated * stated, "applied twice".to_string()),
        (stated * LN_2, "the stated one, with exponentials of base 2".to_string()),
        (stated * LOG2_E, "the stated one, with log2(e) applied twice".to_string()),
        (
            1.0 / (spec.shape.dim_v as f64).sqrt(),
            format!("1/sqrt({}), the width of v", spec.shape.dim_v),
        ),
    ] {
        if scale != stated {
            let changed = ProblemSpec { scale: Some(scale), ..spec.clone() };
            add(changed, format!("agrees if scale = {name}"));
        }
    }
    let without = [
        (spec.softcap.is_some(), ProblemSpec { softcap: None, ..spec.clone() }, "softcap"),
        (spec.mask.is_some(), ProblemSpec { mask: None, ..spec.clone() }, "mask"),
        (spec.alibi, ProblemSpec { alibi: false, ..spec.clone() }, "ALiBi"),
        (spec.sinks, ProblemSpec { sinks: false, ..spec.clone() }, "sinks"),
    ];
    for (_, changed, name) in without.into_iter().filter(|(stated, ..)| *stated) {
        add(changed, format!("agrees without {name}: dropped, or not meant"));
    }
    if let Some(lengths) = &spec.kv_len {
        for (by, more) in [(1, "more"), (-1, "less")] {
            let moved = lengths.iter().map(|&n| n.saturating_add_signed(by).min(len_k));
            let changed = ProblemSpec { kv_len: Some(moved.collect()), ..spec.clone() };
            add(changed, format!("agrees if kv_len is one {more}"));
        }
        let changed = ProblemSpec { kv_len: None, ..spec.clone() };
        add(changed, "agrees if kv_len is ignored".into());
        // Bottom-right of all keys instead of the valid ones.
        let of_all = Some(Alignment::Offset(len_k as i64 - len_q as i64));
        let moved = |alignment: Option<Alignment>| {
            if alignment == Some(Alignment::BottomRight) { of_all } else { alignment }
        };
        let (causal, align) = (moved(spec.causal), moved(spec.align));
        let changed = ProblemSpec { causal, align, ..spec.clone() };
        add(changed, "agrees if bottom-right counts padded keys too".into());
    }
    all
}

fn offset(spec: &ProblemSpec, alignment: Alignment) -> i64 {
    alignment.offset(spec.shape.len_q, spec.shape.len_k)
}

/// The parts of `inputs` that `problem` asks for.
pub(super) fn parts(inputs: &Inputs, problem: &Problem) -> InputParts {
    let spec = problem.spec();
    InputParts {
        q: inputs.q().clone(),
        k: inputs.k().clone(),
        v: inputs.v().clone(),
        weights: inputs.weights().clone(),
        mask: inputs.mask().filter(|_| spec.mask.is_some()).cloned(),
        slopes: inputs.slopes().filter(|_| spec.alibi).map(<[f32]>::to_vec),
        sinks: inputs.sinks().filter(|_| spec.sinks).map(<[f32]>::to_vec),
    }
}

/// A log-sum-exp in the other base, or without the sink.
fn of_lse<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let base_two = !claim.lse_base_two;
    let base = if base_two { "2" } else { "null (natural logarithms)" };
    let mut all: Vec<Make<'a>> = vec![Box::new(move || Hypothesis {
        claim: Claim { lse_base_two: base_two, ..claim.clone() },
        ..Hypothesis::new(case, claim, format!("agrees if lse_base = {base}{FORGOTTEN}"))
    })];
    let spec = ProblemSpec { sinks: false, ..case.problem.spec().clone() };
    let without = Problem::new(spec).ok().filter(|_| case.problem.spec().sinks);
    let inputs = without.as_ref().map(|problem| Inputs::new(problem, parts(&case.inputs, problem)));
    if let (Some(problem), Some(Ok(inputs))) = (without, inputs) {
        all.push(Box::new(move || Hypothesis {
            problem,
            inputs,
            claim: Claim { out: None, ..claim.clone() },
            ..Hypothesis::new(case, claim, "lse agrees without the sinks")
        }));
    }
    all
}

/// The tensors read in another layout, or heads matched otherwise.
fn readings<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let mut all: Vec<Make<'a>> = Vec::new();
    let Shape { heads_q, heads_kv, dim, dim_v, .. } = *case.problem.shape();
    let with = move |inputs: Option<Inputs>, claim_changed: Option<Claim>, hint: &'static str| {
        let hypothesis = Hypothesis::new(case, claim, hint);
        Hypothesis {
            inputs: inputs.unwrap_or_else(|| case.inputs.clone()),
            claim: claim_changed.unwrap_or_else(|| claim.clone()),
            ..hypothesis
        }
    };
    if heads_q > 1 {
        all.push(Box::new(move || {
            let hint = "agrees if out is [B,N,H,D] read as [B,H,N,D]: transpose it";
            let out = claim.out.as_ref().map(tokens_first);
            with(None, Some(Claim { out, ..claim.clone() }), hint)
        }));
        if let Some(inputs) = relaid(case).filter(|_| !rows_are_alike(case.problem.spec())) {
            let again = inputs.clone();
            all.push(Box::new(move || {
                let hint =
                    "agrees if q, k, v and out are [B,N,H,D] read as [B,H,N,D]: transpose them";
                let out = claim.out.as_ref().map(tokens_first);
                with(Some(inputs.clone()), Some(Claim { out, ..claim.clone() }), hint)
            }));
            all.push(Box::new(move || {
                let hint = "agrees if q, k and v are [B,N,H,D] read as [B,H,N,D]: transpose them";
                with(Some(again.clone()), None, hint)
            }));
        }
    }
    if heads_kv > 1 {
        for (map, hint) in [
            (
                (|h, kv, _| h % kv) as fn(usize, usize, usize) -> usize,
                "agrees if grouped heads are interleaved (kv head h % Hkv instead of h / (Hq/Hkv))",
            ),
            (|_, _, _| 0, "agrees if all heads use the first kv head"),
        ] {
            if let Some((problem, inputs)) = expanded(case, map) {
                all.push(Box::new(move || Hypothesis {
                    problem: problem.clone(),
                    inputs: inputs.clone(),
                    ..Hypothesis::new(case, claim, hint)
                }));
            }
        }
    }
    for (batches, hint) in [
        (true, "agrees with the first batch's result in every batch"),
        (false, "agrees with the first head's result in every head"),
    ] {
        if let Some(inputs) = repeated(case, batches) {
            all.push(Box::new(move || with(Some(inputs.clone()), None, hint)));
        }
    }
    if dim == dim_v && case.problem.shape().dim_k() == dim_v {
        let mut parts = parts(&case.inputs, &case.problem);
        std::mem::swap(&mut parts.k, &mut parts.v);
        if let Ok(inputs) = Inputs::new(&case.problem, parts) {
            all.push(Box::new(move || {
                with(Some(inputs.clone()), None, "agrees if k and v are swapped")
            }));
        }
    }
    if let Some(inputs) = inverted(case) {
        all.push(Box::new(move || {
            with(Some(inputs.clone()), None, "agrees if the mask is inverted (true = leave out)")
        }));
    }
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
pub(super) fn expanded(
    case: &AttnCase,
    map: fn(usize, usize, usize) -> usize,
) -> Option<(Problem, Inputs)> {
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

pub(super) fn inverted(case: &AttnCase) -> Option<Inputs> {
    let mut parts = parts(&case.inputs, &case.problem);
    let Some(Mask::Bool { admits, .. }) = &mut parts.mask else { return None };
    for admits in admits.iter_mut() {
        *admits = !*admits;
    }
    Inputs::new(&case.problem, parts).ok()
}
