//! The score of a file: its name, and the weights that it has.

use attn_core::{InputParts, Score, ScoreKind, ScoreWeights, Span, Tensor};

use super::FormatError;
use super::tensors::{Encoded, File};

/// The kind that the metadata names.
pub(super) fn kind(name: &str) -> Result<ScoreKind, FormatError> {
    let known = ScoreKind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| {
        let names = ScoreKind::ALL.map(ScoreKind::name).join(", ");
        FormatError::Metadata(format!("score `{name}`, expected one of {names}"))
    })
}

/// The weights, as rank-4 tensors: `w` of an additive score is a vector per head, all others are
/// matrices.
pub(super) fn weights(file: &File<'_>, kind: ScoreKind) -> Result<ScoreWeights, FormatError> {
    let w = match kind {
        ScoreKind::Additive => file.vectors("w")?,
        ScoreKind::ScaledDot | ScoreKind::General => file.matrices("w")?,
    };
    Ok(ScoreWeights { w_q: file.matrices("w_q")?, w_k: file.matrices("w_k")?, w })
}

/// The score that weights of these dimensions mean; whether they fit is the problem's business.
pub(super) fn score(kind: ScoreKind, parts: &InputParts) -> Score {
    let ScoreWeights { w_q, w_k, w } = parts.weights.as_ref();
    let span =
        |w: Option<&Tensor>| w.map(|w| if w.dims()[1] == 1 { Span::Shared } else { Span::PerHead });
    match kind {
        ScoreKind::ScaledDot => Score::ScaledDot,
        ScoreKind::General => Score::General { w: span(w) },
        ScoreKind::Additive => {
            let widths = [w_q, w_k, w].into_iter().flatten().map(|w| w.dims()[3]).next();
            let dim = widths.unwrap_or(parts.q.dims()[3]);
            Score::Additive { dim, w_q: span(w_q), w_k: span(w_k), w: span(w) }
        }
    }
}

/// Puts the weights into a file.
pub(super) fn encode(weights: &ScoreWeights, kind: ScoreKind, to: &mut Encoded) {
    for (name, tensor) in weights.as_ref().named() {
        let Some(tensor) = tensor else { continue };
        let [_, heads, rows, columns] = tensor.dims();
        match (kind, name) {
            (ScoreKind::Additive, "w") => to.shaped(name, tensor, vec![heads, columns]),
            _ => to.shaped(name, tensor, vec![heads, rows, columns]),
        }
    }
}
