//! `attn-engine/1`: a line of JSON each way, on the standard streams of the engine's process.
//!
//! ```text
//! -> {"hello":{"protocol":"attn-engine/1","threads":1}}
//! <- {"hello":{"protocol":"attn-engine/1","library":"torch 2.15.0","isa":"AVX2 (run time)"}}
//! -> {"prepare":{"backend":"torch","file":"/dev/shm/..","tensors":{"q":{"at":0,..},..},..}}
//! <- {"done":0}
//! -> "load"        <- {"done":0}
//! -> {"run":40}    <- {"done":1210345}     nanoseconds of all calls by the engine's clock
//! -> "store"       <- {"done":0}
//! -> "nothing"     <- {"done":0}           to time a request
//! ```
//!
//! To anything that does not work an engine answers `{"failed":"why"}`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The protocol of this revision.
pub const PROTOCOL: &str = "attn-engine/1";

/// What an engine is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// The first line.
    Hello {
        /// [`PROTOCOL`].
        protocol: String,
        /// Threads that may compute, also set in the environment.
        threads: usize,
    },
    /// Do all that depends on the problem alone: allocate, compile, and compute once on zeros where the first call does more than others.
    Prepare(Box<Prepare>),
    /// Take the inputs from the file into tensors of your own.
    Load,
    /// Compute so many times.
    Run(u32),
    /// Write the last result to the file.
    Store,
    /// Answer.
    Nothing,
}

/// A problem, and the file through which its tensors come and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Name of the backend.
    pub backend: String,
    /// Threads that may compute.
    pub threads: usize,
    /// The file; it has its size, and is removed once the answer has come.
    pub file: PathBuf,
    /// Storage type of q, k, v and o: `f64`, `f32`, `bf16` or `f16`.
    pub dtype: String,
    /// Sequences.
    pub batch: usize,
    /// Query heads,
    pub heads_q: usize,
    /// of which `heads_q / heads_kv` neighbours share a head of k and v.
    pub heads_kv: usize,
    /// Queries.
    pub len_q: usize,
    /// Keys.
    pub len_k: usize,
    /// Width of q and k.
    pub dim: usize,
    /// Width of v and o.
    pub dim_v: usize,
    /// Factor on the scores.
    pub scale: f64,
    /// `top-left` or `bottom-right` where query i sees keys up to that on the diagonal, and nothing else excludes any.
    pub causal: Option<String>,
    /// Scores x become `c tanh(x / c)`.
    pub softcap: Option<f64>,
    /// Where each tensor is in the file: `q`, `k`, `v`, and `o`; `bias`, `sinks` and `lse` where there are any.
    pub tensors: BTreeMap<String, Place>,
}

/// A tensor in the file: row-major, little-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Bytes before it: a multiple of 64.
    pub at: u64,
    /// `f64`, `f32`, `bf16`, `f16`, or `bool`: a byte, 1 where a key is admitted.
    pub dtype: String,
    /// Sizes of its axes; a bias is `[1|batch, 1|heads_q, len_q, len_k]`.
    pub dims: Vec<usize>,
}

/// What an engine answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Hello`].
    Hello(Hello),
    /// To all else: nanoseconds of the calls by the engine's own clock, 0 if there were none.
    Done(u64),
    /// To what did not work.
    Failed(String),
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// Name and version.
    pub library: String,
    /// Instruction set, as far as the engine tells.
    pub isa: String,
}
