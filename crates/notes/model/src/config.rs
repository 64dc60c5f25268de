//! `config.json`: the sizes of the model, and whether it is one that this encoder computes.

use serde::Deserialize;

use crate::ModelError;

/// The keys that matter; all others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) vocab_size: usize,
    pub(crate) layer_norm_eps: f64,
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".into()
}

impl Config {
    /// Refuses what would be computed wrongly.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let words = [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ];
        for (key, found, expected) in words {
            if found != expected {
                let (found, expected) = (found.clone(), expected.to_string());
                return Err(ModelError::Config { key, found, expected });
            }
        }
        let heads = self.num_attention_heads;
        if heads == 0 || !self.hidden_size.is_multiple_of(heads) || self.hidden_size == 0 {
            let (found, expected) =
                (heads.to_string(), format!("a divisor of {}", self.hidden_size));
            return Err(ModelError::Config { key: "num_attention_heads", found, expected });
        }
        let sizes = [
            ("num_hidden_layers", self.num_hidden_layers),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("vocab_size", self.vocab_size),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            let (found, expected) = ("0".into(), "at least 1".into());
            return Err(ModelError::Config { key, found, expected });
        }
        let eps = self.layer_norm_eps;
        if !(eps.is_finite() && eps >= 0.0) {
            let (found, expected) = (eps.to_string(), "a small positive number".into());
            return Err(ModelError::Config { key: "layer_norm_eps", found, expected });
        }
        Ok(())
    }

    /// Width of a head.
    pub(crate) const fn dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(key: &str, value: &str) -> Result<(), String> {
        let mut json = serde_json::json!({
            "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12,
            "num_hidden_layers": 6, "max_position_embeddings": 512, "vocab_size": 30522,
            "layer_norm_eps": 1e-12, "model_type": "bert", "hidden_act": "gelu", "use_cache": true,
        });
        json[key] = serde_json::from_str(value).unwrap();
        let config: Config = serde_json::from_value(json).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        assert_eq!(config("use_cache", "false"), Ok(()));
        let refused = config("hidden_act", "\"gelu_new\"").unwrap_err();
        assert_eq!(refused, "config.json: hidden_act is gelu_new, expected gelu");
        assert!(config("position_embedding_type", "\"relative_key\"").is_err());
        assert!(config("num_attention_heads", "7").is_err());
        assert!(config("num_attention_heads", "0").is_err());
        let refused = config("num_hidden_layers", "0").unwrap_err();
        assert_eq!(refused, "config.json: num_hidden_layers is 0, expected at least 1");
        assert!(config("vocab_size", "0").is_err() && config("layer_norm_eps", "-1").is_err());
    }
}
