//! Other statements of a problem.

use std::f64::consts::{LN_2, LOG2_E};

use attn_core::{Alignment, InputParts, Inputs, Problem, ProblemSpec, Shape, Window};

use super::{Hypothesis, Make, readings};
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
    all.extend(readings::all(case, claim));
    all
}

const FORGOTTEN: &str = "; did the file forget to say so?";

/// Problems stated in other words, each with the hint if those are right.
type Statements = Vec<(ProblemSpec, String)>;

fn specs(spec: &ProblemSpec) -> Statements {
    let both = [1, -1].into_iter().flat_map(|by| [diagonals(spec, by), windows(spec, by)].concat());
    let mut all = alignments(spec);
    all.extend(both);
    all.extend([scales(spec), without(spec), lengths(spec)].concat());
    all
}

/// Another causal alignment; the diagonal of a window or of ALiBi stays where it was.
fn aligned(spec: &ProblemSpec, causal: Option<Alignment>) -> ProblemSpec {
    let align = if causal.is_none() { spec.causal.or(spec.align) } else { None };
    ProblemSpec { causal, align, ..spec.clone() }
}

fn alignments(spec: &ProblemSpec) -> Statements {
    let named = [
        (Some(Alignment::TopLeft), "\"top-left\""),
        (Some(Alignment::BottomRight), "\"bottom-right\""),
        (None, "none"),
    ];
    let statement = |(causal, name): (Option<Alignment>, &str)| {
        (aligned(spec, causal), format!("agrees if causal = {name}{FORGOTTEN}"))
    };
    named.map(statement).into()
}

/// The diagonal lies `by` keys later.
fn diagonals(spec: &ProblemSpec, by: i64) -> Statements {
    let later = if by > 0 { "later" } else { "earlier" };
    let moved = |alignment: Alignment| {
        let offset = alignment.offset(spec.shape.len_q, spec.shape.len_k);
        Some(Alignment::Offset(offset + by))
    };
    match (spec.causal, spec.align) {
        (Some(causal), _) => {
            let hint = format!("agrees if the causal diagonal lies one key {later}");
            vec![(aligned(spec, moved(causal)), hint)]
        }
        (None, Some(align)) => {
            let changed = ProblemSpec { align: moved(align), ..spec.clone() };
            vec![(changed, format!("agrees if the diagonal lies one key {later}"))]
        }
        (None, None) => Vec::new(),
    }
}

/// The window reaches `by` keys further, on one side or on both.
fn windows(spec: &ProblemSpec, by: i64) -> Statements {
    let Some(Window { left, right }) = spec.window else { return Vec::new() };
    let more = if by > 0 { "one key more" } else { "one key less" };
    let moved = |side: Option<u64>| side.map(|n| n.saturating_add_signed(by));
    let statement = |(window, name): (Window, &str)| {
        let changed = ProblemSpec { window: Some(window), ..spec.clone() };
        (changed, format!("agrees if the window reaches {more} {name}"))
    };
    [
        (Window { left: moved(left), right }, "to the left"),
        (Window { left, right: moved(right) }, "to the right"),
        (Window { left: moved(left), right: moved(right) }, "to either side"),
    ]
    .map(statement)
    .into()
}

fn scales(spec: &ProblemSpec) -> Statements {
    let Shape { dim, dim_v, .. } = spec.shape;
    let stated = Problem::new(spec.clone()).map_or(1.0, |problem| problem.scale());
    let root = |dim: usize| 1.0 / (dim as f64).sqrt();
    let scales = [
        (1.0, "1 (the scale is missing)".to_string()),
        (root(dim), format!("1/sqrt({dim})")),
        (1.0 / dim as f64, format!("1/{dim}")),
        (stated * stated, "applied twice".to_string()),
        (stated * LN_2, "the stated one, with exponentials of base 2".to_string()),
        (stated * LOG2_E, "the stated one, with log2(e) applied twice".to_string()),
        (root(dim_v), format!("1/sqrt({dim_v}), the width of v")),
    ];
    let others = scales.into_iter().filter(|(scale, _)| *scale != stated);
    let statement = |(scale, name)| {
        let changed = ProblemSpec { scale: Some(scale), ..spec.clone() };
        (changed, format!("agrees if scale = {name}"))
    };
    others.map(statement).collect()
}

/// Without something that is stated.
fn without(spec: &ProblemSpec) -> Statements {
    let mut all = Vec::new();
    if spec.window.is_some() {
        let changed = ProblemSpec { window: None, ..spec.clone() };
        all.push((changed, "agrees without the window".into()));
    }
    let others = [
        (spec.softcap.is_some(), ProblemSpec { softcap: None, ..spec.clone() }, "softcap"),
        (spec.mask.is_some(), ProblemSpec { mask: None, ..spec.clone() }, "mask"),
        (spec.alibi, ProblemSpec { alibi: false, ..spec.clone() }, "ALiBi"),
        (spec.sinks, ProblemSpec { sinks: false, ..spec.clone() }, "sinks"),
    ];
    let stated = others.into_iter().filter(|(stated, ..)| *stated);
    all.extend(stated.map(|(_, changed, name)| {
        (changed, format!("agrees without {name}: dropped, or not meant"))
    }));
    all
}

/// Other numbers of valid keys.
fn lengths(spec: &ProblemSpec) -> Statements {
    let Shape { len_q, len_k, .. } = spec.shape;
    let Some(lengths) = &spec.kv_len else { return Vec::new() };
    let moved = |(by, more): (isize, &str)| {
        let moved = lengths.iter().map(|&n| n.saturating_add_signed(by).min(len_k));
        let changed = ProblemSpec { kv_len: Some(moved.collect()), ..spec.clone() };
        (changed, format!("agrees if kv_len is one {more}"))
    };
    let ignored = ProblemSpec { kv_len: None, ..spec.clone() };
    // Bottom-right of all keys instead of the valid ones.
    let of_all = |alignment: Option<Alignment>| match alignment {
        Some(Alignment::BottomRight) => Some(Alignment::Offset(len_k as i64 - len_q as i64)),
        other => other,
    };
    let padded =
        ProblemSpec { causal: of_all(spec.causal), align: of_all(spec.align), ..spec.clone() };
    let mut all: Statements = [(1, "more"), (-1, "less")].map(moved).into();
    all.push((ignored, "agrees if kv_len is ignored".into()));
    all.push((padded, "agrees if bottom-right counts padded keys too".into()));
    all
}

/// The parts of `inputs` that `problem` asks for.
pub(super) fn parts(inputs: &Inputs, problem: &Problem) -> InputParts {
    let spec = problem.spec();
    InputParts {
        mask: inputs.mask().filter(|_| spec.mask.is_some()).cloned(),
        slopes: inputs.slopes().filter(|_| spec.alibi).map(<[f32]>::to_vec),
        sinks: inputs.sinks().filter(|_| spec.sinks).map(<[f32]>::to_vec),
        ..inputs.parts().clone()
    }
}

/// A log-sum-exp in the other base, or without the sink.
fn of_lse<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let base_two = !claim.lse_base_two;
    let base = if base_two { "2" } else { "none (natural logarithms)" };
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
