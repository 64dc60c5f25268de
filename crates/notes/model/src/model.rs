//! The whole model: files in, one vector per text out.

use std::path::Path;
use std::time::{Duration, Instant};

use attn_core::text::hex;
use attn_core::{Inputs, Problem};
use attn_head::{Engines, LayerProblem};
use attn_record::disk;
use sha2::{Digest as _, Sha256};
use tokenizers::Tokenizer;

use crate::ModelError;
use crate::config::Config;
use crate::encoder::{self, EncoderLayer};
use crate::math::{Norm, pooled};
use crate::tensors::Tensors;
use crate::text::{self, Encoded};

/// Bytes of weights that are read, at most: a billion in f32.
const LARGEST: u64 = 4 << 30;

/// A loaded model.
pub struct Model {
    config: Config,
    tokenizer: Tokenizer,
    /// `[vocabulary, M]`.
    words: Vec<f32>,
    /// `[positions, M]`, the segment's embedding added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<EncoderLayer>,
    digest: String,
}

/// What became of a text.
pub struct Embedding {
    /// The tokens, special ones included.
    pub tokens: Vec<String>,
    /// `[M]`, of length 1.
    pub vector: Vec<f32>,
    /// One per layer.
    pub steps: Vec<Step>,
}

/// One layer on its way.
pub struct Step {
    /// The attention problem, the same in every layer.
    pub problem: Problem,
    /// Queries, keys and values of all heads.
    pub inputs: Inputs,
    /// Time of the attention alone: load, run, store.
    pub attention: Duration,
    /// Time of the whole layer; preparing the backend is in neither.
    pub layer: Duration,
}

impl Model {
    /// Reads `config.json`, `tokenizer.json` and `model.safetensors` in `folder`.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let [config_path, tokenizer_path, weights_path] =
            ["config.json", "tokenizer.json", "model.safetensors"].map(|name| folder.join(name));
        let config: Config =
            serde_json::from_slice(&disk::bytes(&config_path, disk::SMALL)?).map_err(|error| {
                ModelError::Format { path: config_path.clone(), message: error.to_string() }
            })?;
        config.check()?;
        let tokenizer = text::parse(&disk::bytes(&tokenizer_path, disk::LARGE)?)?;
        let bytes = disk::bytes(&weights_path, LARGEST)?;
        let tensors = Tensors::parse(&bytes)
            .map_err(|message| ModelError::Format { path: weights_path, message })?;
        let m = config.hidden_size;
        let table =
            |name: &str, rows| tensors.get(&format!("embeddings.{name}.weight"), &[rows, m]);
        let mut positions = table("position_embeddings", config.max_position_embeddings)?;
        // Texts are single: all tokens are of segment 0 of 2.
        let segments = table("token_type_embeddings", 2)?;
        for row in positions.chunks_exact_mut(m) {
            row.iter_mut().zip(&segments[..m]).for_each(|(x, segment)| *x += segment);
        }
        let layer = |at| EncoderLayer::load(&tensors, &config, at);
        Ok(Model {
            words: table("word_embeddings", config.vocab_size)?,
            positions,
            norm: tensors.norm("embeddings.LayerNorm", m, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
            digest: hex(&Sha256::digest(&bytes)),
            tokenizer,
            config,
        })
    }

    /// SHA-256 of `model.safetensors`, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Layers, heads per layer, width of an embedding.
    pub const fn sizes(&self) -> [usize; 3] {
        let Config { num_hidden_layers, num_attention_heads, hidden_size, .. } = self.config;
        [num_hidden_layers, num_attention_heads, hidden_size]
    }

    /// The embedding of `text`, its attention computed by `engines`.
    pub fn embed(&self, text: &str, engines: Engines<'_>) -> Result<Embedding, ModelError> {
        let Encoded { ids, tokens } = text::encode(&self.tokenizer, text)?;
        let most = self.config.max_position_embeddings;
        if ids.len() > most {
            return Err(ModelError::TooLong { tokens: ids.len(), most });
        }
        let mut x = self.first(&ids)?;
        let problem = encoder::problem(&self.config, ids.len())?;
        let mut steps = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            steps.push(step(layer, &problem, engines, &mut x)?);
        }
        let vector = pooled(&x, self.config.hidden_size).ok_or(ModelError::NoDirection)?;
        Ok(Embedding { tokens, vector, steps })
    }

    /// Word, position and segment, normalised.
    fn first(&self, ids: &[usize]) -> Result<Vec<f32>, ModelError> {
        let m = self.config.hidden_size;
        let mut x = Vec::with_capacity(ids.len() * m);
        for (id, position) in ids.iter().zip(self.positions.chunks_exact(m)) {
            let word = self.words.get(id * m..(id + 1) * m).ok_or_else(|| {
                ModelError::Tokenizer(format!("token {id} of {} words", self.config.vocab_size))
            })?;
            x.extend(word.iter().zip(position).map(|(word, position)| word + position));
        }
        self.norm.apply(&mut x);
        Ok(x)
    }
}

/// One layer: x becomes the next x.
fn step(
    layer: &EncoderLayer,
    problem: &LayerProblem,
    engines: Engines<'_>,
    x: &mut [f32],
) -> Result<Step, ModelError> {
    let mut attention = layer.attention(problem, engines)?;
    let start = Instant::now();
    let inputs = encoder::project(&attention, x)?;
    let projected = Instant::now();
    let mixed = attention.attend(&inputs)?;
    let attended = projected.elapsed();
    layer.finish(&attention, &mixed, x, (engines.projection, engines.exec))?;
    let problem = problem.attention().clone();
    Ok(Step { problem, inputs, attention: attended, layer: start.elapsed() })
}
