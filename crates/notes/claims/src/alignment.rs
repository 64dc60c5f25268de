//! Keys that point where the query points have large scores, keys that point away negative ones.

use attn_record::claims::{Claim, ClaimVerdict};

use crate::context::Context;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Pairs of a query and a key.
    pub pairs: usize,
    /// Pairs whose score has another sign than the cosine of their angle.
    pub wrong_signs: usize,
    /// Pairs at an angle of more than a right one.
    pub pointing_away: usize,
    /// Rank correlation (Spearman) of cosine and score over all pairs.
    pub correlation: f64,
}

/// Looks at every pair in every head of a trained model.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let (mut cosines, mut scores) = (Vec::new(), Vec::new());
    for layer in context.layers {
        let shape = *layer.problem.shape();
        let (q, k) = (layer.inputs.q().data().to_f64(), layer.inputs.k().data().to_f64());
        let heads = q.chunks_exact(shape.len_q * shape.dim);
        for (q, k) in heads.zip(k.chunks_exact(shape.len_k * shape.dim)) {
            for q in q.chunks_exact(shape.dim) {
                for k in k.chunks_exact(shape.dim) {
                    let dot = dot(q, k);
                    scores.push(dot * layer.problem.scale());
                    cosines.push(dot / (norm(q) * norm(k)));
                }
            }
        }
    }
    let signs = cosines.iter().zip(&scores).filter(|(c, s)| c.signum() != s.signum());
    Ok(Measurement {
        pairs: scores.len(),
        wrong_signs: signs.count(),
        pointing_away: cosines.iter().filter(|c| **c < 0.0).count(),
        correlation: correlation(&ranks(&cosines), &ranks(&scores)),
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The place of each value in ascending order.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank as f64);
    ranks
}

/// Pearson's correlation.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let centred = |x: &[f64], mean: f64| x.iter().map(|x| x - mean).collect::<Vec<_>>();
    let (a, b) = (centred(a, mean_a), centred(b, mean_b));
    dot(&a, &b) / (norm(&a) * norm(&b))
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.pairs == 0 || found.correlation.is_nan() {
        return (ClaimVerdict::Undecided, "there is nothing to correlate".into());
    }
    if found.wrong_signs > 0 || found.correlation < 0.5 {
        return (ClaimVerdict::DoesNotHold, "scores do not follow the angle".into());
    }
    if found.correlation < 0.95 {
        let reason = "the sign is that of the angle; the size also depends on how long query and \
                      key are";
        return (ClaimVerdict::WithCondition, reason.into());
    }
    (ClaimVerdict::Holds, "scores are ordered as the angles are".into())
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    Ok(Claim {
        id: "alignment".into(),
        section: section::HEAD.into(),
        sentence: "A key that is aligned with a query has a large positive score, one that is not \
                   a small or negative one."
            .into(),
        method: format!(
            "Cosine and score of {} pairs of query and key in all heads of a trained model",
            found.pairs
        ),
        figure: format!(
            "rank correlation {:.3}; {} of {} pairs point away, {} scores have another sign than \
             their cosine",
            found.correlation, found.pointing_away, found.pairs, found.wrong_signs
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
        let found = Measurement { pairs: 10, wrong_signs: 0, pointing_away: 4, correlation: 0.99 };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(
            verdict(&Measurement { correlation: 0.8, ..found }).0,
            ClaimVerdict::WithCondition
        );
        assert_eq!(
            verdict(&Measurement { correlation: 0.1, ..found }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(verdict(&Measurement { wrong_signs: 1, ..found }).0, ClaimVerdict::DoesNotHold);
        assert_eq!(verdict(&Measurement { pairs: 0, ..found }).0, ClaimVerdict::Undecided);
    }

    #[test]
    fn rank_correlation_of_known_orders() {
        let of = |a: &[f64], b: &[f64]| correlation(&ranks(a), &ranks(b));
        assert!((of(&[1.0, 2.0, 30.0], &[-5.0, 0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!((of(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 0, 1, 1, 0.
        assert!((of(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]) - 0.8).abs() < 1e-12);
    }
}
