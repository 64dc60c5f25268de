//! Reading and writing.

use std::collections::HashMap;

use attn_core::{
    Alignment, ClaimArithmetic, DType, Format, InputParts, Inputs, InvalidInputs, InvalidProblem,
    Mask, Problem, ProblemSpec, Score, Shape, Tensor, Window,
};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::tensors::{Encoded, File};
use super::{AttnCase, Claim, Tokens, Tolerance, score};

/// The arithmetic of a claim as a file declares it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    scores: Option<Format>,
    weights: Option<Format>,
    sums: Option<DType>,
}

impl Declared {
    /// With what is assumed where nothing is declared.
    fn complete(self, problem: &Problem) -> Result<ClaimArithmetic, FormatError> {
        let assumed = ClaimArithmetic::assumed(problem.dtype());
        if self.scores == Some(Format::Int8) && problem.score() != Score::ScaledDot {
            let message = "arithmetic.scores int8 is for scaled-dot scores";
            return Err(FormatError::Metadata(message.into()));
        }
        if self.weights == Some(Format::Int8) {
            let message = "arithmetic.weights int8, expected f64, f32, tf32, bf16 or f16";
            return Err(FormatError::Metadata(message.into()));
        }
        Ok(ClaimArithmetic {
            scores: self.scores.unwrap_or(assumed.scores),
            weights: self.weights.unwrap_or(assumed.weights),
            sums: self.sums.unwrap_or(assumed.sums),
        })
    }
}

impl From<ClaimArithmetic> for Declared {
    fn from(arithmetic: ClaimArithmetic) -> Self {
        let ClaimArithmetic { scores, weights, sums } = arithmetic;
        Declared { scores: Some(scores), weights: Some(weights), sums: Some(sums) }
    }
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
    /// A tensor that the format does not know.
    #[error("unknown tensor `{found}`, expected only {expected}")]
    Unknown {
        /// Its name.
        found: String,
        /// All names.
        expected: String,
    },
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
        expected: String,
    },
    /// The shapes state no problem.
    #[error(transparent)]
    Problem(#[from] InvalidProblem),
    /// The tensors do not fit the problem.
    #[error(transparent)]
    Inputs(#[from] InvalidInputs),
}

/// Refuses lists where an object with named fields belongs: they would be taken in the order of the fields.
fn named_fields(text: &str) -> Result<(), FormatError> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| FormatError::Metadata(error.to_string()))?;
    let names = ["window", "out", "arithmetic", "tokens"];
    let list = |value: &serde_json::Value| value.is_array();
    if list(&json) {
        return Err(FormatError::Metadata("a list, expected an object".into()));
    }
    match names.into_iter().find(|name| json.get(name).is_some_and(list)) {
        None => Ok(()),
        Some(name) => {
            Err(FormatError::Metadata(format!("{name} is a list, expected an object or null")))
        }
    }
}

/// The metadata as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    schema: String,
    score: String,
    scale: Option<f64>,
    causal: Option<Alignment>,
    align: Option<Alignment>,
    window: Option<Window>,
    softcap: Option<f64>,
    out: Option<Tolerance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arithmetic: Option<Declared>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lse_base: Option<f64>,
    /// Written where the problem asks for an lse that is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lse: bool,
    tokens: Option<Tokens>,
    source: Option<String>,
}

/// What tensors are called.
const TENSORS: [&str; 12] =
    ["q", "k", "v", "w_q", "w_k", "w", "mask", "kv_len", "alibi_slopes", "sinks", "out", "lse"];

const SCHEMA: &str = "attn-case/1";
const KEY: &str = "attn_case";

impl AttnCase {
    /// Parses and validates a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let container =
            |error: safetensors::SafeTensorError| FormatError::Container(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(container)?;
        let text = header.metadata().as_ref().and_then(|map| map.get(KEY));
        let text = text.ok_or_else(|| FormatError::Metadata("missing".into()))?;
        let metadata = Metadata::parse(text)?;
        let file = File::new(SafeTensors::deserialize(bytes).map_err(container)?, &TENSORS)?;
        let kind = score::kind(&metadata.score)?;
        let parts = InputParts {
            q: file.required("q")?,
            k: file.required("k")?,
            v: file.required("v")?,
            weights: score::weights(&file, kind)?,
            mask: file.mask()?,
            slopes: file.floats("alibi_slopes")?,
            sinks: file.floats("sinks")?,
        };
        let lse = file.log_sum_exp()?;
        let score = score::score(kind, &parts);
        let problem =
            metadata.problem(&parts, score, file.kv_len()?, lse.is_some() || metadata.lse)?;
        let inputs = Inputs::new(&problem, parts)?;
        let claim = metadata.claim(file.optional("out")?, lse, &problem)?;
        let Metadata { tokens, source, .. } = metadata;
        if let Some(tokens) = &tokens {
            tokens.fit(problem.shape())?;
        }
        Ok(AttnCase { problem, inputs, claim, tokens, source })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (spec, inputs) = (self.problem.spec(), &self.inputs);
        let metadata = Metadata {
            schema: SCHEMA.into(),
            score: spec.score.kind().name().into(),
            scale: spec.scale,
            causal: spec.causal,
            align: spec.align,
            window: spec.window,
            softcap: spec.softcap,
            out: self.claim.as_ref().and_then(|claim| claim.tolerance),
            arithmetic: self.claim.as_ref().and_then(|claim| claim.arithmetic).map(Declared::from),
            lse_base: self.claim.as_ref().filter(|claim| claim.lse_base_two).map(|_| 2.0),
            lse: spec.lse && self.claim.as_ref().is_none_or(|claim| claim.lse.is_none()),
            tokens: self.tokens.clone(),
            source: self.source.clone(),
        };
        let mut tensors = Encoded::default();
        tensors.tensor("q", inputs.q());
        tensors.tensor("k", inputs.k());
        tensors.tensor("v", inputs.v());
        score::encode(inputs.weights(), spec.score.kind(), &mut tensors);
        match inputs.mask() {
            None => {}
            Some(Mask::Additive(tensor)) => tensors.tensor("mask", tensor),
            Some(Mask::Bool { dims, admits }) => tensors.booleans("mask", *dims, admits),
        }
        if let Some(kv_len) = &spec.kv_len {
            tensors.integers("kv_len", kv_len);
        }
        for (name, values) in [("alibi_slopes", inputs.slopes()), ("sinks", inputs.sinks())] {
            if let Some(values) = values {
                tensors.floats(name, values);
            }
        }
        let claim = self.claim.as_ref();
        if let Some(out) = claim.and_then(|claim| claim.out.as_ref()) {
            tensors.tensor("out", out);
        }
        if let Some(lse) = claim.and_then(|claim| claim.lse.as_ref()) {
            tensors.shaped("lse", lse, lse.dims()[..3].to_vec());
        }
        let json = serde_json::to_string(&metadata).expect("strings and numbers are JSON");
        tensors.into_bytes(HashMap::from([(KEY.to_string(), json)]))
    }
}

impl Claim {
    fn fit(&self, problem: &Problem) -> Result<(), FormatError> {
        let (own, out) = (problem.dtype(), problem.shape().out());
        if let Some(found) = &self.out {
            let fits = found.dims() == out && [own, DType::F32].contains(&found.dtype());
            let types = if own == DType::F32 { "f32".into() } else { format!("{own} or f32") };
            expect(fits, "out", found, 4, || format!("{types} {out:?}"))?;
        }
        if let Some(lse) = &self.lse {
            let [batch, heads, len, _] = out;
            let dtype = attn_core::lse_dtype(own);
            let fits = (lse.dtype(), lse.dims()) == (dtype, [batch, heads, len, 1]);
            expect(fits, "lse", lse, 3, || format!("{dtype} {:?}", [batch, heads, len]))?;
        }
        Ok(())
    }
}

/// Refuses `found`, of which so many axes are in the file, unless it fits.
fn expect(
    fits: bool,
    tensor: &'static str,
    found: &Tensor,
    rank: usize,
    expected: impl Fn() -> String,
) -> Result<(), FormatError> {
    let text = || format!("{} {:?}", found.dtype(), &found.dims()[..rank]);
    let wrong = || FormatError::Tensor { tensor, found: text(), expected: expected() };
    if fits { Ok(()) } else { Err(wrong()) }
}

impl Metadata {
    fn parse(text: &str) -> Result<Self, FormatError> {
        named_fields(text)?;
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| FormatError::Metadata(error.to_string()))?;
        if metadata.schema != SCHEMA {
            let found = metadata.schema;
            return Err(FormatError::Metadata(format!("schema `{found}`, expected `{SCHEMA}`")));
        }
        let broken = |t: &Tolerance| !(t.rtol >= 0.0 && t.atol >= 0.0);
        if metadata.out.as_ref().is_some_and(broken) {
            let message = "out.rtol and out.atol must be numbers from 0 up";
            return Err(FormatError::Metadata(message.into()));
        }
        if let Some(base) = metadata.lse_base.filter(|&base| base != 2.0) {
            let message = format!("lse_base {base}, expected 2, or null for natural logarithms");
            return Err(FormatError::Metadata(message));
        }
        Ok(metadata)
    }

    /// What the file claims, if anything.
    fn claim(
        &self,
        out: Option<Tensor>,
        lse: Option<Tensor>,
        problem: &Problem,
    ) -> Result<Option<Claim>, FormatError> {
        if out.is_none() && lse.is_none() {
            return Ok(None);
        }
        let arithmetic = self.arithmetic.map(|declared| declared.complete(problem)).transpose()?;
        let lse_base_two = self.lse_base.is_some();
        let claim = Claim { out, lse, lse_base_two, tolerance: self.out, arithmetic };
        claim.fit(problem)?;
        Ok(Some(claim))
    }

    fn problem(
        &self,
        parts: &InputParts,
        score: Score,
        kv_len: Option<Vec<usize>>,
        lse: bool,
    ) -> Result<Problem, FormatError> {
        let [batch, heads_q, len_q, dim] = parts.q.dims();
        let [_, heads_kv, len_k, dim_k] = parts.k.dims();
        let [_, _, _, dim_v] = parts.v.dims();
        let dim_k = Some(dim_k);
        let shape = Shape { batch, heads_q, heads_kv, len_q, len_k, dim, dim_k, dim_v };
        Ok(Problem::new(ProblemSpec {
            score,
            scale: self.scale,
            causal: self.causal,
            align: self.align,
            window: self.window,
            softcap: self.softcap,
            mask: parts.mask.as_ref().map(Mask::spec),
            kv_len,
            alibi: parts.slopes.is_some(),
            sinks: parts.sinks.is_some(),
            lse,
            ..ProblemSpec::new(shape, parts.q.dtype())
        })?)
    }
}

#[cfg(test)]
mod tests;
