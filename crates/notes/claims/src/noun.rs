//! Where "dog" looks in "The big, fluffy dog": in every head of a trained model.

use attn_record::claims::{Claim, ClaimVerdict, Picture};

use crate::context::Context;
use crate::normalised::map_of;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Heads of all layers.
    pub heads: usize,
    /// Heads in which the noun looks at its adjectives more than at others on average.
    pub above: usize,
    /// The weight that the noun would give its adjectives if it looked everywhere alike.
    pub uniform: f64,
    /// The mean weight that it gives them.
    pub mean: f64,
    /// The largest weight that it gives them, and where: layer and head.
    pub most: (f64, usize, usize),
    /// The mean weight that all tokens give the one just before them in that head.
    pub before: f64,
}

const NOUN: &str = "dog";
/// Words that describe it, as the tokens that they begin with.
const ADJECTIVES: [&str; 2] = ["big", "fluffy"];

/// Sums the noun's weights on its adjectives, all word pieces included, head by head.
pub fn measure(context: &Context<'_>) -> Result<Measurement, ClaimError> {
    let first = context.first_layer()?;
    let (noun, adjectives) = places(&first.tokens)?;
    let mut found = Measurement {
        heads: 0,
        above: 0,
        uniform: adjectives.len() as f64 / first.tokens.len() as f64,
        mean: 0.0,
        most: (f64::NEG_INFINITY, 0, 0),
        before: 0.0,
    };
    for layer in context.layers {
        for head in 0..layer.problem.shape().heads_q {
            let weights = attn_oracle::weights(&layer.problem, &layer.inputs, 0, head);
            let weight = adjectives.iter().filter_map(|&j| weights[noun][j]).sum::<f64>();
            found.heads += 1;
            found.mean += weight;
            found.above += usize::from(weight > found.uniform);
            if weight > found.most.0 {
                found.most = (weight, layer.layer, head);
                found.before = before(&weights);
            }
        }
    }
    found.mean /= found.heads as f64;
    Ok(found)
}

/// The mean weight of a token on the one just before.
fn before(weights: &[Vec<Option<f64>>]) -> f64 {
    let rows = weights.iter().enumerate().skip(1);
    rows.filter_map(|(i, row)| row[i - 1]).sum::<f64>() / (weights.len() - 1) as f64
}

/// The place of the noun and those of the adjectives. A word may be several pieces, of which all but
/// the first begin with `##`.
fn places(tokens: &[String]) -> Result<(usize, Vec<usize>), ClaimError> {
    let missing = |word: &str| ClaimError::Missing(format!("no word `{word}` in the text"));
    let noun = tokens.iter().position(|token| token == NOUN).ok_or_else(|| missing(NOUN))?;
    let mut adjectives = Vec::new();
    for word in ADJECTIVES {
        let found = (0..tokens.len()).find_map(|start| {
            let pieces = tokens[start + 1..].iter().take_while(|token| token.starts_with("##"));
            let end = start + 1 + pieces.count();
            let whole: String =
                tokens[start..end].iter().map(|token| token.trim_start_matches("##")).collect();
            (whole == word && !tokens[start].starts_with("##")).then_some(start..end)
        });
        adjectives.extend(found.ok_or_else(|| missing(word))?);
    }
    Ok((noun, adjectives))
}

/// The verdict: the claim is about what heads do, so it takes most of them for "holds".
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let Measurement { heads, above, most: (most, layer, head), before, .. } = *found;
    if above == 0 {
        return (ClaimVerdict::DoesNotHold, "no head looks there more than elsewhere".into());
    }
    let mut best = format!("most in layer {layer}, head {head}: {:.0} %", 100.0 * most);
    if before > 0.5 {
        best = format!(
            "{best}; but all tokens of that head look at the one before them ({:.0} % on average): \
             place, not meaning",
            100.0 * before
        );
    }
    if 2 * above > heads {
        return (ClaimVerdict::Holds, format!("in most heads; {best}"));
    }
    (ClaimVerdict::WithCondition, format!("in {above} of {heads} heads; {best}"))
}

/// The claim with its verdict.
pub fn claim(context: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure(context)?;
    let (verdict, reason) = verdict(&found);
    let (_, layer, head) = found.most;
    let layer = context.layers.iter().find(|real| real.layer == layer);
    let map = layer.map(|real| {
        map_of(real, head, &format!("layer {}, head {head}, of a trained model", real.layer))
    });
    Ok(Claim {
        id: "noun".into(),
        section: section::HEAD.into(),
        sentence:
            "In \"The big, fluffy dog\", the adjectives' keys align with the noun's query: dog \
                   attends to big and fluffy."
                .into(),
        method: format!(
            "The weights of \"dog\" on the pieces of \"big\" and \"fluffy\" in all {} heads of a \
             trained sentence encoder",
            found.heads
        ),
        figure: format!(
            "mean {:.1} %, at random {:.1} %, most {:.1} %; above random in {} heads",
            100.0 * found.mean,
            100.0 * found.uniform,
            100.0 * found.most.0,
            found.above
        ),
        verdict,
        reason,
        picture: map.map(|map| Picture::Map { cells: "Weight".into(), map }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_measurement() {
        let found = Measurement {
            heads: 72,
            above: 20,
            uniform: 0.2,
            mean: 0.1,
            most: (0.7, 2, 8),
            before: 0.1,
        };
        assert_eq!(verdict(&found).0, ClaimVerdict::WithCondition);
        assert_eq!(verdict(&Measurement { above: 60, ..found }).0, ClaimVerdict::Holds);
        assert_eq!(verdict(&Measurement { above: 0, ..found }).0, ClaimVerdict::DoesNotHold);
        assert!(!verdict(&found).1.contains("place"));
        assert!(verdict(&Measurement { before: 0.9, ..found }).1.contains("place"));
    }

    #[test]
    fn words_of_several_pieces_are_found_whole() {
        let tokens = ["[CLS]", "fluffy", "##x", "big", "flu", "##ffy", "dog"].map(String::from);
        assert_eq!(places(&tokens).unwrap(), (6, vec![3, 4, 5]));
        assert!(places(&tokens[..6]).is_err());
    }
}
