//! Embeddings that another program computed, for the models whose weights it had.
//!
//! `assets/reference.json` is made by `scripts/make-model-cases.py`, which computes the
//! encoder in f64 with `NumPy` and checks itself against figures of `PyTorch`.

use std::sync::OnceLock;

use serde::Deserialize;

/// One text of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// SHA-256 of the model's weights.
    pub weights: String,
    /// The text.
    pub text: String,
    /// Its tokens, special ones included.
    pub tokens: Vec<String>,
    /// Its embedding, of length 1, rounded to f32.
    pub embedding: Vec<f32>,
}

const RECORDED: &str = include_str!("../assets/reference.json");

/// All that is recorded.
pub fn all() -> &'static [Reference] {
    static PARSED: OnceLock<Vec<Reference>> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(RECORDED).expect("a test parses the file"))
}

/// What is recorded of `text` for the weights of that digest.
pub fn find(weights: &str, text: &str) -> Option<&'static Reference> {
    all().iter().find(|reference| reference.weights == weights && reference.text == text)
}
