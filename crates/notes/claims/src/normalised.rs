//! Weights of a query are not negative and sum to 1.

use attn_record::Map;
use attn_record::claims::{Claim, ClaimVerdict, Picture};

use crate::context::{Context, RealLayer};
use crate::probe::{allowed_deviation, weights};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Backends that showed their weights.
    pub backends: usize,
    /// Rows of weights that were looked at.
    pub rows: usize,
    /// The smallest weight.
    pub smallest: f64,
    /// The largest distance of a row's sum from 1.
    pub deviation: f64,
    /// What rounding explains of it.
    pub allowed: f64,
}

/// Looks at every row of every head of every layer, as each backend computes it.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let first = context.first_layer()?.problem.shape().len_k;
    let allowed = allowed_deviation(context.first_layer()?.problem.dtype(), first);
    let mut found =
        Measurement { backends: 0, rows: 0, smallest: f64::INFINITY, deviation: 0.0, allowed };
    for backend in &context.backends {
        let before = found.rows;
        for layer in context.layers {
            let spec = layer.problem.spec();
            for row in weights(*backend, spec, &layer.inputs)?.into_iter().flatten().flatten() {
                found.rows += 1;
                found.smallest = row.iter().copied().fold(found.smallest, f64::min);
                found.deviation = found.deviation.max((row.iter().sum::<f64>() - 1.0).abs());
            }
        }
        found.backends += usize::from(found.rows > before);
    }
    Ok(found)
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.rows == 0 {
        return (ClaimVerdict::Undecided, "no backend showed its weights".into());
    }
    if found.smallest < 0.0 {
        return (ClaimVerdict::DoesNotHold, format!("a weight is {:e}", found.smallest));
    }
    if found.deviation > found.allowed || found.deviation.is_nan() {
        return (ClaimVerdict::DoesNotHold, format!("a row sums to 1 +- {:.1e}", found.deviation));
    }
    (ClaimVerdict::Holds, format!("rounding explains up to {:.1e}", found.allowed))
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let layer = context.first_layer()?;
    let map = map_of(layer, 0, "head 0 of the first layer");
    Ok(Claim {
        id: "weights".into(),
        section: section::HEAD.into(),
        sentence: "Softmax turns the scores of a query into weights like probabilities: none is \
                   negative, and they sum to 1."
            .into(),
        method: format!(
            "The weights of {} backends on a trained model's activations, read from their output \
             where the values are the identity: {} rows",
            found.backends, found.rows
        ),
        figure: format!(
            "smallest weight {:.1e}; sums within {:.1e} of 1",
            found.smallest, found.deviation
        ),
        verdict,
        reason,
        picture: Some(Picture::Map { cells: "Weight".into(), map }),
    })
}

/// The weights of one head of a real layer, from the oracle.
pub(crate) fn map_of(layer: &RealLayer, head: usize, title: &str) -> Map {
    Map {
        schema: Map::SCHEMA.into(),
        case: title.into(),
        source: layer.source.clone(),
        head,
        tokens_q: layer.tokens.clone(),
        tokens_k: layer.tokens.clone(),
        weights: attn_oracle::weights(&layer.problem, &layer.inputs, 0, head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found =
            Measurement { backends: 5, rows: 100, smallest: 0.0, deviation: 1e-7, allowed: 1e-6 };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(verdict(&Measurement { smallest: -1e-9, ..found }).0, ClaimVerdict::DoesNotHold);
        assert_eq!(verdict(&Measurement { deviation: 1e-3, ..found }).0, ClaimVerdict::DoesNotHold);
        assert_eq!(
            verdict(&Measurement { deviation: f64::NAN, ..found }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(verdict(&Measurement { rows: 0, ..found }).0, ClaimVerdict::Undecided);
    }
}
