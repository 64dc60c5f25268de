//! What the kernels compute: a fixed set of problems that together need every feature, for each type and length.
//!
//! Keys are many and queries few (20: a whole tile of 16 and part of another), so that long sequences cost little. The number of
//! keys is N, or one less or more, so that the last tile of keys is partial. Lengths of windows and padding and the
//! position of the diagonal are set so that both ends of every range of keys lie within some tile.

use attn_core::{
    Alignment, DType, InputDistribution, MaskKind, MaskSpec, Problem, ProblemSpec, Score, Shape,
    Span, Window,
};

/// Lengths N of the whole table.
pub const LENGTHS: [usize; 8] = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
/// Seed of the inputs.
pub const SEED: u64 = 1;
/// Queries.
const QUERIES: usize = 20;
/// Longer squares would cost more than everything else.
const LONGEST_SQUARE: usize = 1024;

/// A problem, what its inputs look like, and what else is done with it.
#[derive(Clone, Debug)]
pub struct Statement {
    /// In words.
    pub name: &'static str,
    /// Its N.
    pub n: usize,
    /// `InputDistribution` of its inputs.
    pub distribution: InputDistribution,
    /// The problem.
    pub problem: Problem,
    /// Whether files of second calls are judged too.
    pub second_call: bool,
    /// Whether errors are planted in the honest result: plain full attention.
    pub plain: bool,
}

impl Statement {
    /// Pairs of queries and keys over all heads, masked or not: what it costs.
    pub fn pairs(&self) -> usize {
        self.problem.shape().scores().iter().product()
    }
}

/// All statements of one type and length.
pub fn all(dtype: DType, n: usize) -> Vec<Statement> {
    let of = Of { dtype, n };
    let mut all =
        vec![Statement { plain: true, second_call: true, ..of.plain("full", n) }, of.odd_widths()];
    all.extend(of.causal());
    all.extend(of.windows());
    all.extend(of.padding());
    all.extend(of.masks());
    all.extend(of.scores());
    all.extend(of.extreme_inputs());
    all
}

/// Makes statements of one type and length.
#[derive(Clone, Copy)]
struct Of {
    dtype: DType,
    n: usize,
}

impl Of {
    /// Grouped heads; a value width of its own.
    fn spec(self, keys: usize) -> ProblemSpec {
        let shape = Shape {
            batch: 2,
            heads_q: 4,
            heads_kv: 2,
            len_q: QUERIES,
            len_k: keys,
            dim: 16,
            dim_k: None,
            dim_v: 24,
        };
        ProblemSpec::new(shape, self.dtype)
    }

    fn make(
        self,
        name: &'static str,
        distribution: InputDistribution,
        spec: ProblemSpec,
    ) -> Statement {
        let problem = Problem::new(spec).expect("statements are valid from N = 64 on");
        Statement { name, n: self.n, distribution, problem, second_call: false, plain: false }
    }

    fn normal(self, name: &'static str, spec: ProblemSpec) -> Statement {
        self.make(name, InputDistribution::Normal, spec)
    }

    fn plain(self, name: &'static str, keys: usize) -> Statement {
        self.normal(name, self.spec(keys))
    }

    /// A diagonal in the middle, that crosses from one tile of keys into the next.
    fn middle(self) -> Alignment {
        Alignment::Offset(self.n as i64 / 2 - 10)
    }

    /// Widths that are no multiples of 8, three query heads to a key head, and a single key in the last tile.
    fn odd_widths(self) -> Statement {
        let spec = self.spec(self.n + 1);
        let shape = Shape { batch: 1, heads_q: 6, dim: 21, dim_v: 20, ..spec.shape };
        self.normal("odd widths", ProblemSpec { shape, lse: true, ..spec })
    }

    fn causal(self) -> Vec<Statement> {
        let (n, causal) = (self.n, |alignment| Some(alignment));
        let one_less = self.spec(n - 1);
        // As wide values as keys: one may be taken for the other.
        let shape = Shape { dim_v: 16, ..one_less.shape };
        let bottom_right = causal(Alignment::BottomRight);
        let mut all = vec![
            self.normal(
                "causal, bottom-right",
                ProblemSpec { shape, causal: bottom_right, ..one_less },
            ),
            self.normal(
                "causal, top-left",
                ProblemSpec { causal: causal(Alignment::TopLeft), ..self.spec(n) },
            ),
            self.normal(
                "causal, offset",
                ProblemSpec { causal: causal(self.middle()), ..self.spec(n) },
            ),
        ];
        all.extend((n <= LONGEST_SQUARE).then(|| self.square()));
        all
    }

    /// As many queries as keys, with a mask for each pair, in a narrow band.
    fn square(self) -> Statement {
        let spec = self.spec(self.n);
        let shape = Shape { batch: 1, heads_q: 2, heads_kv: 1, len_q: self.n, ..spec.shape };
        let mask = Some(bool_mask([1, 1, self.n, self.n]));
        let window = Some(Window { left: Some(40), right: None });
        let causal = Some(Alignment::TopLeft);
        self.normal("square", ProblemSpec { shape, mask, window, causal, ..spec })
    }

    fn windows(self) -> Vec<Statement> {
        let n = self.n as u64;
        let window = |left, right| Some(Window { left: Some(left), right });
        let narrow = ProblemSpec {
            causal: Some(self.middle()),
            window: window(8, None),
            lse: true,
            ..self.spec(self.n)
        };
        let wide = ProblemSpec {
            causal: Some(Alignment::BottomRight),
            window: window(n / 2, None),
            kv_len: Some(vec![self.n, self.n - 9]),
            ..self.spec(self.n)
        };
        let both = ProblemSpec {
            align: Some(self.middle()),
            window: window(n / 4, Some(n / 8)),
            ..self.spec(self.n - 1)
        };
        vec![
            self.normal("causal, window of 8", narrow),
            self.normal("causal, window of N/2", wide),
            self.normal("window of N/4 and N/8", both),
        ]
    }

    /// One batch has fewer valid keys than queries: rows without keys.
    fn padding(self) -> Vec<Statement> {
        let half = self.n / 2 + 7;
        let short = ProblemSpec {
            causal: Some(Alignment::BottomRight),
            kv_len: Some(vec![self.n - 7, 11]),
            lse: true,
            ..self.spec(self.n)
        };
        let long = ProblemSpec { kv_len: Some(vec![self.n - 2, half]), ..self.spec(self.n - 1) };
        vec![
            self.make("padding, poisoned", InputDistribution::MaskedPoison, short),
            self.normal("padding", long),
        ]
    }

    fn masks(self) -> Vec<Statement> {
        let n = self.n;
        let per_batch =
            ProblemSpec { mask: Some(bool_mask([2, 1, QUERIES, n - 1])), ..self.spec(n - 1) };
        let per_head = ProblemSpec { mask: Some(bool_mask([1, 4, 1, n])), ..self.spec(n) };
        let added = ProblemSpec {
            mask: Some(additive_mask([1, 4, QUERIES, n - 1])),
            scale: Some(0.4),
            lse: true,
            ..self.spec(n - 1)
        };
        let poisoned = ProblemSpec {
            mask: Some(additive_mask([2, 1, 1, n])),
            kv_len: Some(vec![n, n - 9]),
            ..self.spec(n)
        };
        vec![
            self.normal("boolean mask [2,1,20,N]", per_batch),
            self.normal("boolean mask [1,4,1,N]", per_head),
            self.normal("additive mask [1,4,20,N]", added),
            self.make(
                "additive mask [2,1,1,N], poisoned",
                InputDistribution::MaskedPoison,
                poisoned,
            ),
        ]
    }

    /// What changes scores: softcap, ALiBi, sinks, weights.
    fn scores(self) -> Vec<Statement> {
        let n = self.n;
        let w = Some(Span::PerHead);
        let capped = ProblemSpec {
            softcap: Some(2.0),
            alibi: true,
            align: Some(self.middle()),
            mask: Some(bool_mask([1, 1, QUERIES, n])),
            ..self.spec(n)
        };
        let sinks = ProblemSpec {
            causal: Some(Alignment::BottomRight),
            alibi: true,
            sinks: true,
            lse: true,
            ..self.spec(n - 1)
        };
        let only_sinks = ProblemSpec { sinks: true, lse: true, ..self.spec(n) };
        let general = ProblemSpec { score: Score::General { w }, ..self.spec(n) };
        let additive = Score::Additive { dim: 8, w_q: w, w_k: w, w };
        let additive = ProblemSpec { score: additive, ..self.spec(n - 1) };
        vec![
            self.normal("softcap, ALiBi, boolean mask", capped),
            self.normal("ALiBi, sinks, causal", sinks),
            Statement { second_call: true, ..self.normal("sinks", only_sinks) },
            self.normal("general score", general),
            self.normal("additive score", additive),
        ]
    }

    /// Inputs without which some mistakes do not show.
    fn extreme_inputs(self) -> Vec<Statement> {
        let n = self.n;
        let shared = Some(Span::Shared);
        let additive = Score::Additive { dim: 4, w_q: shared, w_k: shared, w: shared };
        let additive = ProblemSpec { score: additive, ..self.spec(n) };
        let negative = ProblemSpec { scale: Some(-0.3), ..self.spec(n) };
        let large = InputDistribution::LargeLogits;
        vec![
            self.make("large logits", large, ProblemSpec { lse: true, ..self.spec(n - 1) }),
            self.make("large logits, negative scale", large, negative),
            self.make("large logits, additive score", large, additive),
            self.make("needle", InputDistribution::Needle, self.spec(n)),
        ]
    }
}

const fn bool_mask(dims: [usize; 4]) -> MaskSpec {
    MaskSpec { kind: MaskKind::Bool, dims }
}

const fn additive_mask(dims: [usize; 4]) -> MaskSpec {
    MaskSpec { kind: MaskKind::Additive, dims }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use attn_core::Feature;

    use super::*;

    #[test]
    fn together_they_need_every_feature_at_every_length() {
        for n in LENGTHS {
            let all = all(DType::F32, n);
            let features: BTreeSet<Feature> =
                all.iter().flat_map(|statement| statement.problem.features()).collect();
            // All but keys of another width than queries; both matrices of a score are square here, so that they may be confused.
            assert!(!features.contains(&Feature::KeyDim));
            assert_eq!(features.len(), 15, "{features:?}");
            let names: BTreeSet<_> = all.iter().map(|statement| statement.name).collect();
            assert_eq!(names.len(), all.len());
        }
    }
}
