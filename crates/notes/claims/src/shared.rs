//! One query matrix serves all tokens.

use attn_core::Exec;
use attn_head::{Engines, Layer, LayerProblem, LayerSpec, Naive};
use attn_record::claims::{Claim, ClaimVerdict};

use crate::context::Context;
use crate::probe::{each_backend, normal, random_weights};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Backends.
    pub backends: usize,
    /// Queries of a token that changed, bit by bit, when it moved to another place.
    pub changed_queries: usize,
    /// The largest change of a token's result when the others changed places, as a share of it.
    pub moved: f64,
    /// What another order of the sums explains of it.
    pub allowed: f64,
}

const TOKENS: usize = 24;
const MODEL: usize = 32;

/// Computes a layer on tokens in two orders.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let problem = LayerProblem::new(LayerSpec::square(2, TOKENS, MODEL, 16))?;
    let weights = random_weights(&problem, 11)?;
    let x = normal(TOKENS * MODEL, 12, 1.0)?;
    let reversed = |x: &[f32]| x.chunks_exact(MODEL).rev().flatten().copied().collect::<Vec<_>>();
    let other = reversed(&x);
    let mut found = Measurement { backends: 0, changed_queries: 0, moved: 0.0, allowed: 1e-5 };
    found.backends = each_backend(&context.backends, problem.attention(), |backend| {
        let engines = Engines { backend, projection: &Naive, exec: Exec::SINGLE };
        let mut layer = Layer::prepare(&problem, &weights, engines)?;
        let queries = |inputs: &attn_core::Inputs| inputs.q().data().to_f64();
        let (before, after) = (layer.project(&x, None)?, layer.project(&other, None)?);
        let (before, after) = (queries(&before), queries(&after));
        for (head, turned) in before.chunks_exact(TOKENS * 16).zip(after.chunks_exact(TOKENS * 16))
        {
            let rows = head.chunks_exact(16).zip(turned.chunks_exact(16).rev());
            found.changed_queries += rows.filter(|(a, b)| a != b).count();
        }
        let (before, after) = (layer.forward(&x, None)?, layer.forward(&other, None)?);
        let size = before.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
        let pairs = before.iter().zip(reversed(&after));
        let moved = pairs.fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
        found.moved = found.moved.max(f64::from(moved / size));
        Ok(())
    })?;
    Ok(found)
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.changed_queries > 0 {
        let reason = format!("{} queries depend on where their token is", found.changed_queries);
        return (ClaimVerdict::DoesNotHold, reason);
    }
    if found.moved > found.allowed || found.moved.is_nan() {
        let reason = "queries are the same, but the order of the other tokens matters".into();
        return (ClaimVerdict::WithCondition, reason);
    }
    let reason = "the order of tokens is invisible to a layer without mask: positions have to be \
                  part of the embeddings";
    (ClaimVerdict::Holds, reason.into())
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    Ok(Claim {
        id: "query-matrix".into(),
        section: section::HEAD.into(),
        sentence: "A query is the embedding times one matrix, the same for every token.".into(),
        method: format!(
            "A layer of two heads on {TOKENS} tokens and on the same tokens in reverse, with {} \
             backends",
            found.backends
        ),
        figure: format!(
            "{} queries changed; results moved with their tokens up to {:.1e}",
            found.changed_queries, found.moved
        ),
        verdict,
        reason,
        picture: None,
    })
}

#[cfg(test)]
mod tests {
    use attn_core::Alignment;

    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found = Measurement { backends: 5, changed_queries: 0, moved: 1e-7, allowed: 1e-5 };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(
            verdict(&Measurement { changed_queries: 1, ..found }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(verdict(&Measurement { moved: 0.1, ..found }).0, ClaimVerdict::WithCondition);
    }

    /// The measurement sees order where there is one: a causal mask.
    #[test]
    fn order_shows_where_there_is_one() {
        let spec = LayerSpec { causal: Some(Alignment::TopLeft), ..LayerSpec::square(1, 2, 1, 1) };
        let problem = LayerProblem::new(spec).unwrap();
        let weights = random_weights(&problem, 1).unwrap();
        let engines =
            Engines { backend: &attn_naive::Naive, projection: &Naive, exec: Exec::SINGLE };
        let mut layer = Layer::prepare(&problem, &weights, engines).unwrap();
        let a = layer.forward(&[1.0, 2.0], None).unwrap();
        let b = layer.forward(&[2.0, 1.0], None).unwrap();
        assert_ne!(a[0], b[1]);
    }
}
