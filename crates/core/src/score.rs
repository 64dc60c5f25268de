//! How a query and a key become a score, and the weights that takes.

use serde::{Deserialize, Serialize};

use crate::{Shape, Tensor};

/// The score of a query q (`[D]`) and a key k (`[Dk]`), before the scale:
///
/// ```text
/// scaled-dot    q . k                                        Vaswani et al. 2017, equation 1
/// general       q^T W k                                      Luong et al. 2015, section 3.1
/// additive      w . tanh(W_q^T q + W_k^T k)                  Bahdanau et al. 2015, appendix A.1.2
/// ```
///
/// A matrix that is absent is the identity, a vector `w` that is absent is all ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Score {
    /// Multiplicative, without weights: `D = Dk`.
    #[default]
    ScaledDot,
    /// Multiplicative, with a matrix between query and key.
    General {
        /// `W`, `[1|Hq, D, Dk]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        w: Option<Span>,
    },
    /// A small network of one hidden layer.
    Additive {
        /// Width of the hidden layer, A.
        dim: usize,
        /// `W_q`, `[1|Hq, D, A]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        w_q: Option<Span>,
        /// `W_k`, `[1|Hq, Dk, A]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        w_k: Option<Span>,
        /// `w`, `[1|Hq, A]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        w: Option<Span>,
    },
}

/// Which query heads a weight belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// One for all heads.
    Shared,
    /// One for each query head.
    PerHead,
}

/// The kinds of scores without their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScoreKind {
    /// `q . k`.
    ScaledDot,
    /// `q^T W k`.
    General,
    /// `w . tanh(W_q^T q + W_k^T k)`.
    Additive,
}

impl ScoreKind {
    /// Every kind.
    pub const ALL: [ScoreKind; 3] = [ScoreKind::ScaledDot, ScoreKind::General, ScoreKind::Additive];

    /// As in files: `scaled-dot`.
    pub const fn name(self) -> &'static str {
        match self {
            ScoreKind::ScaledDot => "scaled-dot",
            ScoreKind::General => "general",
            ScoreKind::Additive => "additive",
        }
    }
}

impl Score {
    /// The kind.
    pub const fn kind(self) -> ScoreKind {
        match self {
            Score::ScaledDot => ScoreKind::ScaledDot,
            Score::General { .. } => ScoreKind::General,
            Score::Additive { .. } => ScoreKind::Additive,
        }
    }

    pub(crate) fn is_scaled_dot(&self) -> bool {
        *self == Score::ScaledDot
    }

    /// The same with one span for what is the same: a single head's own weights are shared.
    pub(crate) fn canonical(self, shape: &Shape) -> Self {
        let span = |span: Option<Span>| {
            span.map(|span| if shape.heads_q == 1 { Span::Shared } else { span })
        };
        match self {
            Score::ScaledDot => Score::ScaledDot,
            Score::General { w } => Score::General { w: span(w) },
            Score::Additive { dim, w_q, w_k, w } => {
                Score::Additive { dim, w_q: span(w_q), w_k: span(w_k), w: span(w) }
            }
        }
    }

    /// The terms of its last sum: D, Dk or A.
    pub const fn width(self, shape: &Shape) -> usize {
        match self {
            Score::ScaledDot => shape.dim,
            Score::General { .. } => shape.dim_k(),
            Score::Additive { dim, .. } => dim,
        }
    }

    /// Dimensions of the weights that the score has.
    pub fn weights(self, shape: &Shape) -> ScoreWeights<[usize; 4]> {
        let (d, dk) = (shape.dim, shape.dim_k());
        let dims = |span: Option<Span>, rows, columns| {
            span.map(|span| match span {
                Span::Shared => [1, 1, rows, columns],
                Span::PerHead => [1, shape.heads_q, rows, columns],
            })
        };
        match self {
            Score::ScaledDot => ScoreWeights::default(),
            Score::General { w } => ScoreWeights { w: dims(w, d, dk), ..Default::default() },
            Score::Additive { dim, w_q, w_k, w } => {
                ScoreWeights { w_q: dims(w_q, d, dim), w_k: dims(w_k, dk, dim), w: dims(w, 1, dim) }
            }
        }
    }

    /// The two sizes that a missing matrix asks to be equal, and what would let them differ.
    pub(crate) fn mismatch(self, shape: &Shape) -> Option<[(&'static str, usize); 2]> {
        let (d, dk) = (("dim", shape.dim), ("dim_k", shape.dim_k()));
        let pairs = match self {
            Score::ScaledDot | Score::General { w: None } => vec![[d, dk]],
            Score::General { w: Some(_) } => vec![],
            Score::Additive { dim, w_q, w_k, .. } => {
                let a = ("the score's dim", dim);
                let missing = [(w_q, d), (w_k, dk)].into_iter();
                missing.filter(|(w, _)| w.is_none()).map(|(_, size)| [a, size]).collect()
            }
        };
        pairs.into_iter().find(|[(_, a), (_, b)]| a != b)
    }
}

impl std::fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::fmt::Display for Score {
    /// `general:w`, `additive:A=16,w_q,w_k/h,w`; `/h` where each head has its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |name, span: Option<Span>| {
            span.map(|span| format!("{name}{}", if span == Span::PerHead { "/h" } else { "" }))
        };
        let parts: Vec<String> = match *self {
            Score::ScaledDot => vec![],
            Score::General { w } => name("w", w).into_iter().collect(),
            Score::Additive { dim, w_q, w_k, w } => {
                let weights = [name("w_q", w_q), name("w_k", w_k), name("w", w)];
                std::iter::once(format!("A={dim}")).chain(weights.into_iter().flatten()).collect()
            }
        };
        f.write_str(self.kind().name())?;
        if parts.is_empty() { Ok(()) } else { write!(f, ":{}", parts.join(",")) }
    }
}

/// One value for each weight of a score: tensors, dimensions, slices. `w` alone for the general score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreWeights<T = Tensor> {
    /// Of `W_q`.
    pub w_q: Option<T>,
    /// Of `W_k`.
    pub w_k: Option<T>,
    /// Of `W` or `w`.
    pub w: Option<T>,
}

impl<T> Default for ScoreWeights<T> {
    fn default() -> Self {
        ScoreWeights { w_q: None, w_k: None, w: None }
    }
}

impl<T> ScoreWeights<T> {
    /// Their names in files, in the order of the struct.
    pub const NAMES: [&'static str; 3] = ["w_q", "w_k", "w"];

    /// Borrowed.
    pub const fn as_ref(&self) -> ScoreWeights<&T> {
        let ScoreWeights { w_q, w_k, w } = self;
        ScoreWeights { w_q: w_q.as_ref(), w_k: w_k.as_ref(), w: w.as_ref() }
    }

    /// Each with its name.
    pub fn named(self) -> [(&'static str, Option<T>); 3] {
        let [q, k, w] = Self::NAMES;
        [(q, self.w_q), (k, self.w_k), (w, self.w)]
    }

    /// `f` of each, with its name.
    pub fn map<U>(self, mut f: impl FnMut(&'static str, T) -> U) -> ScoreWeights<U> {
        let [w_q, w_k, w] = self.named().map(|(name, x)| x.map(|x| f(name, x)));
        ScoreWeights { w_q, w_k, w }
    }

    /// Those that both have, in pairs.
    pub fn zip<U>(self, other: ScoreWeights<U>) -> ScoreWeights<(T, U)> {
        ScoreWeights {
            w_q: self.w_q.zip(other.w_q),
            w_k: self.w_k.zip(other.w_k),
            w: self.w.zip(other.w),
        }
    }

    /// `f` of each, or the first error.
    pub fn try_map<U, E>(
        self,
        mut f: impl FnMut(&'static str, T) -> Result<U, E>,
    ) -> Result<ScoreWeights<U>, E> {
        let [w_q, w_k, w] = self.named().map(|(name, x)| x.map(|x| f(name, x)).transpose());
        Ok(ScoreWeights { w_q: w_q?, w_k: w_k?, w: w? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { dim_k: Some(5), ..Shape::square(4, 7, 3) };

    #[test]
    fn weights_have_the_dimensions_of_the_formula() {
        let shared = Some(Span::Shared);
        let general = Score::General { w: Some(Span::PerHead) };
        assert_eq!(
            general.weights(&SHAPE).named().map(|(_, dims)| dims),
            [None, None, Some([1, 4, 3, 5])]
        );
        let additive = Score::Additive { dim: 8, w_q: shared, w_k: shared, w: shared };
        let dims = additive.weights(&SHAPE).named().map(|(_, dims)| dims);
        assert_eq!(dims, [Some([1, 1, 3, 8]), Some([1, 1, 5, 8]), Some([1, 1, 1, 8])]);
        assert_eq!([general, additive].map(|score| score.width(&SHAPE)), [5, 8]);
    }

    #[test]
    fn what_is_absent_is_the_identity_and_asks_for_equal_sizes() {
        let of = |score: Score| score.mismatch(&SHAPE).map(|pair| pair.map(|(name, _)| name));
        assert_eq!(of(Score::ScaledDot), Some(["dim", "dim_k"]));
        assert_eq!(of(Score::General { w: None }), Some(["dim", "dim_k"]));
        assert_eq!(of(Score::General { w: Some(Span::Shared) }), None);
        let additive = |dim, w_q, w_k| of(Score::Additive { dim, w_q, w_k, w: None });
        assert_eq!(additive(3, None, Some(Span::Shared)), None);
        assert_eq!(additive(5, None, Some(Span::Shared)), Some(["the score's dim", "dim"]));
        assert_eq!(additive(3, Some(Span::Shared), None), Some(["the score's dim", "dim_k"]));
        assert_eq!(additive(5, Some(Span::Shared), None), None);
    }

    #[test]
    fn files_without_the_key_mean_scaled_dot_and_others_read_as_they_are_written() {
        let additive = Score::Additive { dim: 8, w_q: None, w_k: Some(Span::PerHead), w: None };
        for score in [Score::ScaledDot, Score::General { w: Some(Span::Shared) }, additive] {
            let json = serde_json::to_string(&score).unwrap();
            assert_eq!(serde_json::from_str::<Score>(&json).unwrap(), score, "{json}");
        }
        let json = serde_json::to_string(&additive).unwrap();
        assert_eq!(json, r#"{"additive":{"dim":8,"w_k":"per-head"}}"#);
        assert!(serde_json::from_str::<Score>(r#"{"general":{"typo":1}}"#).is_err());
        assert_eq!(additive.to_string(), "additive:A=8,w_k/h");
    }
}
