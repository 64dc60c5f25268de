//! What is to be computed, validated once.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{DType, Shape};

/// Where the diagonal of a causal mask lies when `len_q != len_k`.
///
/// The diagonal of query row `i` is `diag(i) = i + offset`; causal attention admits the keys
/// `j <= diag(i)`. The two conventions in use differ whenever the lengths do, so there is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// `offset = 0`: the first query sees the first key (PyTorch's `is_causal`, ONNX without a cache).
    TopLeft,
    /// `offset = len_k - len_q`: the last query sees the last key (FlashAttention >= 2.1, ONNX with a cache).
    BottomRight,
    /// `offset = n`: n keys lie before the first query (a KV cache); may be negative.
    Offset(i64),
}

impl Alignment {
    /// The offset of the diagonal for the given lengths.
    pub const fn offset(self, shape: &Shape) -> i64 {
        match self {
            Alignment::TopLeft => 0,
            Alignment::BottomRight => shape.len_k as i64 - shape.len_q as i64,
            Alignment::Offset(n) => n,
        }
    }
}

/// A problem as people and files state it; [`Problem::new`] makes it one that can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemSpec {
    /// Sizes.
    pub shape: Shape,
    /// Storage of q, k, v and the output.
    pub dtype: DType,
    /// Factor on `q . k`; absent means `1/sqrt(dim)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Causal masking and its alignment; absent means every key is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<Alignment>,
}

impl ProblemSpec {
    /// Full attention with the default scale.
    pub const fn new(shape: Shape, dtype: DType) -> Self {
        ProblemSpec {
            shape,
            dtype,
            scale: None,
            causal: None,
        }
    }
}

/// Why a [`ProblemSpec`] states no problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidProblem {
    /// A size is zero.
    #[error("{size} is 0, expected at least 1")]
    ZeroSize {
        /// Field of [`Shape`].
        size: &'static str,
    },
    /// Query heads cannot be shared out evenly.
    #[error("heads_kv = {heads_kv} does not divide heads_q = {heads_q}")]
    Heads {
        /// Query heads.
        heads_q: usize,
        /// Key and value heads.
        heads_kv: usize,
    },
    /// The scale is NaN or infinite.
    #[error("scale = {scale}, expected a finite number")]
    Scale {
        /// As given.
        scale: f64,
    },
    /// A tensor or the score matrix would not fit any machine.
    #[error("the shape {shape} has more than 2^40 elements in one tensor")]
    TooLarge {
        /// As given.
        shape: Shape,
    },
}

/// One attention problem:
///
/// ```text
/// O = softmax(scale * Q K^T, over admitted keys) V
/// ```
///
/// per batch `b` and query head `h`, with key/value head `h / (heads_q / heads_kv)`. A row that
/// admits no key is exactly 0. Every `Problem` in existence is valid.
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
/// assert_eq!(problem.admitted(3), 0..4);
/// # Ok::<(), attn_core::InvalidProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ProblemSpec", into = "ProblemSpec")]
pub struct Problem {
    spec: ProblemSpec,
}

impl Problem {
    /// Checks what the types cannot.
    pub fn new(spec: ProblemSpec) -> Result<Self, InvalidProblem> {
        let shape = spec.shape;
        if let Some((size, _)) = shape.named().into_iter().find(|(_, n)| *n == 0) {
            return Err(InvalidProblem::ZeroSize { size });
        }
        if !shape.heads_q.is_multiple_of(shape.heads_kv) {
            let Shape {
                heads_q, heads_kv, ..
            } = shape;
            return Err(InvalidProblem::Heads { heads_q, heads_kv });
        }
        if let Some(scale) = spec.scale.filter(|s| !s.is_finite()) {
            return Err(InvalidProblem::Scale { scale });
        }
        let scores = [shape.batch, shape.heads_q, shape.len_q, shape.len_k];
        let tensors = [shape.q(), shape.k(), shape.v(), shape.out(), scores];
        if !tensors.iter().all(fits) {
            return Err(InvalidProblem::TooLarge { shape });
        }
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

    /// The factor on `q . k`, default applied.
    pub fn scale(&self) -> f64 {
        self.spec
            .scale
            .unwrap_or_else(|| 1.0 / (self.spec.shape.dim as f64).sqrt())
    }

    /// Causal masking, if any.
    pub const fn causal(&self) -> Option<Alignment> {
        self.spec.causal
    }

    /// The statement that this problem was made from.
    pub const fn spec(&self) -> &ProblemSpec {
        &self.spec
    }

    /// The keys that query row `i` admits, in every batch and head.
    pub fn admitted(&self, i: usize) -> Range<usize> {
        let shape = &self.spec.shape;
        let end = match self.spec.causal {
            None => shape.len_k,
            Some(alignment) => {
                let diagonal = (i as i64).saturating_add(alignment.offset(shape));
                usize::try_from(diagonal.saturating_add(1))
                    .unwrap_or(0)
                    .min(shape.len_k)
            }
        };
        0..end
    }

    /// The keys that some query row admits; rows of k and v outside it are never read.
    pub fn used_keys(&self) -> Range<usize> {
        self.admitted(self.spec.shape.len_q - 1)
    }
}

fn fits(dims: &[usize; 4]) -> bool {
    dims.iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .is_some_and(|n| n <= 1 << 40)
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
    /// `B1 H12 N128 D64 f32 causal:top-left`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.spec.shape, self.spec.dtype)?;
        match self.spec.causal {
            None => Ok(()),
            Some(Alignment::TopLeft) => f.write_str(" causal:top-left"),
            Some(Alignment::BottomRight) => f.write_str(" causal:bottom-right"),
            Some(Alignment::Offset(n)) => write!(f, " causal:offset={n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causal(len_q: usize, len_k: usize, alignment: Alignment) -> Problem {
        let shape = Shape {
            len_q,
            len_k,
            ..Shape::square(1, 1, 4)
        };
        let causal = Some(alignment);
        Problem::new(ProblemSpec {
            causal,
            ..ProblemSpec::new(shape, DType::F32)
        })
        .unwrap()
    }

    fn row_lengths(problem: &Problem) -> Vec<usize> {
        (0..problem.shape().len_q)
            .map(|i| problem.admitted(i).len())
            .collect()
    }

    #[test]
    fn alignments_differ_where_the_lengths_do() {
        assert_eq!(row_lengths(&causal(2, 5, Alignment::TopLeft)), [1, 2]);
        assert_eq!(row_lengths(&causal(2, 5, Alignment::BottomRight)), [4, 5]);
        assert_eq!(row_lengths(&causal(4, 2, Alignment::TopLeft)), [1, 2, 2, 2]);
        assert_eq!(
            row_lengths(&causal(4, 2, Alignment::BottomRight)),
            [0, 0, 1, 2]
        );
        assert_eq!(row_lengths(&causal(3, 3, Alignment::Offset(-2))), [0, 0, 1]);
        assert_eq!(row_lengths(&causal(3, 3, Alignment::Offset(7))), [3, 3, 3]);
    }

    #[test]
    fn extreme_offsets_do_not_overflow() {
        assert_eq!(
            row_lengths(&causal(2, 2, Alignment::Offset(i64::MAX))),
            [2, 2]
        );
        assert_eq!(
            row_lengths(&causal(2, 2, Alignment::Offset(i64::MIN))),
            [0, 0]
        );
    }

    #[test]
    fn used_keys_stop_where_the_last_row_stops() {
        assert_eq!(causal(2, 5, Alignment::TopLeft).used_keys(), 0..2);
        assert_eq!(causal(2, 5, Alignment::BottomRight).used_keys(), 0..5);
    }

    #[test]
    fn invalid_specs_are_refused_with_the_field_that_is_wrong() {
        let good = ProblemSpec::new(Shape::square(4, 8, 16), DType::F64);
        let with = |shape: Shape| Problem::new(ProblemSpec { shape, ..good }).unwrap_err();
        let zero = with(Shape {
            len_k: 0,
            ..good.shape
        });
        assert_eq!(zero, InvalidProblem::ZeroSize { size: "len_k" });
        let heads = with(Shape {
            heads_kv: 3,
            ..good.shape
        });
        assert_eq!(
            heads,
            InvalidProblem::Heads {
                heads_q: 4,
                heads_kv: 3
            }
        );
        let large = Shape {
            batch: usize::MAX,
            ..good.shape
        };
        assert!(matches!(with(large), InvalidProblem::TooLarge { .. }));
        for scale in [f64::NAN, f64::INFINITY] {
            let spec = ProblemSpec {
                scale: Some(scale),
                ..good
            };
            assert!(matches!(
                Problem::new(spec),
                Err(InvalidProblem::Scale { .. })
            ));
        }
    }

    #[test]
    fn serialises_as_its_spec_and_validates_on_the_way_back() {
        let problem = causal(2, 5, Alignment::Offset(-3));
        let json = serde_json::to_string(&problem).unwrap();
        assert!(json.contains(r#""causal":{"offset":-3}"#), "{json}");
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
        let broken = json.replace(r#""heads_kv":1"#, r#""heads_kv":0"#);
        let error = serde_json::from_str::<Problem>(&broken)
            .unwrap_err()
            .to_string();
        assert!(error.contains("heads_kv is 0"), "{error}");
    }
}
