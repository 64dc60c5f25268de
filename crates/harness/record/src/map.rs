//! Attention weights of one head, for the picture.

use serde::{Deserialize, Serialize};

/// `map.json`: the weights `softmax(scale Q K^T)` of one head, computed in f64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// `attn-map/1`.
    pub schema: String,
    /// Path of the case.
    pub case: String,
    /// Where the numbers come from: model, layer, text.
    pub source: String,
    /// Query head.
    pub head: usize,
    /// One label per row.
    pub tokens_q: Vec<String>,
    /// One label per column.
    pub tokens_k: Vec<String>,
    /// Row i: how much query i attends to each key. Rows sum to 1; `null` where a key is not admitted.
    pub weights: Vec<Vec<Option<f64>>>,
}

impl Map {
    /// The schema that this program writes and reads.
    pub const SCHEMA: &str = "attn-map/1";
}
