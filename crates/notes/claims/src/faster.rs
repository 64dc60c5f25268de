//! Multiplicative attention is faster than additive attention: by what factor?

use attn_record::claims::{Claim, ClaimVerdict, Curves, Picture, Series, Unit};

use crate::additive::{DIM, LEN, Pair, over_dim, over_len};
use crate::context::Context;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Over the length.
    pub over_len: Vec<Pair>,
    /// Over the width.
    pub over_dim: Vec<Pair>,
}

impl Measurement {
    fn factors(&self) -> impl Iterator<Item = f64> {
        self.over_len.iter().chain(&self.over_dim).map(Pair::factor)
    }

    /// The smallest and the largest factor.
    fn range(&self) -> [f64; 2] {
        [self.factors().fold(f64::INFINITY, f64::min), self.factors().fold(0.0, f64::max)]
    }
}

/// Times the fastest backend of each kind, over both sizes.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    Ok(Measurement { over_len: over_len(context)?, over_dim: over_dim(context)? })
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let [least, most] = found.range();
    if !least.is_finite() || !most.is_finite() {
        return (ClaimVerdict::Undecided, "no backend computes additive scores here".into());
    }
    if least > 1.0 {
        let reason = "a product of matrices does two operations where the network does a tanh";
        return (ClaimVerdict::Holds, format!("at every size; {reason}"));
    }
    if most <= 1.0 {
        return (ClaimVerdict::DoesNotHold, "at no size".into());
    }
    (ClaimVerdict::WithCondition, "at some sizes".into())
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let [least, most] = found.range();
    let series = |name: &str, time: fn(&Pair) -> f64| Series {
        name: name.into(),
        points: found.over_len.iter().map(|pair| (pair.size, time(pair))).collect(),
    };
    Ok(Claim {
        id: "faster".into(),
        section: section::MULTIPLICATIVE.into(),
        sentence: "Multiplicative attention is faster than additive attention.".into(),
        method: format!(
            "One head, the fastest backend of each kind, in turns, one thread: over the length at \
             width {DIM}, over the width at {LEN} tokens"
        ),
        figure: format!("{least:.1} to {most:.1} times as fast"),
        verdict,
        reason,
        picture: Some(Picture::Curves(Curves {
            title: format!("Time of one head of width {DIM}"),
            x: "Sequence length N (tokens)".into(),
            y: "Time per call".into(),
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
        let of = |factors: [f64; 2]| {
            let pairs = factors.map(|additive| Pair { size: 1, multiplicative: 1.0, additive });
            verdict(&Measurement { over_len: pairs.into(), over_dim: Vec::new() }).0
        };
        assert_eq!(of([2.0, 9.0]), ClaimVerdict::Holds);
        assert_eq!(of([0.5, 9.0]), ClaimVerdict::WithCondition);
        assert_eq!(of([0.5, 0.9]), ClaimVerdict::DoesNotHold);
        assert_eq!(of([f64::INFINITY, 2.0]), ClaimVerdict::Undecided);
    }
}
