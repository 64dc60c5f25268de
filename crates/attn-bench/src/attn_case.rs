//! The file format attn-case/1: one problem with its tensors, as a `.safetensors` file.
//!
//! Tensors `q [B,Hq,Nq,D]`, `k [B,Hkv,Nk,D]`, `v [B,Hkv,Nk,Dv]` in one type (F32 or F64), and under
//! the metadata key `attn_case` a JSON string:
//!
//! ```json
//! {"schema":"attn-case/1","score":"scaled-dot","scale":null,"causal":null,"align":null,
//!  "window":null,"softcap":null,"out":null,"tokens":{"q":["a"],"k":["a"]},"source":null}
//! ```
//!
//! Absent keys are null. `causal` is null, `"top-left"`, `"bottom-right"` or `{"offset":n}`. Parts of
//! the format that this version does not compute (`align`, `window`, `softcap`, `out`, other scores,
//! other tensors) are refused by name, never ignored.

use std::collections::HashMap;

use attn_core::{
    Alignment, DType, Data, Inputs, InvalidInputs, InvalidProblem, Problem, ProblemSpec, Shape,
    Tensor,
};
use safetensors::{Dtype as FileType, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

/// A parsed file.
#[derive(Clone, Debug, PartialEq)]
pub struct AttnCase {
    /// The problem that shapes and metadata state.
    pub problem: Problem,
    /// q, k and v.
    pub inputs: Inputs,
    /// Labels of the rows of q and k, if given.
    pub tokens: Option<Tokens>,
    /// Where the numbers come from.
    pub source: Option<String>,
}

/// One label per row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Of q.
    pub q: Vec<String>,
    /// Of k and v.
    pub k: Vec<String>,
}

impl Tokens {
    fn fit(&self, shape: &Shape) -> Result<(), FormatError> {
        let (found, want) = ([self.q.len(), self.k.len()], [shape.len_q, shape.len_k]);
        if found == want {
            return Ok(());
        }
        let [q, k] = found;
        let [queries, keys] = want;
        let message = format!("{q} and {k} tokens for {queries} queries and {keys} keys");
        Err(FormatError::Metadata(message))
    }
}

/// Why bytes are not an attn-case/1 file.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not safetensors: truncated, or a header that lies.
    #[error("not a safetensors file: {0}")]
    Container(String),
    /// The metadata key is missing, not JSON or not this schema.
    #[error("metadata `attn_case`: {0}")]
    Metadata(String),
    /// A part of the format that this version does not compute.
    #[error("`{0}` is not supported by this version")]
    Unsupported(String),
    /// A tensor is missing.
    #[error("tensor `{0}` is missing")]
    Missing(&'static str),
    /// A tensor is not what was expected.
    #[error("tensor `{tensor}` is {found}, expected {expected}")]
    Tensor {
        /// Its name.
        tensor: &'static str,
        /// Type and dimensions.
        found: String,
        /// What fits.
        expected: &'static str,
    },
    /// The shapes state no problem.
    #[error("{0}")]
    Problem(#[from] InvalidProblem),
    /// The tensors do not fit the problem.
    #[error("{0}")]
    Inputs(#[from] InvalidInputs),
}

/// The metadata. Keys that this version cannot compute must be null.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    schema: String,
    score: String,
    scale: Option<f64>,
    causal: Option<Alignment>,
    align: Option<serde_json::Value>,
    window: Option<serde_json::Value>,
    softcap: Option<serde_json::Value>,
    out: Option<serde_json::Value>,
    tokens: Option<Tokens>,
    source: Option<String>,
}

const SCHEMA: &str = "attn-case/1";
const KEY: &str = "attn_case";
const NAMES: [&str; 3] = ["q", "k", "v"];

impl AttnCase {
    /// Parses and validates a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let container =
            |error: safetensors::SafeTensorError| FormatError::Container(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(container)?;
        let text = header.metadata().as_ref().and_then(|map| map.get(KEY));
        let text = text.ok_or_else(|| FormatError::Metadata("missing".into()))?;
        let metadata = Metadata::parse(text)?;
        let file = SafeTensors::deserialize(bytes).map_err(container)?;
        let mut names = file.names();
        names.sort_unstable();
        if let Some(unknown) = names.iter().find(|name| !NAMES.contains(name)) {
            return Err(FormatError::Unsupported(format!("tensor {unknown}")));
        }
        let [q, k, v] = NAMES.map(|name| tensor(&file, name));
        let (q, k, v) = (q?, k?, v?);
        let problem = metadata.problem(&q, &k, &v)?;
        let inputs = Inputs::new(&problem, q, k, v)?;
        let Metadata { tokens, source, .. } = metadata;
        if let Some(tokens) = &tokens {
            tokens.fit(problem.shape())?;
        }
        Ok(AttnCase {
            problem,
            inputs,
            tokens,
            source,
        })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let metadata = Metadata {
            schema: SCHEMA.into(),
            score: "scaled-dot".into(),
            scale: self.problem.spec().scale,
            causal: self.problem.causal(),
            align: None,
            window: None,
            softcap: None,
            out: None,
            tokens: self.tokens.clone(),
            source: self.source.clone(),
        };
        let json = serde_json::to_string(&metadata).expect("strings and numbers are JSON");
        let tensors = [self.inputs.q(), self.inputs.k(), self.inputs.v()];
        let bytes = tensors.map(|tensor| tensor.data().to_le_bytes());
        let views = NAMES
            .iter()
            .zip(tensors)
            .zip(&bytes)
            .map(|((name, tensor), bytes)| {
                let dtype = match tensor.dtype() {
                    DType::F32 => FileType::F32,
                    DType::F64 => FileType::F64,
                };
                let view = TensorView::new(dtype, tensor.dims().to_vec(), bytes);
                (*name, view.expect("the bytes are those of the tensor"))
            });
        let map = HashMap::from([(KEY.to_string(), json)]);
        safetensors::serialize(views, Some(map)).expect("three tensors and a string")
    }
}

impl Metadata {
    fn parse(text: &str) -> Result<Self, FormatError> {
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| FormatError::Metadata(error.to_string()))?;
        if metadata.schema != SCHEMA {
            let found = metadata.schema;
            return Err(FormatError::Metadata(format!(
                "schema `{found}`, expected `{SCHEMA}`"
            )));
        }
        if metadata.score != "scaled-dot" {
            return Err(FormatError::Unsupported(format!(
                "score {}",
                metadata.score
            )));
        }
        let Metadata {
            align,
            window,
            softcap,
            out,
            ..
        } = &metadata;
        let others = [
            ("align", align),
            ("window", window),
            ("softcap", softcap),
            ("out", out),
        ];
        match others.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(FormatError::Unsupported((*name).into())),
            None => Ok(metadata),
        }
    }

    fn problem(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Problem, FormatError> {
        let [batch, heads_q, len_q, dim] = q.dims();
        let [_, heads_kv, len_k, _] = k.dims();
        let [_, _, _, dim_v] = v.dims();
        let shape = Shape {
            batch,
            heads_q,
            heads_kv,
            len_q,
            len_k,
            dim,
            dim_v,
        };
        let spec = ProblemSpec {
            shape,
            dtype: q.dtype(),
            scale: self.scale,
            causal: self.causal,
        };
        Ok(Problem::new(spec)?)
    }
}

fn tensor(file: &SafeTensors<'_>, name: &'static str) -> Result<Tensor, FormatError> {
    let view = file.tensor(name).map_err(|_| FormatError::Missing(name))?;
    let wrong = |expected| FormatError::Tensor {
        tensor: name,
        found: format!("{:?} {:?}", view.dtype(), view.shape()),
        expected,
    };
    let dims: [usize; 4] = view
        .shape()
        .try_into()
        .map_err(|_| wrong("four dimensions"))?;
    let dtype = match view.dtype() {
        FileType::F32 => DType::F32,
        FileType::F64 => DType::F64,
        _ => return Err(wrong("F32 or F64")),
    };
    let data = Data::from_le_bytes(dtype, view.data());
    let tensor = data.and_then(|data| Tensor::new(dims, data).ok());
    tensor.ok_or_else(|| wrong("as many bytes as its dimensions need"))
}

#[cfg(test)]
mod tests {
    use attn_core::Family;
    use proptest::prelude::*;

    use super::*;

    fn sample() -> AttnCase {
        let shape = Shape {
            heads_kv: 1,
            len_k: 4,
            dim_v: 5,
            ..Shape::square(2, 3, 2)
        };
        let causal = Some(Alignment::BottomRight);
        let spec = ProblemSpec {
            causal,
            ..ProblemSpec::new(shape, DType::F64)
        };
        let problem = Problem::new(spec).unwrap();
        let inputs = Inputs::generate(&problem, Family::Normal, 1);
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect();
        let tokens = Some(Tokens {
            q: names(3),
            k: names(4),
        });
        AttnCase {
            problem,
            inputs,
            tokens,
            source: Some("a test".into()),
        }
    }

    fn with_metadata(json: &str) -> Vec<u8> {
        let bytes = [0u8; 4];
        let view = || TensorView::new(FileType::F32, vec![1, 1, 1, 1], &bytes).unwrap();
        let map = HashMap::from([(KEY.to_string(), json.to_string())]);
        safetensors::serialize(NAMES.map(|name| (name, view())), Some(map)).unwrap()
    }

    fn message(json: &str) -> String {
        AttnCase::parse(&with_metadata(json))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn round_trips() {
        let case = sample();
        assert_eq!(AttnCase::parse(&case.to_bytes()).unwrap(), case);
    }

    #[test]
    fn absent_keys_are_null() {
        let json = r#"{"schema":"attn-case/1","score":"scaled-dot"}"#;
        assert!(AttnCase::parse(&with_metadata(json)).is_ok());
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_name() {
        let base = r#"{"schema":"attn-case/1","score":"scaled-dot""#;
        assert_eq!(
            message(&format!(r#"{base},"softcap":30.0}}"#)),
            "`softcap` is not supported by this version"
        );
        assert!(message(&format!(r#"{base},"typo":1}}"#)).contains("unknown field `typo`"));
        assert!(
            message(r#"{"schema":"attn-case/1","score":"additive"}"#).contains("score additive")
        );
        assert!(
            message(r#"{"schema":"attn-case/9","score":"scaled-dot"}"#).contains("attn-case/9")
        );
        let tokens = message(&format!(r#"{base},"tokens":{{"q":["a","b"],"k":["a"]}}}}"#));
        assert!(
            tokens.contains("2 and 1 tokens for 1 queries and 1 keys"),
            "{tokens}"
        );
    }

    #[test]
    fn a_header_that_claims_gigabytes_is_refused_at_once() {
        let mut bytes = sample().to_bytes();
        bytes[..8].copy_from_slice(&(2u64 << 30).to_le_bytes());
        let error = AttnCase::parse(&bytes).unwrap_err().to_string();
        assert!(error.starts_with("not a safetensors file"), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = sample().to_bytes();
        for len in 0..bytes.len() {
            assert!(AttnCase::parse(&bytes[..len]).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn flipped_bytes_never_panic(at in 0usize..600, to in any::<u8>()) {
            let mut bytes = sample().to_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = AttnCase::parse(&bytes);
        }
    }
}
