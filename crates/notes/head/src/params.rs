//! How many numbers the attention of a model consists of, each count with its formula.
//!
//! ```text
//! W_Q, W_K     M x D each                     one head
//! W_down, W_up M x Dv and Dv x M              the value matrix, factored
//! layer        Hq (M D + Dv M) + Hkv (M D + M Dv)
//! model        layers x layer
//! ```
//!
//! Matrices only: biases, embeddings and feed-forward layers are not attention.

use std::fmt::Write as _;

use serde::Serialize;

/// The sizes of a published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// Where the sizes are published.
    pub source: &'static str,
    /// Width of an embedding, M.
    pub model: u64,
    /// Layers.
    pub layers: u64,
    /// Query heads.
    pub heads_q: u64,
    /// Key and value heads.
    pub heads_kv: u64,
    /// Width of a query and a key, D, and of a value, Dv.
    pub dim: u64,
}

/// Models whose sizes are known.
pub const PRESETS: [Preset; 5] = [
    Preset {
        name: "gpt3",
        source: "Brown et al. 2020, table 2.1, 175B",
        ..preset(12_288, 96, [96, 96], 128)
    },
    Preset {
        name: "gpt2",
        source: "Radford et al. 2019, table 2, 117M",
        ..preset(768, 12, [12, 12], 64)
    },
    Preset {
        name: "bert-base",
        source: "Devlin et al. 2018, section 3",
        ..preset(768, 12, [12, 12], 64)
    },
    Preset {
        name: "llama-3-8b",
        source: "Llama team 2024, table 3: 4 query heads share a key head",
        ..preset(4096, 32, [32, 8], 128)
    },
    Preset {
        name: "minilm-l6",
        source: "config.json of all-MiniLM-L6-v2",
        ..preset(384, 6, [12, 12], 32)
    },
];

const fn preset(model: u64, layers: u64, [heads_q, heads_kv]: [u64; 2], dim: u64) -> Preset {
    Preset { name: "", source: "", model, layers, heads_q, heads_kv, dim }
}

/// A count and how it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What is counted.
    pub what: &'static str,
    /// The formula in numbers: `12,288 x 128`.
    pub formula: String,
    /// Its value.
    pub parameters: u64,
}

impl Preset {
    /// From one matrix to the model.
    pub fn lines(&self) -> Vec<Line> {
        let Preset { model, layers, heads_q, heads_kv, dim, .. } = *self;
        let [m, d] = [model, dim].map(grouped);
        let line = |what, formula, parameters| Line { what, formula, parameters };
        let matrix = model * dim;
        let layer = 2 * matrix * (heads_q + heads_kv);
        let of_layer = if heads_q == heads_kv {
            format!("{heads_q} x {}", grouped(4 * matrix))
        } else {
            let two = grouped(2 * matrix);
            format!("{heads_q} x {two} (queries, up) + {heads_kv} x {two} (keys, down)")
        };
        vec![
            line("query matrix W_Q", format!("{m} x {d}"), matrix),
            line("key matrix W_K", format!("{m} x {d}"), matrix),
            line("value matrix, W_down", format!("{m} x {d}"), matrix),
            line("value matrix, W_up", format!("{d} x {m}"), matrix),
            line("head", format!("{m} x {d} x 4"), 4 * matrix),
            line("layer", of_layer, layer),
            line("model", format!("{layers} x {}", grouped(layer)), layers * layer),
        ]
    }
}

/// `12288` as `12,288`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        let _ = write!(text, "{digit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerProblem, LayerSpec, Weights};
    use attn_core::Shape;

    fn of(name: &str) -> Vec<u64> {
        let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
        preset.lines().iter().map(|line| line.parameters).collect()
    }

    #[test]
    fn gpt3_has_the_published_counts() {
        let matrix = 1_572_864;
        let expected = [matrix; 4].into_iter().chain([6_291_456, 603_979_776, 57_982_058_496]);
        assert!(of("gpt3").into_iter().eq(expected));
    }

    #[test]
    fn counts_are_those_of_a_layer_that_can_be_computed() {
        for preset in PRESETS.iter().filter(|preset| preset.model < 10_000) {
            let [model, heads_q, heads_kv, dim] =
                [preset.model, preset.heads_q, preset.heads_kv, preset.dim].map(|n| n as usize);
            let shape = Shape { heads_kv, ..Shape::square(heads_q, 1, dim) };
            let spec = LayerSpec { shape, ..LayerSpec::square(heads_q, 1, model, dim) };
            let problem = LayerProblem::new(spec).unwrap();
            let zeros = |heads: usize| vec![0.0; heads * model * dim];
            let [q, k, down, up] = [heads_q, heads_kv, heads_kv, heads_q].map(zeros);
            let weights = Weights { q, k, down, up, biases: None };
            weights.check(&problem).unwrap();
            let Weights { q, k, down, up, .. } = weights;
            let all = [q, k, down, up].map(|matrix| matrix.len() as u64).iter().sum::<u64>();
            assert_eq!(of(preset.name)[5], all, "{}", preset.name);
        }
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_572_864].map(grouped), ["0", "999", "1,000", "1,572,864"]);
    }
}
