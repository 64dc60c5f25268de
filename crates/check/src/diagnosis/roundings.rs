//! Arithmetic that a file does not declare: does rounding somewhere explain the error?
//!
//! A rounding is simulated, and compared by what it explains: with t the truth, s the simulation and o the result,
//! `|o - s|^2 <= (1 - 0.9) |o - t|^2`. An error of another origin has nothing in common with the simulated one.

use attn_core::{Data, Format, InputParts, Inputs, Tensor};
use attn_oracle::{Key, Rows, Softmax};

use super::Hypothesis;
use crate::attn_case::{AttnCase, Claim};
use crate::claim_truth::Terms;

/// Share of the squared error that must be explained.
const EXPLAINED: f64 = 0.9;

/// What is rounded to a format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// q and k.
    Factors,
    /// v.
    Values,
    /// Scores before their scale.
    Raw,
    /// Scores after scale and softcap.
    Scaled,
    /// `exp(s - m)`.
    Weights,
    /// Weights that are divided by their sum.
    Normalised,
}

/// Steps that are rounded together, and how that is said.
const COMBINATIONS: &[(&[Step], &str)] = {
    use Step::{Factors, Normalised, Raw, Scaled, Values, Weights};
    &[
        (&[Weights], "arithmetic.weights = \"FORMAT\""),
        (&[Normalised], "arithmetic.weights = \"FORMAT\""),
        (&[Scaled], "arithmetic.scores = \"FORMAT\""),
        (&[Raw], "arithmetic.scores = \"FORMAT\""),
        (&[Raw, Scaled], "arithmetic.scores = \"FORMAT\""),
        (&[Factors], "arithmetic.scores = \"FORMAT\""),
        (&[Factors, Values], "q, k and v are rounded to FORMAT"),
        (&[Factors, Values, Weights], "q, k, v and the weights are rounded to FORMAT"),
        (&[Scaled, Weights], "scores and weights are rounded to FORMAT"),
        (&[Raw, Weights], "scores and weights are rounded to FORMAT"),
        (&[Raw, Scaled, Weights], "scores and weights are rounded to FORMAT"),
        (&[Scaled, Normalised], "scores and weights are rounded to FORMAT"),
        (&[Raw, Scaled, Normalised], "scores and weights are rounded to FORMAT"),
        (&[Factors, Values, Scaled, Weights], "q, k, v, scores and weights are rounded to FORMAT"),
    ]
};

/// The formats that are tried.
const FORMATS: [(Format, &str); 4] =
    [(Format::BF16, "bf16"), (Format::Tf32, "tf32"), (Format::F16, "f16"), (Format::Int8, "int8")];

/// The first rounding that explains the error, if one does.
pub(super) fn hint(case: &AttnCase, claim: &Claim, rows: &Rows, terms: Terms) -> Option<String> {
    let out = claim.out.as_ref()?;
    let right = Hypothesis::new(case, claim, "").truth(rows, terms)?;
    let error = right.distance(&case.problem, out);
    let explains = |hypothesis: &Hypothesis| {
        hypothesis.truth(rows, terms).is_some_and(|simulated| {
            simulated.distance(&case.problem, out) <= (1.0 - EXPLAINED) * error
        })
    };
    candidates().find_map(|(steps, format, hint)| {
        let hypothesis = simulate(case, claim, (steps, format), hint)?;
        explains(&hypothesis).then_some(hypothesis.hint)
    })
}

pub(super) fn candidates() -> impl Iterator<Item = (&'static [Step], Format, String)> {
    // TF32 has the significand of f16: where both products are rounded, the two are one.
    let both = [Step::Factors, Step::Values, Step::Weights];
    let possible = |steps: &[Step], format: Format| match format {
        Format::Tf32 | Format::Int8 => *steps == [Step::Factors],
        _ => *steps != [Step::Factors],
    };
    FORMATS.into_iter().flat_map(move |(format, name)| {
        let steps = COMBINATIONS.iter().filter(move |(steps, _)| possible(steps, format));
        steps.map(move |&(steps, what)| {
            let declared = if what.starts_with("arithmetic") {
                "; did the file forget to declare it?"
            } else {
                ""
            };
            let name = if steps == both && format == Format::F16 { "f16 or tf32" } else { name };
            (steps, format, format!("agrees if {}{declared}", what.replace("FORMAT", name)))
        })
    })
}

pub(super) fn simulate(
    case: &AttnCase,
    claim: &Claim,
    (steps, format): (&'static [Step], Format),
    hint: String,
) -> Option<Hypothesis> {
    let mut hypothesis = Hypothesis::new(case, claim, hint);
    let has = move |step| steps.contains(&step);
    if has(Step::Factors) || has(Step::Values) {
        hypothesis.inputs = round_operands(case, format, [has(Step::Factors), has(Step::Values)])?;
    }
    if has(Step::Raw) || has(Step::Scaled) {
        // A softcap lies between the two: only what follows it is known here.
        let scale = if case.problem.softcap().is_some() { 1.0 } else { case.problem.scale() };
        hypothesis.score = Some(Box::new(move |key: &Key| {
            let raw =
                if has(Step::Raw) { scale * format.round(key.capped / scale) } else { key.capped };
            let capped = if has(Step::Scaled) { format.round(raw) } else { raw };
            Key { capped, ..*key }.right()
        }));
    }
    if has(Step::Weights) || has(Step::Normalised) {
        hypothesis.weights = Some(Box::new(move |row: &Softmax<'_>| {
            if has(Step::Normalised) {
                return row.weights.iter().map(|&weight| format.round(weight)).collect();
            }
            let max = row.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let p = row.scores.iter().map(|s| format.round((s - max).exp()));
            p.map(|p| p * (max - row.lse).exp()).collect()
        }));
    }
    Some(hypothesis)
}

fn round_operands(case: &AttnCase, format: Format, [factors, values]: [bool; 2]) -> Option<Inputs> {
    let inputs = &case.inputs;
    let round = |tensor: &Tensor, rounded: bool| {
        if !rounded {
            return Some(tensor.clone());
        }
        let data = tensor.data().to_f64();
        let width = tensor.dims()[3];
        let rounded = data.chunks_exact(width).flat_map(|row| {
            let step = row.iter().fold(0.0f64, |max, x| max.max(x.abs())) / 127.0;
            row.iter().map(move |&x| match format {
                Format::Int8 if step == 0.0 => x,
                Format::Int8 => (x / step).round() * step,
                format => format.round(x),
            })
        });
        Tensor::new(tensor.dims(), Data::from_f64(tensor.dtype(), rounded)).ok()
    };
    let parts = InputParts {
        q: round(inputs.q(), factors)?,
        k: round(inputs.k(), factors)?,
        v: round(inputs.v(), values)?,
        ..inputs.parts().clone()
    };
    Inputs::new(&case.problem, parts).ok()
}
