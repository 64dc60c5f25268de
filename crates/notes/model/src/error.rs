//! Why a model was not loaded or run.

use std::path::PathBuf;

use attn_head::LayerError;
use attn_record::disk::FileError;

/// A model's files are not what they should be, or a text does not fit.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not in its format.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The configuration asks for something that this encoder does not compute.
    #[error("config.json: {key} is {found}, expected {expected}")]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is computed.
        expected: String,
    },
    /// A tensor is missing or has another size.
    #[error("model.safetensors: {tensor} {problem}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tokenizer failed.
    #[error("tokenizer.json: {0}")]
    Tokenizer(String),
    /// The text is longer than the model's positions.
    #[error("the text has {tokens} tokens, expected at most {most}: shorten it")]
    TooLong {
        /// Tokens, special ones included.
        tokens: usize,
        /// Positions of the model.
        most: usize,
    },
    /// The embedding is zero or not finite.
    #[error(
        "the embedding of the text is zero or not finite, expected a direction: are these the weights of a trained model?"
    )]
    NoDirection,
    /// The attention failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Another product failed.
    #[error(transparent)]
    Backend(#[from] attn_core::BackendError),
}
