//! A trained model around interchangeable attention: a BERT encoder that makes sentence embeddings,
//! as published with all-MiniLM-L6-v2.
//!
//! ```text
//! x = norm(word[id] + position[t] + segment[0])                    tokens to embeddings    embed
//! x = norm(x + attention(x)),  x = norm(x + gelu(x A + a) B + b)   every layer             encoder
//! e = mean over tokens of x,  e / |e|                              one vector per text     model
//! ```
//!
//! `attention(x)` is an [`attn_head::Layer`] with biases: the same code as the definition, with any
//! backend. `norm` is a `LayerNorm` with gain and bias, `gelu(x) = x Phi(x)` with the exact erf.
//! Everything is computed in f32; weights may be stored as F32, F16 or BF16.
//!
//! [`Model::load`] reads a folder with `config.json`, `tokenizer.json` and `model.safetensors`, as
//! they are published; truncation and padding that a published tokenizer may ask for are off.
//! [`reference`](mod@reference) holds embeddings that another program computed.
//!
//! ```
//! use attn_core::Exec;
//! use attn_head::Engines;
//! use attn_model::{Model, cosine_distance};
//!
//! let model = Model::load("../../../tests/golden/model/extract".as_ref())?;
//! let engines = || Engines { backend: &attn_naive::Naive, projection: &attn_head::Naive, exec: Exec::SINGLE };
//! let purr = model.embed("Why do cats purr?", engines())?;
//! let again = model.embed("why do cats PURR?", engines())?;
//! assert!(cosine_distance(&purr.vector, &again.vector) < 1e-12); // the model ignores case
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod encoder;
mod error;
mod math;
mod model;
pub mod reference;
mod tensors;
mod text;

pub use error::ModelError;
pub use math::cosine_distance;
pub use model::{Embedding, Model, Step};
