//! From a text to tokens: the published tokenizer, whole texts, no padding.

use tokenizers::Tokenizer;

use crate::ModelError;

/// Tokens and their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) ids: Vec<usize>,
    pub(crate) tokens: Vec<String>,
}

/// Reads `tokenizer.json` and switches off what it says about truncation and padding: both change
/// the embedding, and the latter the cost of attention.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tokenizer, ModelError> {
    let failed = |error: tokenizers::Error| ModelError::Tokenizer(error.to_string());
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
    tokenizer.with_truncation(None).map_err(failed)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// The tokens of `text`, special ones included.
pub(crate) fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Encoded, ModelError> {
    let encoding = tokenizer.encode(text, true);
    let encoding = encoding.map_err(|error| ModelError::Tokenizer(error.to_string()))?;
    let ids = encoding.get_ids().iter().map(|&id| id as usize).collect();
    Ok(Encoded { ids, tokens: encoding.get_tokens().to_vec() })
}
