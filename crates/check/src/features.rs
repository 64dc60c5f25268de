//! What a kernel says that it computes: a set of flags.

use std::fmt;
use std::ops::BitOr;

use attn_core::{Alignment, MaskKind, Problem, ProblemSpec, Score};

/// Parts of the semantics beyond the plain ones, joined by `|`.
///
/// Plain, and asked of every kernel, is full attention in its default scale: any number of batches and heads, as many key heads as
/// query heads, any `Nq` and `Nk`, `Dv = D`, and at least one key for every query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Features(u32);

/// Declares the flags with their documentation.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bits:expr, $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Features = Features($bits);)*

        /// Every flag and its name in reports.
        const NAMES: &[(Features, &str)] = &[$(($name, $text)),*];
    };
}

const CAUSAL_MASK: u32 = 1 << 1;
const ALIBI_BIAS: u32 = 1 << 2;
const LEFT_WINDOW: u32 = 1 << 3;

features! {
    /// Fewer key heads than query heads: head `h` reads key head `h / (Hq / Hkv)`.
    GROUPED_HEADS = 1, "grouped heads";
    /// Causal masking where there are as many keys as queries: the alignments are the same.
    CAUSAL = CAUSAL_MASK, "causal";
    /// A bias that grows with the distance; the slopes come with the inputs.
    ALIBI = ALIBI_BIAS, "ALiBi";
    /// A window to the left under causal masking.
    SLIDING_WINDOW = LEFT_WINDOW | CAUSAL_MASK, "sliding window";
    /// Causal masking of any `Nq` and `Nk`, query `i` up to key `i`.
    CAUSAL_TOP_LEFT = CAUSAL_MASK | 1 << 4, "causal top-left";
    /// Causal masking of any `Nq` and `Nk`, the last query up to the last key.
    CAUSAL_BOTTOM_RIGHT = CAUSAL_MASK | 1 << 5, "causal bottom-right";
    /// Causal masking with the diagonal anywhere: query `i` up to key `i + n`.
    CAUSAL_OFFSET = CAUSAL_MASK | 1 << 6, "causal offset";
    /// Windows of any kind: to either side, with or without causal masking.
    WINDOW = LEFT_WINDOW | 1 << 7, "window";
    /// Another scale than `1/sqrt(D)`, 0 and negative ones included.
    SCALE = 1 << 8, "scale";
    /// Scores bounded by `c tanh(x / c)`.
    SOFTCAP = 1 << 9, "softcap";
    /// A boolean mask; its elements come with the inputs.
    BOOL_MASK = 1 << 10, "boolean mask";
    /// A mask that is added to the scores; its elements come with the inputs.
    ADDITIVE_MASK = 1 << 11, "additive mask";
    /// Another number of valid keys for each batch.
    KV_LEN = 1 << 12, "kv_len";
    /// One more logit for each query head, which adds no value; it comes with the inputs.
    SINKS = 1 << 13, "sinks";
    /// The log-sum-exp as a second output.
    LSE = 1 << 14, "lse";
    /// `Dv != D`.
    VALUE_DIM = 1 << 15, "Dv != D";
    /// Queries that admit no key: their output is 0.
    EMPTY_ROWS = 1 << 16, "rows without keys";
    /// The score `q^T W k`; W comes with the inputs.
    GENERAL_SCORE = 1 << 17, "general score";
    /// The score `w . tanh(W_q^T q + W_k^T k)`; the weights come with the inputs.
    ADDITIVE_SCORE = 1 << 18, "additive score";
}

impl Features {
    /// Nothing beyond the plain ones.
    pub const PLAIN: Features = Features(0);
    /// Everything.
    pub const ALL: Features = Features((1 << 19) - 1);
    /// What a kernel cannot compute from q, k and v alone: masks, slopes, sinks, weights of the score.
    pub const OF_INPUTS: Features = Features(
        BOOL_MASK.0 | ADDITIVE_MASK.0 | ALIBI_BIAS | SINKS.0 | GENERAL_SCORE.0 | ADDITIVE_SCORE.0,
    );

    /// What `problem` needs. Whether rows of a mask leave no key depends on its elements, and is not looked at.
    pub fn of(problem: &Problem) -> Self {
        let spec = problem.spec();
        let has = [
            (GROUPED_HEADS, spec.shape.heads_q != spec.shape.heads_kv),
            (CAUSAL, spec.causal.is_some()),
            (diagonal(spec), true),
            (SLIDING_WINDOW, spec.window.is_some() && is_sliding(spec)),
            (WINDOW, spec.window.is_some() && !is_sliding(spec)),
            (ALIBI, spec.alibi),
            (SCALE, spec.scale.is_some()),
            (SOFTCAP, spec.softcap.is_some()),
            (BOOL_MASK, spec.mask.is_some_and(|mask| mask.kind == MaskKind::Bool)),
            (ADDITIVE_MASK, spec.mask.is_some_and(|mask| mask.kind == MaskKind::Additive)),
            (KV_LEN, spec.kv_len.is_some()),
            (SINKS, spec.sinks),
            (LSE, spec.lse),
            (VALUE_DIM, spec.shape.dim_v != spec.shape.dim),
            (EMPTY_ROWS, has_empty_rows(problem)),
            (GENERAL_SCORE, matches!(spec.score, Score::General { .. })),
            (ADDITIVE_SCORE, matches!(spec.score, Score::Additive { .. })),
        ];
        has.into_iter()
            .filter(|(_, needed)| *needed)
            .fold(Features::PLAIN, |all, (one, _)| all | one)
    }

    /// Whether every flag of `other` is among these.
    pub const fn contains(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of these that are not among `other`.
    #[must_use]
    pub const fn without(self, other: Features) -> Self {
        Features(self.0 & !other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every flag with its name.
    pub(crate) fn named() -> impl Iterator<Item = (Features, &'static str)> {
        NAMES.iter().copied()
    }
}

impl BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Features(self.0 | other.0)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Features::named()
            .filter(|(one, _)| self.contains(*one))
            .map(|(_, name)| name)
            .collect();
        f.write_str(&if names.is_empty() { "plain".into() } else { names.join(", ") })
    }
}

/// Whether all that a kernel needs for the window is a length to the left.
fn is_sliding(spec: &ProblemSpec) -> bool {
    spec.causal.is_some()
        && spec.window.is_some_and(|window| matches!(window.right, None | Some(0)))
}

/// The diagonal, as a bit of its own: none where no diagonal matters, or only one is possible.
fn diagonal(spec: &ProblemSpec) -> Features {
    let matters = spec.causal.is_some() || spec.window.is_some() || spec.alibi;
    let alignment = spec.causal.or(spec.align).unwrap_or(Alignment::TopLeft);
    let square = spec.shape.len_q == spec.shape.len_k && spec.kv_len.is_none();
    let of = match alignment {
        _ if !matters => return Features::PLAIN,
        Alignment::TopLeft | Alignment::BottomRight if square => return Features::PLAIN,
        Alignment::TopLeft => CAUSAL_TOP_LEFT,
        Alignment::BottomRight => CAUSAL_BOTTOM_RIGHT,
        Alignment::Offset(_) => CAUSAL_OFFSET,
    };
    of.without(CAUSAL)
}

/// Whether some query admits no key by its position.
fn has_empty_rows(problem: &Problem) -> bool {
    let shape = problem.shape();
    (0..shape.batch).any(|b| (0..shape.len_q).any(|i| problem.admitted(b, i).is_empty()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use attn_core::Feature;

    use super::*;
    use crate::random::draw;

    fn of(text: &str) -> Features {
        Features::of(&Problem::new(text.parse().unwrap()).unwrap())
    }

    #[test]
    fn what_problems_need() {
        for (text, needs) in [
            ("B2 H3 N4x5 D6", Features::PLAIN),
            ("H4/2 N4 D6", GROUPED_HEADS),
            ("N4 D6 causal", CAUSAL),
            ("N4 D6 causal:bottom-right", CAUSAL),
            ("N4x6 D6 causal:top-left", CAUSAL_TOP_LEFT),
            ("N4x6 D6 causal:bottom-right", CAUSAL_BOTTOM_RIGHT),
            ("N6x4 D6 causal:bottom-right", CAUSAL_BOTTOM_RIGHT | EMPTY_ROWS),
            ("N4 D6 causal:offset=1", CAUSAL_OFFSET),
            ("N4 D6 causal:top-left kv-len:4", CAUSAL_TOP_LEFT | KV_LEN),
            ("N4 D6 causal window:2,0", SLIDING_WINDOW),
            ("N4 D6 window:2,1", WINDOW),
            ("N4 D6/3 lse", VALUE_DIM | LSE),
        ] {
            assert_eq!(of(text), needs, "{text}: {}", of(text));
        }
        assert!(!CAUSAL_TOP_LEFT.contains(of("N4x6 D6 causal:bottom-right")));
        assert!(
            WINDOW.contains(of("N4 D6 window:2,1"))
                && !SLIDING_WINDOW.contains(of("N4 D6 window:2,1"))
        );
        assert!((CAUSAL_OFFSET | WINDOW).contains(of("N4 D6 causal:offset=2 window:2,0")));
    }

    /// Whatever is drawn is needed or not as [`Problem::features`] says, and all flags are drawn.
    #[test]
    fn no_feature_of_problems_is_forgotten() {
        let mut seen = Features::PLAIN;
        for number in 0..500 {
            let problem = draw(1, number).0;
            let plain = [Feature::Batch, Feature::KeyDim];
            let told: BTreeSet<Feature> = problem.features().into_iter().collect();
            let asked = told.iter().any(|f| !plain.contains(f) && !matches!(f, Feature::DType(_)));
            let needs = Features::of(&problem);
            let own = EMPTY_ROWS
                | SCALE
                | (CAUSAL_TOP_LEFT | CAUSAL_BOTTOM_RIGHT | CAUSAL_OFFSET).without(CAUSAL);
            assert_eq!(asked, !needs.without(own).is_empty(), "{problem}");
            seen = seen | needs;
        }
        assert_eq!(seen, Features::ALL, "not drawn: {}", Features::ALL.without(seen));
        assert_eq!(
            Features::named().fold(Features::PLAIN, |all, (one, _)| all | one),
            Features::ALL
        );
    }
}
