//! The change of a token is the sum of the value vectors, each times its weight.

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
    /// The largest difference between a layer's result and `x_i + sum_j w_ij (x_j W_down W_up)`, as a
    /// share of the largest result.
    pub difference: f64,
    /// What rounding in f32 explains of it.
    pub allowed: f64,
    /// The largest change as a share of the largest embedding: 0 would show nothing.
    pub change: f64,
}

const TOKENS: usize = 12;
const MODEL: usize = 32;
const DIM: usize = 8;

/// Puts the change together from weights and value vectors in f64, one head after another.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let problem = LayerProblem::new(LayerSpec::square(2, TOKENS, MODEL, DIM))?;
    let weights = random_weights(&problem, 31)?;
    let x = normal(TOKENS * MODEL, 32, 1.0)?;
    // Four sums, of M, D, N and Dv terms, one after another.
    let allowed = (2 * MODEL + DIM + 6 * TOKENS) as f64 * f64::from(f32::EPSILON);
    let mut found = Measurement { backends: 0, difference: 0.0, allowed, change: 0.0 };
    found.backends = each_backend(&context.backends, problem.attention(), |backend| {
        let engines = Engines { backend, projection: &Naive, exec: Exec::SINGLE };
        let mut layer = Layer::prepare(&problem, &weights, engines)?;
        let out = layer.forward(&x, None)?;
        let inputs = layer.project(&x, None)?;
        let mut expected: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        for h in 0..2 {
            let shares = attn_oracle::weights(problem.attention(), &inputs, 0, h);
            let down = &weights.down[h * MODEL * DIM..][..MODEL * DIM];
            let up = &weights.up[h * DIM * MODEL..][..DIM * MODEL];
            let values = values(&x, down, up);
            for (row, shares) in expected.chunks_exact_mut(MODEL).zip(&shares) {
                for (share, value) in shares.iter().zip(&values) {
                    let share = share.unwrap_or(0.0);
                    row.iter_mut().zip(value).for_each(|(row, value)| *row += share * value);
                }
            }
        }
        let size = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let largest = |pairs: &mut dyn Iterator<Item = f64>| pairs.fold(0.0, f64::max) / size;
        let differences = out.iter().zip(&expected).map(|(o, e)| (f64::from(*o) - e).abs());
        found.difference = found.difference.max(largest(&mut { differences }));
        let changes = x.iter().zip(&expected).map(|(x, e)| (f64::from(*x) - e).abs());
        found.change = found.change.max(largest(&mut { changes }));
        Ok(())
    })?;
    Ok(found)
}

/// The value vectors `x_j (W_down W_up)`: the value matrix multiplied out first.
fn values(x: &[f32], down: &[f32], up: &[f32]) -> Vec<Vec<f64>> {
    let entry = |m: usize, c: usize| -> f64 {
        (0..DIM).map(|d| f64::from(down[m * DIM + d]) * f64::from(up[d * MODEL + c])).sum()
    };
    let matrix: Vec<Vec<f64>> =
        (0..MODEL).map(|m| (0..MODEL).map(|c| entry(m, c)).collect()).collect();
    let value = |x: &[f32]| -> Vec<f64> {
        (0..MODEL)
            .map(|c| x.iter().zip(&matrix).map(|(x, row)| f64::from(*x) * row[c]).sum())
            .collect()
    };
    x.chunks_exact(MODEL).map(value).collect()
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.change < 0.01 {
        return (
            ClaimVerdict::Undecided,
            "the layer changes nothing that could be compared".into(),
        );
    }
    if found.difference <= found.allowed {
        (ClaimVerdict::Holds, format!("rounding explains up to {:.1e}", found.allowed))
    } else {
        (ClaimVerdict::DoesNotHold, "the layer does something else".into())
    }
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    Ok(Claim {
        id: "change".into(),
        section: section::VALUES.into(),
        sentence: "Each value vector times its weight, summed, is the change that is added to the \
                   embedding; the heads' changes add up."
            .into(),
        method: format!(
            "A layer of two heads against the sum written out in f64 with the value matrix \
             multiplied out, {} backends",
            found.backends
        ),
        figure: format!(
            "differs by at most {:.1e} of the largest result; the change is up to {:.0} % of it",
            found.difference,
            100.0 * found.change
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
        let found = Measurement { backends: 5, difference: 1e-7, allowed: 1e-5, change: 0.8 };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(
            verdict(&Measurement { difference: 1e-3, ..found }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(
            verdict(&Measurement { difference: f64::NAN, ..found }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(verdict(&Measurement { change: 0.0, ..found }).0, ClaimVerdict::Undecided);
    }
}
