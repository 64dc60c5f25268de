//! A score of 0 before the softmax does not mask: `exp(0)` is 1.

use attn_record::claims::{Claim, ClaimVerdict};

use crate::context::Context;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Rows of weights, of queries that have later tokens.
    pub rows: usize,
    /// The largest distance of a row's sum from 1.
    pub deviation: f64,
    /// Mean share of a row's weight that goes to later tokens.
    pub leak: f64,
}

/// In f64: the scores of later tokens become 0, then softmax.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let layer = context.first_layer()?;
    let shape = *layer.problem.shape();
    let (q, k) = (layer.inputs.q().data().to_f64(), layer.inputs.k().data().to_f64());
    let (mut rows, mut deviation, mut leak) = (0, 0.0f64, 0.0);
    let heads = q.chunks_exact(shape.len_q * shape.dim);
    for (q, k) in heads.zip(k.chunks_exact(shape.len_k * shape.dim)) {
        for (i, q) in q.chunks_exact(shape.dim).enumerate().take(shape.len_q - 1) {
            let score = |k: &[f64]| q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>();
            let scores = k.chunks_exact(shape.dim).map(|k| score(k) * layer.problem.scale());
            let scores = scores.enumerate().map(|(j, s)| if j > i { 0.0 } else { s });
            let weights = softmax(&scores.collect::<Vec<_>>());
            rows += 1;
            deviation = deviation.max((weights.iter().sum::<f64>() - 1.0).abs());
            leak += weights[i + 1..].iter().sum::<f64>();
        }
    }
    Ok(Measurement { rows, deviation, leak: leak / rows as f64 })
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// The verdict. The statement has two halves: later tokens are not to be weighed, and zeros would
/// break the sum.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let normalised = found.deviation < 1e-9;
    let masked = found.leak < 1e-9;
    match (normalised, masked) {
        (true, true) => (ClaimVerdict::DoesNotHold, "a score of 0 masks and keeps the sum".into()),
        (true, false) => {
            let reason = "scores of 0 keep the sum, because exp(0) = 1 takes part in the softmax; \
                          what is wrong with them is that later tokens keep a weight. The sum \
                          breaks only where the weights are set to 0";
            (ClaimVerdict::DoesNotHold, reason.into())
        }
        (false, _) => (ClaimVerdict::Holds, "the weights do not sum to 1".into()),
    }
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    Ok(Claim {
        id: "zero-scores".into(),
        section: section::HEAD.into(),
        sentence:
            "The dot products of later tokens cannot simply be set to 0, because the weights \
                   would no longer be normalised."
                .into(),
        method: format!(
            "Scores of later tokens set to 0 before the softmax, in f64, on {} rows of a trained \
             model's first layer",
            found.rows
        ),
        figure: format!(
            "sums within {:.1e} of 1; later tokens keep {:.1} % of the weight",
            found.deviation,
            100.0 * found.leak
        ),
        verdict,
        reason,
        picture: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found = Measurement { rows: 10, deviation: 1e-16, leak: 0.4 };
        assert_eq!(verdict(&found).0, ClaimVerdict::DoesNotHold);
        assert_eq!(verdict(&Measurement { deviation: 0.4, ..found }).0, ClaimVerdict::Holds);
        let (_, masked) = verdict(&Measurement { leak: 0.0, ..found });
        assert_ne!(masked, verdict(&found).1);
    }

    #[test]
    fn a_score_of_0_has_the_weight_of_exp_0() {
        let weights = softmax(&[1f64.ln(), 0.0, 2f64.ln()]);
        assert!(weights.iter().zip([0.25, 0.25, 0.5]).all(|(w, e)| (w - e).abs() < 1e-15));
    }
}
