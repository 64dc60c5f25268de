//! Distant tokens are one step away: the influence of the first token on the last.

use attn_core::Exec;
use attn_head::{Engines, Faer, Layer, LayerProblem, LayerSpec};
use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::context::Context;
use crate::probe::{normal, random_weights};
use crate::recurrent::Recurrent;
use crate::{ClaimError, section};

/// What was found. Influence is the Frobenius norm of the derivative of the last token's result by
/// the first token, over the square root of the width.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Per length: tokens, influence in one layer of self-attention, in a recurrent network.
    pub influence: Vec<(usize, f64, f64)>,
}

const MODEL: usize = 32;
const LENGTHS: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];
/// Half of the difference of a central difference.
const STEP: f32 = 0.05;
/// What is smaller is the rounding of the central difference.
const FLOOR: f64 = 1e-5;

/// Moves the first token of ever longer sequences.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let longest = LENGTHS[LENGTHS.len() - 1];
    let x = normal(longest * MODEL, 71, 1.0)?;
    let recurrent = Recurrent::random(MODEL, 72)?.influence(&x);
    let mut influence = Vec::new();
    for len in LENGTHS {
        let attention = attention(context, &x[..len * MODEL], len)?;
        influence.push((len, attention, recurrent[len - 1]));
    }
    Ok(Measurement { influence })
}

/// By central differences in each component of the first token.
fn attention(context: &Context<'_>, x: &[f32], len: usize) -> Result<f64, ClaimError> {
    let problem = LayerProblem::new(LayerSpec::square(2, len, MODEL, MODEL / 2))?;
    let weights = random_weights(&problem, 73)?;
    let engines = Engines { backend: context.parallel, projection: &Faer, exec: Exec::SINGLE };
    let mut layer = Layer::prepare(&problem, &weights, engines)?;
    let mut squares = 0.0;
    for c in 0..MODEL {
        let mut last = |by: f32| -> Result<Vec<f32>, ClaimError> {
            let mut x = x.to_vec();
            x[c] += by;
            Ok(layer.delta(&x, None)?.split_off((len - 1) * MODEL))
        };
        let (up, down) = (last(STEP)?, last(-STEP)?);
        let slopes = up.iter().zip(&down).map(|(up, down)| f64::from(up - down));
        squares += slopes.map(|d| (d / f64::from(2.0 * STEP)).powi(2)).sum::<f64>();
    }
    Ok((squares / MODEL as f64).sqrt())
}

/// The exponent of a power law through the first and the last length.
fn exponent(found: &Measurement) -> Option<f64> {
    let (first, last) = (found.influence.first()?, found.influence.last()?);
    Some((last.1 / first.1).ln() / (last.0 as f64 / first.0 as f64).ln())
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let Some((&(len, attention, recurrent), exponent)) =
        found.influence.last().zip(exponent(found))
    else {
        return (ClaimVerdict::Undecided, "nothing was measured".into());
    };
    if attention < FLOOR || attention.is_nan() {
        return (
            ClaimVerdict::DoesNotHold,
            format!("nothing arrives over {len} tokens in one layer"),
        );
    }
    if recurrent >= attention {
        let reason = format!("over {len} tokens the recurrent network keeps as much");
        return (ClaimVerdict::DoesNotHold, reason);
    }
    if exponent < -0.5 {
        let reason = format!(
            "in one step at every distance; but where no token stands out the influence is shared \
             among all, and falls as N^{exponent:.1}"
        );
        return (ClaimVerdict::WithCondition, reason);
    }
    (ClaimVerdict::Holds, "in one step at every distance".into())
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let (len, attention, recurrent) = found.influence.last().copied().unwrap_or_default();
    let points = |value: fn(&(usize, f64, f64)) -> f64| {
        let points = found.influence.iter().map(|at| (at.0, value(at)));
        points.filter(|(_, value)| *value > 0.0).collect()
    };
    Ok(Claim {
        id: "distance".into(),
        section: section::SELF_ATTENTION.into(),
        sentence: "Self-attention reaches distant tokens faster: in one step, where a recurrent \
                   network needs one step per token between."
            .into(),
        method: format!(
            "How far the last token's result moves with the first token, in one layer and in a \
             recurrent network of width {MODEL}, both with random weights"
        ),
        figure: format!(
            "over {len} tokens: self-attention {attention:.1e} in 1 step, recurrent {recurrent:.1e} \
             in {} steps",
            len.saturating_sub(1)
        ),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: "Influence of the first token on the last".into(),
            x: "Sequence length N (tokens)".into(),
            y: "Influence (norm of the derivative)".into(),
            unit: Unit::Number,
            series: vec![
                Series { name: "self-attention".into(), points: points(|at| at.1) },
                Series { name: "recurrent".into(), points: points(|at| at.2) },
            ],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let of = |last: (f64, f64)| {
            let influence = vec![(2, 0.5, 0.5), (256, last.0, last.1)];
            verdict(&Measurement { influence }).0
        };
        assert_eq!(of((0.4, 1e-9)), ClaimVerdict::Holds);
        assert_eq!(of((0.005, 1e-9)), ClaimVerdict::WithCondition);
        assert_eq!(of((0.005, 0.1)), ClaimVerdict::DoesNotHold);
        assert_eq!(of((1e-9, 1e-12)), ClaimVerdict::DoesNotHold);
        assert_eq!(verdict(&Measurement { influence: Vec::new() }).0, ClaimVerdict::Undecided);
    }
}
