//! A later token changes nothing earlier.

use attn_core::{Alignment, Exec};
use attn_head::{Engines, Layer, LayerProblem, LayerSpec, Naive};
use attn_record::Map;
use attn_record::claims::{Claim, ClaimVerdict, Picture};

use crate::context::Context;
use crate::probe::{each_backend, normal, random_weights};
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Backends.
    pub backends: usize,
    /// Numbers before the changed token that are not, bit by bit, what they were; with the mask.
    pub changed: usize,
    /// The same without the mask: the measurement would see a change.
    pub changed_without_mask: usize,
    /// Per query and per changed token: the size of the change, with the mask, of the first backend.
    pub influence: Vec<Vec<f64>>,
}

const TOKENS: usize = 16;
const MODEL: usize = 24;

/// Changes every token in turn and looks at what else changes.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let spec = LayerSpec::square(3, TOKENS, MODEL, 8);
    let without = LayerProblem::new(spec)?;
    let masked = LayerProblem::new(LayerSpec { causal: Some(Alignment::TopLeft), ..spec })?;
    let weights = random_weights(&masked, 21)?;
    let mut found = Measurement {
        backends: 0,
        changed: 0,
        changed_without_mask: 0,
        influence: vec![vec![0.0; TOKENS]; TOKENS],
    };
    found.backends = each_backend(&context.backends, masked.attention(), |backend| {
        let engines = Engines { backend, projection: &Naive, exec: Exec::SINGLE };
        let mut layer = Layer::prepare(&masked, &weights, engines)?;
        let influence = influence(&mut layer)?;
        found.changed += earlier(&influence);
        if found.influence.iter().flatten().all(|change| *change == 0.0) {
            found.influence = influence;
        }
        let mut layer = Layer::prepare(&without, &weights, engines)?;
        found.changed_without_mask += earlier(&self::influence(&mut layer)?);
        Ok(())
    })?;
    Ok(found)
}

/// How much row i of the change moves when token j does: `[i][j]`.
fn influence(layer: &mut Layer<'_>) -> Result<Vec<Vec<f64>>, ClaimError> {
    let x = normal(TOKENS * MODEL, 22, 1.0)?;
    let before = layer.delta(&x, None)?;
    let mut found = vec![vec![0.0; TOKENS]; TOKENS];
    for j in 0..TOKENS {
        let mut x = x.clone();
        x[j * MODEL..][..MODEL].iter_mut().for_each(|x| *x += 1.0);
        let after = layer.delta(&x, None)?;
        let rows = before.chunks_exact(MODEL).zip(after.chunks_exact(MODEL));
        for ((before, after), row) in rows.zip(&mut found) {
            let squares = before.iter().zip(after).map(|(b, a)| f64::from(a - b).powi(2));
            row[j] = squares.sum::<f64>().sqrt();
        }
    }
    Ok(found)
}

/// Rows that an even later token changed at all.
fn earlier(influence: &[Vec<f64>]) -> usize {
    let rows = influence.iter().enumerate();
    rows.map(|(i, row)| row[i + 1..].iter().filter(|change| **change != 0.0).count()).sum()
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    if found.changed_without_mask == 0 {
        return (ClaimVerdict::Undecided, "nothing changes without the mask either".into());
    }
    if found.changed > 0 {
        return (ClaimVerdict::DoesNotHold, format!("{} earlier results changed", found.changed));
    }
    let reason = format!(
        "equal to the last bit; without the mask {} earlier results change",
        found.changed_without_mask
    );
    (ClaimVerdict::Holds, reason)
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let names: Vec<String> = (0..TOKENS).map(|i| i.to_string()).collect();
    let admitted = |i: usize, row: &Vec<f64>| {
        row.iter().enumerate().map(|(j, change)| (j <= i).then_some(*change)).collect()
    };
    let map = Map {
        schema: Map::SCHEMA.into(),
        case: "How far the change of a token (row) moves with another (column)".into(),
        source: "A causal layer of three heads with random weights; every token moved in turn"
            .into(),
        head: 0,
        tokens_q: names.clone(),
        tokens_k: names,
        weights: found.influence.iter().enumerate().map(|(i, row)| admitted(i, row)).collect(),
    };
    Ok(Claim {
        id: "later-tokens".into(),
        section: section::HEAD.into(),
        sentence: "With the mask, a later token never influences what is said of an earlier one."
            .into(),
        method: format!(
            "Each of {TOKENS} tokens changed in turn in a causal layer, with {} backends; results \
             compared bit by bit",
            found.backends
        ),
        figure: format!("{} earlier results changed", found.changed),
        verdict,
        reason,
        picture: Some(Picture::Map { cells: "Change".into(), map }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found = Measurement {
            backends: 5,
            changed: 0,
            changed_without_mask: 600,
            influence: Vec::new(),
        };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(
            verdict(&Measurement { changed: 1, ..found.clone() }).0,
            ClaimVerdict::DoesNotHold
        );
        assert_eq!(
            verdict(&Measurement { changed_without_mask: 0, ..found }).0,
            ClaimVerdict::Undecided
        );
    }

    #[test]
    fn only_what_is_above_the_diagonal_is_earlier() {
        assert_eq!(earlier(&[vec![1.0, 0.0, 2.0], vec![1.0, 1.0, 0.0], vec![1.0, 1.0, 1.0]]), 1);
    }
}
