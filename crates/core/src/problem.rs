//! What is to be computed, validated once.

mod band;
mod notation;
mod validity;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub(crate) use band::{Band, Counted};
pub use validity::InvalidProblem;

use crate::{DType, Feature, Score, ScoreWeights, Shape, Unsupported};

/// Where the diagonal of a causal mask lies when `len_q != len_k`.
///
/// The diagonal of query row `i` is `diag(i) = i + offset`; causal attention admits the keys
/// `j <= diag(i)`. The two conventions in use differ whenever the lengths do, so there is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// `offset = 0`: the first query sees the first key (PyTorch's `is_causal`, ONNX without a cache).
    TopLeft,
    /// `offset = keys - len_q`, keys the valid ones of the batch: the last query sees the last key (FlashAttention >= 2.1, ONNX with a cache).
    BottomRight,
    /// `offset = n`: n keys lie before the first query (a KV cache); may be negative.
    Offset(i64),
}

impl Alignment {
    /// The offset of the diagonal for the given numbers of queries and valid keys.
    pub const fn offset(self, len_q: usize, keys: usize) -> i64 {
        match self {
            Alignment::TopLeft => 0,
            Alignment::BottomRight => keys as i64 - len_q as i64,
            Alignment::Offset(n) => n,
        }
    }
}

/// Keys near the diagonal: `diag - left <= j <= diag + right`, inclusive, either side open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Keys before the diagonal; absent means all.
    pub left: Option<u64>,
    /// Keys after the diagonal; absent means all. Causal masking caps it at 0.
    pub right: Option<u64>,
}

/// Whether a mask's elements are booleans or are added to the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskKind {
    /// True admits the key.
    Bool,
    /// Added to the score; -inf does not admit the key.
    Additive,
}

/// The form of a mask; its elements are [`Inputs`](crate::Inputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSpec {
    /// Boolean or additive.
    pub kind: MaskKind,
    /// `[1|B, 1|Hq, 1|Nq, 1|Nk]`: an axis of size 1 is broadcast.
    pub dims: [usize; 4],
}

/// A problem as people and files state it; [`Problem::new`] makes it one that can be computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemSpec {
    /// Sizes.
    pub shape: Shape,
    /// Storage of q, k, v and the output.
    pub dtype: DType,
    /// How a query and a key become a score; absent means scaled-dot.
    #[serde(default, skip_serializing_if = "Score::is_scaled_dot")]
    pub score: Score,
    /// Factor on the score; absent means `1/sqrt(dim)` for scaled-dot and 1 for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Causal masking and its alignment; absent means that every key is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<Alignment>,
    /// The diagonal of windows and ALiBi where `causal` is absent; absent means top-left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub align: Option<Alignment>,
    /// Keys near the diagonal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Scores `x` become `c tanh(x / c)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softcap: Option<f64>,
    /// The form of the mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskSpec>,
    /// Valid keys of each batch; the rest is padding that may hold anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_len: Option<Vec<usize>>,
    /// Whether `slope[h] |diag - j|` is subtracted from the scores.
    #[serde(default, skip_serializing_if = "is_false")]
    pub alibi: bool,
    /// Whether one more logit per query head takes part in the softmax.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sinks: bool,
    /// Whether the log-sum-exp of every row is asked for as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lse: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl ProblemSpec {
    /// Full attention with the default scale.
    pub const fn new(shape: Shape, dtype: DType) -> Self {
        ProblemSpec {
            shape,
            dtype,
            score: Score::ScaledDot,
            scale: None,
            causal: None,
            align: None,
            window: None,
            softcap: None,
            mask: None,
            kv_len: None,
            alibi: false,
            sinks: false,
            lse: false,
        }
    }
}

/// One attention problem:
///
/// ```text
/// O = softmax(cap(scale * score(Q, K)) + bias, over admitted keys) V
/// ```
///
/// with `score(Q, K) = Q K^T` unless the problem has another [`Score`]; per batch `b` and query head `h`, with key/value head `h / (heads_q / heads_kv)`. In this order:
/// scale; softcap `c tanh(x / c)`; ALiBi `- slope[h] |diag(b, i) - j|` and the additive mask;
/// admission (causal, window, `kv_len`, boolean mask, -inf); softmax, with the sink as one more logit
/// that adds no value. A row that admits no key is exactly 0. Every `Problem` in existence is valid.
///
/// ```
/// use attn_core::{Alignment, DType, Problem, ProblemSpec, Shape};
///
/// let spec = ProblemSpec {
///     causal: Some(Alignment::TopLeft),
///     ..ProblemSpec::new(Shape::square(12, 128, 64), DType::F32)
/// };
/// let problem = Problem::new(spec)?;
/// assert_eq!(problem.scale(), 0.125);
/// assert_eq!(problem.admitted(0, 3), 0..4);
/// # Ok::<(), attn_core::InvalidProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ProblemSpec", into = "ProblemSpec")]
pub struct Problem {
    spec: ProblemSpec,
}

impl Problem {
    /// Checks what the types cannot.
    pub fn new(mut spec: ProblemSpec) -> Result<Self, InvalidProblem> {
        // One problem has one statement.
        spec.shape.dim_k = spec.shape.dim_k.filter(|&dim_k| dim_k != spec.shape.dim);
        spec.score = spec.score.canonical(&spec.shape);
        validity::check(&spec)?;
        Ok(Problem { spec })
    }

    /// Sizes.
    pub const fn shape(&self) -> &Shape {
        &self.spec.shape
    }

    /// Storage of q, k, v and the output.
    pub const fn dtype(&self) -> DType {
        self.spec.dtype
    }

    /// How a query and a key become a score.
    pub const fn score(&self) -> Score {
        self.spec.score
    }

    /// Dimensions of the weights of the score.
    pub fn score_weights(&self) -> ScoreWeights<[usize; 4]> {
        self.spec.score.weights(&self.spec.shape)
    }

    /// Bytes of q, k, v and the weights of the score together.
    pub fn operand_bytes(&self) -> u64 {
        let shape = self.shape();
        let weights = self.score_weights().named().into_iter().filter_map(|(_, dims)| dims);
        let tensors = [shape.q(), shape.k(), shape.v()].into_iter().chain(weights);
        let elements: usize = tensors.map(|dims| dims.iter().product::<usize>()).sum();
        (elements * self.dtype().size()) as u64
    }

    /// The factor on the score, default applied.
    pub fn scale(&self) -> f64 {
        self.spec.scale.unwrap_or_else(|| match self.spec.score {
            Score::ScaledDot => 1.0 / (self.spec.shape.dim as f64).sqrt(),
            Score::General { .. } | Score::Additive { .. } => 1.0,
        })
    }

    /// Causal masking, if any.
    pub const fn causal(&self) -> Option<Alignment> {
        self.spec.causal
    }

    /// The bound `c` of the scores, if any.
    pub const fn softcap(&self) -> Option<f64> {
        self.spec.softcap
    }

    /// The statement that this problem was made from.
    pub const fn spec(&self) -> &ProblemSpec {
        &self.spec
    }

    /// Valid keys of batch `b`: the others are padding.
    pub fn keys(&self, b: usize) -> usize {
        self.spec.kv_len.as_ref().map_or(self.spec.shape.len_k, |lengths| lengths[b])
    }

    /// The diagonal of query row `i`: the key that causal masking, windows and ALiBi count from.
    pub fn diagonal(&self, b: usize, i: usize) -> i64 {
        let alignment = self.spec.causal.or(self.spec.align).unwrap_or(Alignment::TopLeft);
        (i as i64).saturating_add(alignment.offset(self.spec.shape.len_q, self.keys(b)))
    }

    /// The keys that query row `i` of batch `b` admits by position, in every head; a mask may take
    /// some of them away.
    pub fn admitted(&self, b: usize, i: usize) -> Range<usize> {
        self.band(b).row(i)
    }

    /// The smallest range that holds every key of batch `b` that some query row admits by position.
    pub fn used_keys(&self, b: usize) -> Range<usize> {
        self.band(b).counted().keys
    }

    /// What the rows of batch `b` admit by position.
    pub(crate) fn band(&self, b: usize) -> Band {
        Band::new(self, b)
    }

    /// Whether scores change once they are scaled: by a softcap, ALiBi or an additive mask.
    pub fn changes_scores(&self) -> bool {
        let additive = self.spec.mask.is_some_and(|mask| mask.kind == MaskKind::Additive);
        self.softcap().is_some() || self.spec.alibi || additive
    }

    /// The parts of the semantics that this problem needs.
    pub fn features(&self) -> Vec<Feature> {
        let ProblemSpec { shape, dtype, score, causal, window, softcap, mask, kv_len, .. } =
            &self.spec;
        let has = [
            (Feature::DType(*dtype), true),
            (Feature::Score(score.kind()), *score != Score::ScaledDot),
            (Feature::KeyDim, shape.dim_k() != shape.dim),
            (Feature::Batch, shape.batch > 1),
            (Feature::GroupedHeads, shape.heads_q != shape.heads_kv),
            (Feature::ValueDim, shape.dim_v != shape.dim),
            (Feature::Causal, causal.is_some()),
            (Feature::Window, window.is_some()),
            (Feature::Softcap, softcap.is_some()),
            (Feature::BoolMask, mask.is_some_and(|m| m.kind == MaskKind::Bool)),
            (Feature::AdditiveMask, mask.is_some_and(|m| m.kind == MaskKind::Additive)),
            (Feature::KvLen, kv_len.is_some()),
            (Feature::Alibi, self.spec.alibi),
            (Feature::Sinks, self.spec.sinks),
            (Feature::Lse, self.spec.lse),
        ];
        has.into_iter().filter(|(_, needed)| *needed).map(|(feature, _)| feature).collect()
    }
}

impl Problem {
    /// Refuses whatever is not `known`: what a backend does not know it does not compute.
    pub fn needs_only(&self, known: impl Fn(Feature) -> bool) -> Result<(), Unsupported> {
        let unknown = self.features().into_iter().find(|&feature| !known(feature));
        let why = "this backend does not know it";
        unknown.map_or(Ok(()), |feature| Err(Unsupported { feature, why }))
    }

    /// The problem in one line for people: `B2 H4 N65 D40 f32, causal none, scale 1/sqrt(40)`.
    pub fn statement(&self) -> String {
        let ProblemSpec { shape, dtype, causal, align, window, softcap, mask, kv_len, .. } =
            &self.spec;
        let diagonal = |alignment: Alignment| match alignment {
            Alignment::TopLeft => "top-left".to_string(),
            Alignment::BottomRight => "bottom-right".to_string(),
            Alignment::Offset(n) => format!("offset {n}"),
        };
        let side = |keys: Option<u64>| keys.map_or("all".to_string(), |n| n.to_string());
        let scale = match (self.spec.scale, self.spec.score) {
            (Some(scale), _) => format!("scale {scale}"),
            (None, Score::ScaledDot) => format!("scale 1/sqrt({})", shape.dim),
            (None, _) => "scale 1".to_string(),
        };
        let score =
            (self.spec.score != Score::ScaledDot).then(|| format!("{} score", self.spec.score));
        let mask = mask.map(|MaskSpec { kind, dims: [b, h, i, j] }| {
            let kind = if kind == MaskKind::Bool { "boolean" } else { "additive" };
            format!("{kind} mask [{b},{h},{i},{j}]")
        });
        let parts = [
            Some(format!("{shape} {dtype}")),
            score,
            Some(format!("causal {}", causal.map_or("none".to_string(), diagonal))),
            align.map(|align| format!("diagonal {}", diagonal(align))),
            window.map(|Window { left, right }| {
                format!("window {} to the left, {} to the right", side(left), side(right))
            }),
            Some(scale),
            softcap.map(|cap| format!("softcap {cap}")),
            mask,
            kv_len.as_ref().map(|lengths| format!("kv_len {lengths:?}")),
            self.spec.alibi.then(|| "ALiBi".to_string()),
            self.spec.sinks.then(|| "sinks".to_string()),
            self.spec.lse.then(|| "with lse".to_string()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl TryFrom<ProblemSpec> for Problem {
    type Error = InvalidProblem;

    fn try_from(spec: ProblemSpec) -> Result<Self, InvalidProblem> {
        Problem::new(spec)
    }
}

impl From<Problem> for ProblemSpec {
    fn from(problem: Problem) -> Self {
        problem.spec
    }
}

impl std::fmt::Display for Problem {
    /// `B1 H12 N128 D64 f32 general:w causal:top-left window:4,0 softcap:30 bool-mask kv-len alibi sinks lse`; with `{:#}` also
    /// the scale, where it is not the default, and the valid keys of each batch, so that it is read again as the same problem.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ProblemSpec { shape, dtype, causal, align, window, softcap, mask, .. } = &self.spec;
        write!(f, "{shape} {dtype}")?;
        if self.spec.score != Score::ScaledDot {
            write!(f, " {}", self.spec.score)?;
        }
        for (name, alignment) in [("causal", causal), ("align", align)] {
            match alignment {
                None => {}
                Some(Alignment::TopLeft) => write!(f, " {name}:top-left")?,
                Some(Alignment::BottomRight) => write!(f, " {name}:bottom-right")?,
                Some(Alignment::Offset(n)) => write!(f, " {name}:offset={n}")?,
            }
        }
        if let Some(Window { left, right }) = window {
            let side = |keys: &Option<u64>| keys.map_or("*".to_string(), |n| n.to_string());
            write!(f, " window:{},{}", side(left), side(right))?;
        }
        if let Some(softcap) = softcap {
            write!(f, " softcap:{softcap}")?;
        }
        if let Some(MaskSpec { kind, dims: [b, h, i, j] }) = mask {
            let kind = match kind {
                MaskKind::Bool => "bool",
                MaskKind::Additive => "additive",
            };
            write!(f, " {kind}-mask:{b}x{h}x{i}x{j}")?;
        }
        if let Some(scale) = self.spec.scale.filter(|_| f.alternate()) {
            write!(f, " scale:{scale}")?;
        }
        if let Some(kv_len) = &self.spec.kv_len {
            write!(f, " kv-len")?;
            if f.alternate() {
                let lengths: Vec<String> = kv_len.iter().map(ToString::to_string).collect();
                write!(f, ":{}", lengths.join(","))?;
            }
        }
        let flags =
            [("alibi", self.spec.alibi), ("sinks", self.spec.sinks), ("lse", self.spec.lse)];
        flags.iter().filter(|(_, on)| *on).try_for_each(|(name, _)| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests;
