//! The factored value matrix has as many parameters as the key and the query matrix together.

use attn_core::Exec;
use attn_head::params::grouped;
use attn_head::{LayerProblem, LayerSpec};
use attn_head::{Matrix, Naive, Projection as _, Weights};
use attn_record::claims::{Claim, ClaimVerdict};

use crate::context::Context;
use crate::probe::{normal, random_weights};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Numbers in the key and query matrix of a head.
    pub keys_and_queries: usize,
    /// Numbers in the two factors of the value matrix.
    pub factors: usize,
    /// Numbers in the value matrix multiplied out.
    pub full: usize,
    /// The largest difference between applying the factors in turn and the matrix multiplied out, as
    /// a share of the largest result.
    pub difference: f64,
    /// What rounding explains of it.
    pub allowed: f64,
}

const MODEL: usize = 768;
const DIM: usize = 64;
const TOKENS: usize = 16;

/// Counts one head of GPT-2's sizes and applies its value matrix both ways.
pub fn measure() -> Result<Measurement, ClaimError> {
    let problem = LayerProblem::new(LayerSpec::square(1, TOKENS, MODEL, DIM))?;
    let Weights { q, k, down, up, .. } = random_weights(&problem, 41)?;
    let x = normal(TOKENS * MODEL, 42, 1.0)?;
    let product = |a: &[f32], b: &[f32], [n, inner, m]: [usize; 3]| {
        let mut c = vec![0.0; n * m];
        let (a, b) = (Matrix::new(a, [n, inner]), Matrix::new(b, [inner, m]));
        Naive.multiply_add(a, b, &mut c, &Exec::SINGLE).map(|()| c)
    };
    let narrow = product(&x, &down, [TOKENS, MODEL, DIM])?;
    let in_turn = product(&narrow, &up, [TOKENS, DIM, MODEL])?;
    let matrix = product(&down, &up, [MODEL, DIM, MODEL])?;
    let at_once = product(&x, &matrix, [TOKENS, MODEL, MODEL])?;
    let size = at_once.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
    let pairs = in_turn.iter().zip(&at_once);
    let difference = pairs.fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
    Ok(Measurement {
        keys_and_queries: q.len() + k.len(),
        factors: down.len() + up.len(),
        full: matrix.len(),
        difference: f64::from(difference / size),
        // Both ways sum over M and over D, one rounding a term.
        allowed: 2.0 * (MODEL + DIM) as f64 * f64::from(f32::EPSILON),
    })
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.factors != found.keys_and_queries {
        return (ClaimVerdict::DoesNotHold, "the counts differ".into());
    }
    if found.difference > found.allowed || found.difference.is_nan() {
        return (ClaimVerdict::DoesNotHold, "the factors are not the matrix".into());
    }
    let times = found.full as f64 / found.factors as f64;
    (ClaimVerdict::Holds, format!("multiplied out it would have {times:.0} times as many"))
}

/// The claim with its verdict.
pub fn claim(_: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure()?;
    let (verdict, reason) = verdict(&found);
    Ok(Claim {
        id: "low-rank".into(),
        section: section::VALUES.into(),
        sentence:
            "The value matrix is a product of two matrices with as many parameters as the key \
                   and the query matrix."
                .into(),
        method: format!(
            "One head of width {DIM} over embeddings of {MODEL}, counted, and its value matrix \
             applied in two steps and multiplied out"
        ),
        figure: format!(
            "{} in the factors, {} in keys and queries, {} multiplied out; results differ by {:.1e}",
            grouped(found.factors as u64),
            grouped(found.keys_and_queries as u64),
            grouped(found.full as u64),
            found.difference
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
        let found = Measurement {
            keys_and_queries: 100,
            factors: 100,
            full: 2500,
            difference: 1e-7,
            allowed: 1e-5,
        };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(verdict(&Measurement { factors: 99, ..found }).0, ClaimVerdict::DoesNotHold);
        assert_eq!(verdict(&Measurement { difference: 0.1, ..found }).0, ClaimVerdict::DoesNotHold);
    }
}
