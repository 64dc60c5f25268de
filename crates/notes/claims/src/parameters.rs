//! The counts of GPT-3: of the matrices that a layer of its sizes really accepts.

use attn_head::params::{PRESETS, Preset, grouped};
use attn_head::{LayerProblem, LayerSpec, Weights};
use attn_record::claims::{Claim, ClaimVerdict};

use crate::context::Context;
use crate::{ClaimError, section};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Numbers in a query matrix and in a key matrix.
    pub matrices: [u64; 2],
    /// Numbers in a head.
    pub head: u64,
    /// Numbers of all heads of all layers, by the published sizes.
    pub model: u64,
}

/// What is said of a matrix and of a head.
pub const SAID: (u64, u64) = (1_572_864, 6_291_456);

/// Makes one head of GPT-3's sizes, lets the layer check it, and counts.
pub fn measure() -> Result<Measurement, ClaimError> {
    let preset = gpt3()?;
    let [model, dim] = [preset.model, preset.dim].map(|n| n as usize);
    let problem = LayerProblem::new(LayerSpec::square(1, 1, model, dim))?;
    let matrix = || vec![0.0; model * dim];
    let weights = Weights { q: matrix(), k: matrix(), down: matrix(), up: matrix(), biases: None };
    weights.check(&problem)?;
    let count = |matrix: &Vec<f32>| matrix.len() as u64;
    let Weights { q, k, down, up, .. } = &weights;
    let head = [q, k, down, up].map(count).iter().sum();
    let model = preset.heads_q * preset.layers * head;
    Ok(Measurement { matrices: [count(q), count(k)], head, model })
}

fn gpt3() -> Result<&'static Preset, ClaimError> {
    let found = PRESETS.iter().find(|preset| preset.name == "gpt3");
    found.ok_or_else(|| ClaimError::Missing("no preset `gpt3`".into()))
}

/// The verdict.
pub fn verdict(found: &Measurement) -> (ClaimVerdict, String) {
    let (matrix, head) = SAID;
    if found.matrices == [matrix; 2] && found.head == head {
        return (ClaimVerdict::Holds, "what is said is what a layer of these sizes takes".into());
    }
    let [q, k] = found.matrices.map(grouped);
    (
        ClaimVerdict::DoesNotHold,
        format!("the matrices have {q} and {k}, the head {}", grouped(found.head)),
    )
}

/// The claim with its verdict.
pub fn claim(_: &Context<'_>) -> Result<Claim, ClaimError> {
    let found = measure()?;
    let (verdict, reason) = verdict(&found);
    let (matrix, head) = SAID;
    Ok(Claim {
        id: "parameters".into(),
        section: section::VALUES.into(),
        sentence: format!(
            "In GPT-3 a query or key matrix has 12,288 x 128 = {} parameters, a head four times as \
             many: {}.",
            grouped(matrix),
            grouped(head)
        ),
        method: "One head of these sizes, made and counted; `attn params --preset gpt3` has the \
                 formulas"
            .into(),
        figure: format!(
            "{} per matrix, {} per head, {} in 96 layers of 96 heads",
            grouped(found.matrices[0]),
            grouped(found.head),
            grouped(found.model)
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
        let found =
            Measurement { matrices: [1_572_864; 2], head: 6_291_456, model: 57_982_058_496 };
        assert_eq!(verdict(&found).0, ClaimVerdict::Holds);
        assert_eq!(verdict(&Measurement { head: 1, ..found }).0, ClaimVerdict::DoesNotHold);
        assert_eq!(
            verdict(&Measurement { matrices: [1, 2], ..found }).0,
            ClaimVerdict::DoesNotHold
        );
    }
}
