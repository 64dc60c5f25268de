//! Masking before the softmax keeps the sum of the weights, masking after it does not.

use attn_core::{Alignment, ProblemSpec};
use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::context::Context;
use crate::probe::{Matrix, allowed_deviation, weights};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Backends that showed their weights.
    pub backends: usize,
    /// With -inf before the softmax: the largest distance of a row's sum from 1.
    pub before_deviation: f64,
    /// With -inf before the softmax: the largest weight of a later token.
    pub before_leak: f64,
    /// What rounding explains of a sum's distance from 1.
    pub allowed: f64,
    /// With 0 after the softmax: mean sum of the rows that have later tokens.
    pub after_mean: f64,
    /// Per query: mean sum over all heads, masked before and masked after.
    pub sums: Vec<[f64; 2]>,
}

/// Masks later tokens both ways in the first layer of a trained model.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let layer = context.first_layer()?;
    let full = layer.problem.spec().clone();
    let causal = ProblemSpec { causal: Some(Alignment::TopLeft), ..full.clone() };
    let len = full.shape.len_q;
    let mut found = Measurement {
        backends: 0,
        before_deviation: 0.0,
        before_leak: 0.0,
        allowed: allowed_deviation(full.dtype, len),
        after_mean: 0.0,
        sums: vec![[0.0; 2]; len],
    };
    let mut rows = 0.0;
    for backend in &context.backends {
        let masked = weights(*backend, &causal, &layer.inputs)?;
        let unmasked = weights(*backend, &full, &layer.inputs)?;
        let Some((masked, unmasked)) = masked.zip(unmasked) else {
            continue;
        };
        found.backends += 1;
        for (before, after) in masked.iter().zip(&unmasked) {
            rows += 1.0;
            found.look_at(before, after);
        }
    }
    for sums in &mut found.sums {
        for sum in sums {
            *sum /= rows;
        }
    }
    let cut = &found.sums[..len - 1];
    found.after_mean = cut.iter().map(|sums| sums[1]).sum::<f64>() / cut.len() as f64;
    Ok(found)
}

impl Measurement {
    /// One head: masked before the softmax, and not masked.
    fn look_at(&mut self, before: &Matrix, unmasked: &Matrix) {
        for (i, (before, unmasked)) in before.iter().zip(unmasked).enumerate() {
            let sum = before.iter().sum::<f64>();
            self.before_deviation = self.before_deviation.max((sum - 1.0).abs());
            self.before_leak = before[i + 1..].iter().fold(self.before_leak, |m, w| m.max(*w));
            self.sums[i][0] += sum;
            self.sums[i][1] += unmasked[..=i].iter().sum::<f64>();
        }
    }
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.backends == 0 {
        return (ClaimVerdict::Undecided, "no backend showed its weights".into());
    }
    if found.before_leak > 0.0 || found.before_deviation.is_nan() {
        return (ClaimVerdict::DoesNotHold, "a masked token still has a weight".into());
    }
    if found.before_deviation > found.allowed {
        return (ClaimVerdict::DoesNotHold, "masking before the softmax changes the sum".into());
    }
    if (found.after_mean - 1.0).abs() <= found.allowed {
        return (ClaimVerdict::DoesNotHold, "masking after the softmax keeps the sum too".into());
    }
    (ClaimVerdict::Holds, format!("rounding explains up to {:.1e}", found.allowed))
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let series = |name: &str, which: usize| Series {
        name: name.into(),
        points: found.sums.iter().enumerate().map(|(i, sums)| (i + 1, sums[which])).collect(),
    };
    Ok(Claim {
        id: "masking".into(),
        section: section::HEAD.into(),
        sentence:
            "Setting the scores of later tokens to minus infinity before the softmax keeps the weights \
                   normalised; setting their weights to 0 afterwards does not."
                .into(),
        method: format!(
            "Both ways on every head of a trained model's first layer, with the weights of {} \
             backends",
            found.backends
        ),
        figure: format!(
            "before: sums within {:.1e} of 1, largest later weight {}; after: mean sum {:.3}",
            found.before_deviation, found.before_leak, found.after_mean
        ),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: "Sum of the weights of a query, by its place in the text".into(),
            x: "Place of the query (token)".into(),
            y: "Sum of weights, mean over heads".into(),
            unit: Unit::Share,
            series: vec![series("-inf before", 0), series("0 after", 1)],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found = Measurement {
            backends: 5,
            before_deviation: 1e-7,
            before_leak: 0.0,
            allowed: 1e-6,
            after_mean: 0.6,
            sums: Vec::new(),
        };
        let of = |found: &Measurement| verdict(found).0;
        assert_eq!(of(&found), ClaimVerdict::Holds);
        let turned = [
            Measurement { before_deviation: 0.1, ..found.clone() },
            Measurement { before_leak: 1e-9, ..found.clone() },
            Measurement { after_mean: 1.0, ..found.clone() },
        ];
        assert!(turned.iter().all(|found| of(found) == ClaimVerdict::DoesNotHold));
        assert_eq!(of(&Measurement { backends: 0, ..found }), ClaimVerdict::Undecided);
    }
}
