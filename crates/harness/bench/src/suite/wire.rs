//! A case file as it is written.
//!
//! ```toml
//! analysis = "Why this group exists and what to look for."
//! axis = "len"                                # in a sweep: the size that varies
//! map = { case = "NAME", head = 8 }           # the head whose attention weights a run draws
//!
//! [[case]]
//! name = "causal"                             # the case's path: file path / name / n=256 / f32 / needle
//! shape = { heads = 8, len = [256, 512], dim = 64 }
//! dtype = ["f32", "f64"]                      # one or many
//! inputs = ["normal", "needle"]               # one or many
//! causal = "top-left"
//! timings = ["kernel", "end-to-end"]           # what is timed: kernel, kernel-cold, end-to-end, prepare
//! mask = { kind = "bool", over = ["queries", "keys"] }
//! score = { additive = { w_q = "shared", w_k = "per-head", w = "shared" } }     # or { general = { w = "shared" } }
//! ```
//!
//! `len` is the number of queries and, unless `len_k` is given, of keys; `heads_kv`, `dim_k` and
//! `dim_v` are `heads`, `dim` and `dim` unless they are given. Sizes may be arrays, all of the same length: they vary
//! together, one case for each position. Instead of `shape`, `files` names attn-case files, which
//! state the problem.

use attn_core::{
    Alignment, DType, InputDistribution, MaskKind, MaskSpec, Problem, ProblemSpec, Score, Shape,
    Span, Window,
};
use attn_record::{Axis, Timing};
use serde::Deserialize;

use super::{CaseFile, SuiteError, Tier};
use crate::select::{nearest, quoted};

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireFile {
    #[serde(default)]
    pub(super) analysis: String,
    pub(super) axis: Option<Axis>,
    pub(super) map: Option<WireMap>,
    pub(super) case: Vec<WireCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireMap {
    pub(super) case: String,
    pub(super) head: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
pub(super) struct WireCase {
    pub(super) name: String,
    pub(super) shape: Option<WireShape>,
    pub(super) files: Option<Vec<String>>,
    #[serde(default = "f32")]
    pub(super) dtype: Many<DType>,
    #[serde(default)]
    score: WireScore,
    scale: Option<f64>,
    causal: Option<Alignment>,
    align: Option<Alignment>,
    window: Option<Window>,
    softcap: Option<f64>,
    mask: Option<WireMask>,
    kv_len: Option<Vec<usize>>,
    #[serde(default)]
    alibi: bool,
    #[serde(default)]
    sinks: bool,
    #[serde(default)]
    lse: bool,
    #[serde(default = "normal")]
    pub(super) inputs: Many<InputDistribution>,
    #[serde(default = "one")]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) tier: Tier,
    #[serde(default = "yes")]
    pub(super) measure: bool,
    #[serde(default)]
    pub(super) all_cores: bool,
    #[serde(default = "kernel", alias = "models")]
    pub(super) timings: Vec<Timing>,
}

/// A score as [`Score`] says; the hidden layer of an additive one is as wide as queries unless
/// `dim` is given.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum WireScore {
    #[default]
    ScaledDot,
    General {
        w: Option<Span>,
    },
    Additive {
        dim: Option<usize>,
        w_q: Option<Span>,
        w_k: Option<Span>,
        w: Option<Span>,
    },
}

impl WireScore {
    fn at(self, shape: &Shape) -> Score {
        match self {
            WireScore::ScaledDot => Score::ScaledDot,
            WireScore::General { w } => Score::General { w },
            WireScore::Additive { dim, w_q, w_k, w } => {
                Score::Additive { dim: dim.unwrap_or(shape.dim), w_q, w_k, w }
            }
        }
    }
}

/// A boolean or additive mask and the axes over which it is not broadcast.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMask {
    kind: MaskKind,
    over: Vec<MaskAxis>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum MaskAxis {
    Batch,
    Heads,
    Queries,
    Keys,
}

fn f32() -> Many<DType> {
    Many::One(DType::F32)
}

fn normal() -> Many<InputDistribution> {
    Many::One(InputDistribution::Normal)
}

fn one() -> u64 {
    1
}

fn kernel() -> Vec<Timing> {
    vec![Timing::Kernel]
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireShape {
    #[serde(default = "single")]
    batch: Many<usize>,
    #[serde(default = "single")]
    heads: Many<usize>,
    heads_kv: Option<Many<usize>>,
    len: Many<usize>,
    len_k: Option<Many<usize>>,
    dim: Many<usize>,
    dim_k: Option<Many<usize>>,
    dim_v: Option<Many<usize>>,
}

fn single() -> Many<usize> {
    Many::One(1)
}

/// One value, or several: one case for each.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a value or an array of values")]
pub(super) enum Many<T> {
    One(T),
    Some(Vec<T>),
}

impl<T: Copy> Many<T> {
    pub(super) fn values(&self) -> &[T] {
        match self {
            Many::One(value) => std::slice::from_ref(value),
            Many::Some(values) => values,
        }
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self, Many::Some(_))
    }

    /// The value at a position of the sweep.
    fn at(&self, position: usize) -> T {
        match self {
            Many::One(value) => *value,
            Many::Some(values) => values[position],
        }
    }
}

impl WireFile {
    pub(super) fn parse(file: &CaseFile) -> Result<Self, SuiteError> {
        toml::from_str(&file.text).map_err(|error| malformed(file, &error))
    }
}

/// The error with its line and, for a misspelt key, the keys that look like it.
fn malformed(file: &CaseFile, error: &toml::de::Error) -> SuiteError {
    let at = error.span().map_or(0, |span| span.start);
    let line = file.text[..at].matches('\n').count() + 1;
    let mut message = error.message().replace('\n', " ");
    if let Some((head, valid)) = message.split_once(", expected one of ") {
        let misspelt = head.split('`').nth(1).unwrap_or_default();
        let valid: Vec<_> = valid.split('`').skip(1).step_by(2).collect();
        let nearest = nearest(misspelt, &valid);
        if !nearest.is_empty() {
            message = format!("{head}, nearest: {}", quoted(&nearest));
        }
    }
    SuiteError::Malformed { path: file.path.clone(), line, message }
}

impl WireShape {
    fn sizes(&self) -> [Option<&Many<usize>>; 8] {
        let WireShape { batch, heads, heads_kv, len, len_k, dim, dim_k, dim_v } = self;
        [
            Some(batch),
            Some(heads),
            heads_kv.as_ref(),
            Some(len),
            len_k.as_ref(),
            Some(dim),
            dim_k.as_ref(),
            dim_v.as_ref(),
        ]
    }

    /// How many shapes it is, if its arrays have the same length.
    fn count(&self) -> usize {
        let arrays = self.sizes().into_iter().flatten().find(|sizes| sizes.is_array());
        arrays.map_or(1, |sizes| sizes.values().len())
    }

    /// Every shape with the part of its case's path that tells it from the others.
    pub(super) fn expand(&self) -> Result<Vec<(Shape, Option<String>)>, &'static str> {
        let arrays: Vec<_> = self.sizes().into_iter().flatten().filter(|s| s.is_array()).collect();
        let Some(first) = arrays.first() else {
            return Ok(vec![(self.at(0), None)]);
        };
        let count = first.values().len();
        if count == 0 || arrays.iter().any(|sizes| sizes.values().len() != count) {
            return Err("sizes that are arrays must have the same length, at least 1");
        }
        Ok((0..count).map(|at| (self.at(at), Some(self.label(at)))).collect())
    }

    fn at(&self, position: usize) -> Shape {
        let or = |sizes: &Option<Many<usize>>, other: &Many<usize>| {
            sizes.as_ref().unwrap_or(other).at(position)
        };
        Shape {
            batch: self.batch.at(position),
            heads_q: self.heads.at(position),
            heads_kv: or(&self.heads_kv, &self.heads),
            len_q: self.len.at(position),
            len_k: or(&self.len_k, &self.len),
            dim: self.dim.at(position),
            dim_k: self.dim_k.as_ref().map(|sizes| sizes.at(position)),
            dim_v: or(&self.dim_v, &self.dim),
        }
    }

    /// `n=256`, `n=1x239`, `d=192x128`: the sizes that vary.
    fn label(&self, position: usize) -> String {
        let shape = self.at(position);
        let varies = |sizes: Option<&Many<usize>>| sizes.is_some_and(Many::is_array);
        let pair = |name: &str, a: usize, b: usize| {
            if a == b { format!("{name}={a}") } else { format!("{name}={a}x{b}") }
        };
        let len = varies(Some(&self.len)) || varies(self.len_k.as_ref());
        let length = match (varies(Some(&self.len)), varies(self.len_k.as_ref())) {
            // Decoding: the queries stay, so the keys alone tell the cases apart.
            (false, true) => format!("n={}", shape.len_k),
            _ => pair("n", shape.len_q, shape.len_k),
        };
        let heads = varies(Some(&self.heads)) || varies(self.heads_kv.as_ref());
        let dims = varies(Some(&self.dim)) || varies(self.dim_v.as_ref());
        let labels = [
            varies(Some(&self.batch)).then(|| format!("b={}", shape.batch)),
            heads.then(|| pair("h", shape.heads_q, shape.heads_kv)),
            len.then_some(length),
            dims.then(|| pair("d", shape.dim, shape.dim_v)),
            varies(self.dim_k.as_ref()).then(|| format!("dk={}", shape.dim_k())),
        ];
        labels.into_iter().flatten().collect::<Vec<_>>().join(",")
    }
}

impl WireCase {
    /// How many cases it is.
    pub(super) fn count(&self) -> usize {
        let shapes = self.shape.as_ref().map_or(1, WireShape::count);
        let files = self.files.as_ref().map_or(1, Vec::len);
        let each = [shapes, files, self.dtype.values().len(), self.inputs.values().len()];
        each.into_iter().fold(1, usize::saturating_mul)
    }

    /// What each of its cases has a copy of, in words of memory.
    pub(super) fn words(&self) -> usize {
        self.kv_len.as_ref().map_or(0, Vec::len) + self.timings.len() + self.name.len() / 8
    }

    /// The problem at one shape and in one storage type.
    pub(super) fn problem(
        &self,
        shape: Shape,
        dtype: DType,
    ) -> Result<Problem, attn_core::InvalidProblem> {
        let mask = self.mask.as_ref().map(|mask| {
            let axes = [MaskAxis::Batch, MaskAxis::Heads, MaskAxis::Queries, MaskAxis::Keys];
            let full = shape.scores();
            let dims =
                [0, 1, 2, 3].map(|at| if mask.over.contains(&axes[at]) { full[at] } else { 1 });
            MaskSpec { kind: mask.kind, dims }
        });
        Problem::new(ProblemSpec {
            score: self.score.at(&shape),
            scale: self.scale,
            causal: self.causal,
            align: self.align,
            window: self.window,
            softcap: self.softcap,
            mask,
            kv_len: self.kv_len.clone(),
            alibi: self.alibi,
            sinks: self.sinks,
            lse: self.lse,
            ..ProblemSpec::new(shape, dtype)
        })
    }
}
