//! "Additive attention is O(d), multiplicative attention is O(1)": time per score against the width.

use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::additive::{LEN, Pair, over_dim};
use crate::context::Context;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Over the width.
    pub over_dim: Vec<Pair>,
}

impl Measurement {
    /// Exponent of a power law through the time of the first and of the last width.
    fn exponent(&self, time: fn(&Pair) -> f64) -> Option<f64> {
        let (first, last) = (self.over_dim.first()?, self.over_dim.last()?);
        let exponent =
            (time(last) / time(first)).ln() / (last.size as f64 / first.size as f64).ln();
        exponent.is_finite().then_some(exponent)
    }

    fn exponents(&self) -> Option<[f64; 2]> {
        Some([self.exponent(|pair| pair.multiplicative)?, self.exponent(|pair| pair.additive)?])
    }
}

/// Below this exponent a time counts as one that does not grow, from it on as one that does.
const GROWS: f64 = 0.25;

/// Times the fastest backend of each kind over the width.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    Ok(Measurement { over_dim: over_dim(context)? })
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let Some([multiplicative, additive]) = found.exponents() else {
        return (ClaimVerdict::Undecided, "no backend computes additive scores here".into());
    };
    match (multiplicative >= GROWS, additive >= GROWS) {
        (false, true) => {
            (ClaimVerdict::Holds, "one grows with the width, the other does not".into())
        }
        (true, true) => {
            let reason = "both take d operations per score; what differs is the constant: a product \
                          and a sum against a tanh";
            (ClaimVerdict::DoesNotHold, reason.into())
        }
        (_, false) => {
            (ClaimVerdict::DoesNotHold, "additive scores do not grow with the width".into())
        }
    }
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let [multiplicative, additive] = found.exponents().unwrap_or([f64::NAN; 2]);
    let series = |name: &str, time: fn(&Pair) -> f64| Series {
        name: name.into(),
        points: found
            .over_dim
            .iter()
            .map(|pair| (pair.size, time(pair) / (LEN * LEN) as f64))
            .collect(),
    };
    Ok(Claim {
        id: "growth".into(),
        section: section::MULTIPLICATIVE.into(),
        sentence: "Additive attention costs O(d) per score, multiplicative attention O(1).".into(),
        method: format!(
            "Time of one head over {LEN} tokens per score, the values' part included, against the \
             width d; the fastest backend of each kind in turns"
        ),
        figure: format!(
            "time grows as d^{multiplicative:.2} multiplicative, d^{additive:.2} additive"
        ),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: format!("Time per score, {LEN} tokens"),
            x: "Width d".into(),
            y: "Time per score".into(),
            unit: Unit::Nanoseconds,
            series: vec![
                series("multiplicative", |pair| pair.multiplicative),
                series("additive", |pair| pair.additive),
            ],
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let of = |multiplicative: f64, additive: f64| {
            let first = Pair { size: 16, multiplicative: 1.0, additive: 1.0 };
            let last = Pair { size: 256, multiplicative, additive };
            verdict(&Measurement { over_dim: vec![first, last] }).0
        };
        assert_eq!(of(1.1, 16.0), ClaimVerdict::Holds);
        assert_eq!(of(12.0, 16.0), ClaimVerdict::DoesNotHold);
        assert_eq!(of(1.0, 1.0), ClaimVerdict::DoesNotHold);
        assert_eq!(of(1.0, f64::INFINITY), ClaimVerdict::Undecided);
    }
}
