//! Input distributions: what the numbers look like is an axis of testing, not a detail.
//!
//! With i.i.d. inputs the output shrinks like `1/sqrt(N)` and most bugs hide below a fixed tolerance.
//! Each makes one kind of bug visible. `t` below is a standard normal number.

mod weights;

use serde::{Deserialize, Serialize};

use crate::random::Normal;
use crate::{DType, Data, Mask, MaskKind, MaskSpec, Problem, Score, Tensor, reads};
use weights::Weights;

/// How generated inputs are distributed. Part of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputDistribution {
    /// Independent standard normal elements.
    Normal,
    /// q is 60 times as large, and w of an additive score: scores far beyond where `exp` overflows
    /// without the maximum subtracted, arguments of tanh far beyond where `exp(2x)` does.
    LargeLogits,
    /// Every query is aligned with one admitted key, whose score stands 20 above the average. Under an
    /// additive score w is 20 times as large, so that few keys decide.
    Needle,
    /// v is 0 but for one element per row, which tells the row: which key was read is visible.
    OneHotV,
    /// All keys are the same up to `t / 1024`: near-equal scores, biased rounding in long sums.
    NearTies,
    /// Integers from -3 to 3, weights of the score from -1 to 1: products and sums are exact in every
    /// storage type.
    SmallInts,
    /// Scores grow with the key from 0 to 40: an online softmax rescales at every step.
    Rising,
    /// Scores fall with the key from 0 to -40: an online softmax never rescales.
    Falling,
    /// All keys are equal: every weight is `1/n`.
    Flat,
    /// Normal, but what no query reads holds NaN and infinity: rows of k and v that no query admits, rows of q
    /// that admit no key, elements of an additive mask whose keys are excluded by position.
    MaskedPoison,
}

impl InputDistribution {
    /// Every distribution, in the order in which tables list them.
    pub const ALL: [InputDistribution; 10] = [
        InputDistribution::Normal,
        InputDistribution::LargeLogits,
        InputDistribution::Needle,
        InputDistribution::OneHotV,
        InputDistribution::NearTies,
        InputDistribution::SmallInts,
        InputDistribution::Rising,
        InputDistribution::Falling,
        InputDistribution::Flat,
        InputDistribution::MaskedPoison,
    ];

    /// As in case files.
    pub const fn name(self) -> &'static str {
        match self {
            InputDistribution::Normal => "normal",
            InputDistribution::LargeLogits => "large-logits",
            InputDistribution::Needle => "needle",
            InputDistribution::OneHotV => "one-hot-v",
            InputDistribution::NearTies => "near-ties",
            InputDistribution::SmallInts => "small-ints",
            InputDistribution::Rising => "rising",
            InputDistribution::Falling => "falling",
            InputDistribution::Flat => "flat",
            InputDistribution::MaskedPoison => "masked-poison",
        }
    }
}

/// Inputs before rounding.
pub(crate) struct Draft {
    pub(crate) q: Vec<f64>,
    pub(crate) k: Vec<f64>,
    pub(crate) v: Vec<f64>,
    pub(crate) weights: Weights,
    pub(crate) mask: Option<Mask>,
    pub(crate) slopes: Option<Vec<f32>>,
    pub(crate) sinks: Option<Vec<f32>>,
}

/// Largest score of the graded distributions, and the needle's.
const STEEP: f64 = 40.0;
const NEEDLE: f64 = 20.0;
/// Factor of the large logits.
const LARGE: f64 = 60.0;

impl Draft {
    /// The numbers of `distribution`. q, k, v, mask, sinks and each weight come from separate streams.
    pub(crate) fn new(problem: &Problem, distribution: InputDistribution, seed: u64) -> Self {
        let (shape, spec) = (problem.shape(), problem.spec());
        let normal = |stream, dims| normal(seed, stream, dims);
        let heads = [1, 1, 1, shape.heads_q];
        let mut draft = Draft {
            q: normal(0, shape.q()),
            k: normal(1, shape.k()),
            v: normal(2, shape.v()),
            weights: weights::normal(problem, seed),
            mask: generate_mask(problem, seed),
            slopes: spec.alibi.then(|| slopes(shape.heads_q)),
            sinks: spec.sinks.then(|| normal(4, heads).into_iter().map(|x| x as f32).collect()),
        };
        match distribution {
            InputDistribution::Normal => {}
            InputDistribution::LargeLogits => {
                draft.q.iter_mut().for_each(|q| *q *= LARGE);
                draft.amplify_additive(problem, LARGE);
            }
            InputDistribution::Needle => match problem.score() {
                Score::ScaledDot | Score::General { .. } => draft.aim_queries(problem),
                Score::Additive { .. } => draft.amplify_additive(problem, NEEDLE),
            },
            InputDistribution::OneHotV => draft.number_values(problem),
            InputDistribution::NearTies => draft.k.iter_mut().for_each(|k| *k = 1.0 + *k / 1024.0),
            InputDistribution::SmallInts => {
                for x in draft.q.iter_mut().chain(&mut draft.k).chain(&mut draft.v) {
                    *x = (*x * 1.5).round().clamp(-3.0, 3.0);
                }
                draft.whole_weights(problem);
            }
            InputDistribution::Rising => draft.grade_keys(problem, STEEP),
            InputDistribution::Falling => draft.grade_keys(problem, -STEEP),
            InputDistribution::Flat => draft.k.fill(0.5),
            InputDistribution::MaskedPoison => draft.poison(problem),
        }
        draft
    }

    /// `q_i = 20 y / (scale |y|^2)`, `y = W k_j` or `k_j`, for one admitted key j, scattered over the
    /// keys.
    fn aim_queries(&mut self, problem: &Problem) {
        let shape = *problem.shape();
        let mut queries = std::mem::take(&mut self.q);
        for (row, q) in queries.chunks_exact_mut(shape.dim).enumerate() {
            let (head, i) = (row / shape.len_q, row % shape.len_q);
            let (b, h) = (head / shape.heads_q, head % shape.heads_q);
            let mut keys: Vec<usize> = problem.admitted(b, i).collect();
            if let Some(mask) = &self.mask {
                keys.retain(|&j| mask.bias([b, h, i, j]).is_some());
            }
            if keys.is_empty() || problem.scale() == 0.0 {
                continue;
            }
            let j = keys[row.wrapping_mul(0x9E37_79B9) % keys.len()];
            let at = (b * shape.heads_kv + shape.kv_head(h)) * shape.len_k + j;
            let y = self.compared(h, &self.k[at * shape.dim_k()..][..shape.dim_k()]);
            let square: f64 = y.iter().map(|y| y * y).sum();
            let factor = NEEDLE / (problem.scale() * square.max(1e-3));
            q.iter_mut().zip(y).for_each(|(q, y)| *q = factor * y);
        }
        self.q = queries;
    }

    /// Row j of v is `1 + j / Dv` at column `j mod Dv`, negative in odd heads, and 0 elsewhere.
    fn number_values(&mut self, problem: &Problem) {
        let shape = problem.shape();
        for (row, v) in self.v.chunks_exact_mut(shape.dim_v).enumerate() {
            let (head, j) = (row / shape.len_k, row % shape.len_k);
            let sign = if head % 2 == 0 { 1.0 } else { -1.0 };
            v.fill(0.0);
            v[j % shape.dim_v] = sign * (1 + j / shape.dim_v) as f64;
        }
    }

    /// Keys along one direction, queries against it: `s_j = steep j / Nk`, up to a query's own `t / 8`.
    fn grade_keys(&mut self, problem: &Problem, steep: f64) {
        let shape = problem.shape();
        let scale = if problem.scale() == 0.0 { 1.0 } else { problem.scale() };
        let step = steep / (scale * shape.len_k as f64 * shape.dim as f64);
        for (row, k) in self.k.chunks_exact_mut(shape.dim_k()).enumerate() {
            k.fill(step * (row % shape.len_k) as f64);
        }
        self.grade_weights(problem, steep);
        for q in self.q.chunks_exact_mut(shape.dim) {
            let own = 1.0 + (q[0] / 8.0).clamp(-0.5, 0.5);
            q.fill(own);
        }
    }

    /// NaN and infinities where no query reads.
    fn poison(&mut self, problem: &Problem) {
        let shape = problem.shape();
        let queries = reads::queries(problem, self.mask.as_ref());
        let keys = reads::keys(problem, self.mask.as_ref());
        for (tensor, width, read) in [
            (&mut self.q, shape.dim, &queries),
            (&mut self.k, shape.dim_k(), &keys),
            (&mut self.v, shape.dim_v, &keys),
        ] {
            for (row, _) in tensor.chunks_exact_mut(width).zip(read).filter(|(_, read)| !**read) {
                row.iter_mut().enumerate().for_each(|(c, x)| *x = poison(c));
            }
        }
        if let Some(Mask::Additive(mask)) = &mut self.mask {
            let read = reads::mask(problem);
            let values = mask.data().to_f64().into_iter().zip(read).enumerate();
            let values = values.map(|(at, (x, read))| if read { x } else { poison(at) });
            let data = Data::from_f64(mask.dtype(), values);
            *mask = Tensor::new(mask.dims(), data).expect("as many elements as before");
        }
    }
}

/// NaN, infinity and minus infinity in turn.
const fn poison(at: usize) -> f64 {
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][at % 3]
}

fn normal(seed: u64, stream: u64, dims: [usize; 4]) -> Vec<f64> {
    Normal::new(seed, stream).take(dims.iter().product()).collect()
}

/// The mask of a problem that has one, before it is poisoned where no query reads.
pub(crate) fn generate_mask(problem: &Problem, seed: u64) -> Option<Mask> {
    let form = problem.spec().mask?;
    Some(mask(form, problem.dtype(), &normal(seed, 3, form.dims)))
}

/// A mask of the given form: about a third of the keys not admitted if it is boolean, an eighth if
/// it is additive.
fn mask(form: MaskSpec, dtype: DType, normal: &[f64]) -> Mask {
    let dims = form.dims;
    match form.kind {
        MaskKind::Bool => Mask::Bool { dims, admits: normal.iter().map(|&x| x > -0.43).collect() },
        MaskKind::Additive => {
            let bias = |&x: &f64| if x < -1.15 { f64::NEG_INFINITY } else { x };
            let data = Data::from_f64(dtype, normal.iter().map(bias));
            Mask::Additive(Tensor::new(dims, data).expect("one number per element"))
        }
    }
}

/// The slopes of the paper: `2^(-8 (h + 1) / H)` (Press et al. 2022, section 3).
fn slopes(heads: usize) -> Vec<f32> {
    (1..=heads).map(|h| libm::exp2(-8.0 * h as f64 / heads as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alignment, Inputs, ProblemSpec, Shape};

    fn spec(dtype: DType) -> ProblemSpec {
        let shape = Shape { batch: 2, heads_kv: 2, len_k: 9, dim_v: 3, ..Shape::square(4, 5, 8) };
        ProblemSpec { causal: Some(Alignment::TopLeft), ..ProblemSpec::new(shape, dtype) }
    }

    fn problem(dtype: DType) -> Problem {
        Problem::new(spec(dtype)).unwrap()
    }

    fn validate(problem: &Problem, inputs: &Inputs) -> Result<Inputs, crate::InvalidInputs> {
        Inputs::new(problem, inputs.parts().clone())
    }

    #[test]
    fn every_family_makes_valid_inputs_of_its_own() {
        for dtype in DType::ALL {
            let mut digests = std::collections::BTreeSet::new();
            for distribution in InputDistribution::ALL {
                for mask in [None, Some(MaskKind::Bool), Some(MaskKind::Additive)] {
                    let mask = mask.map(|kind| MaskSpec { kind, dims: [1, 4, 5, 9] });
                    let extras = ProblemSpec {
                        mask,
                        alibi: true,
                        sinks: true,
                        kv_len: Some(vec![3, 9]),
                        ..spec(dtype)
                    };
                    let p = Problem::new(extras).unwrap();
                    let inputs = Inputs::generate(&p, distribution, 3);
                    validate(&p, &inputs).unwrap_or_else(|e| panic!("{distribution:?}: {e}"));
                    digests.insert(inputs.digest());
                }
            }
            assert_eq!(digests.len(), 3 * InputDistribution::ALL.len(), "{dtype}");
        }
    }

    #[test]
    fn every_family_makes_valid_inputs_of_every_score() {
        let w = Some(crate::Span::PerHead);
        let (absent, dim_k) = (Score::General { w: None }, Some(6));
        let additive = Score::Additive { dim: 7, w_q: w, w_k: Some(crate::Span::Shared), w };
        for (score, dim_k) in [(absent, None), (Score::General { w }, dim_k), (additive, dim_k)] {
            let base = spec(DType::F16);
            let p = ProblemSpec { score, shape: Shape { dim_k, ..base.shape }, ..base };
            let p = Problem::new(p).unwrap();
            let digests: std::collections::BTreeSet<_> = InputDistribution::ALL
                .map(|distribution| {
                    let inputs = Inputs::generate(&p, distribution, 3);
                    validate(&p, &inputs).unwrap_or_else(|e| panic!("{p}, {distribution:?}: {e}"));
                    inputs.digest()
                })
                .into();
            assert_eq!(digests.len(), InputDistribution::ALL.len(), "{p}");
        }
    }

    #[test]
    fn a_needle_stands_out_through_the_matrix_of_its_head() {
        let general = Score::General { w: Some(crate::Span::PerHead) };
        let shape = Shape { dim_k: Some(5), ..Shape::square(3, 4, 8) };
        let p = ProblemSpec { score: general, ..ProblemSpec::new(shape, DType::F64) };
        let p = Problem::new(p).unwrap();
        let draft = Draft::new(&p, InputDistribution::Needle, 1);
        for h in 0..3 {
            let score = |i: usize, j: usize| {
                let y = draft.compared(h, &draft.k[(h * 4 + j) * 5..][..5]);
                let q = &draft.q[(h * 4 + i) * 8..][..8];
                q.iter().zip(y).map(|(q, y)| q * y).sum::<f64>()
            };
            for i in 0..4 {
                assert!((0..4).any(|j| (score(i, j) - NEEDLE).abs() < 1e-9), "head {h}, row {i}");
            }
        }
    }

    #[test]
    fn poison_lies_only_where_no_query_reads() {
        let finite = |tensor: &Tensor, [b, h]: [usize; 2]| {
            let element = |i| tensor.data().get(tensor.index([b, h, i, 0]));
            (0..tensor.dims()[2]).map(|i| element(i).is_finite()).collect::<Vec<_>>()
        };
        let inputs = Inputs::generate(&problem(DType::F32), InputDistribution::MaskedPoison, 1);
        let [read, not] = [true, false];
        assert_eq!(finite(inputs.k(), [1, 1]), [read, read, read, read, read, not, not, not, not]);
        let causal = Some(Alignment::Offset(-2));
        let mask = Some(MaskSpec { kind: MaskKind::Additive, dims: [1, 1, 5, 1] });
        let late = ProblemSpec { causal, mask, ..spec(DType::F32) };
        let inputs =
            Inputs::generate(&Problem::new(late).unwrap(), InputDistribution::MaskedPoison, 1);
        assert_eq!(finite(inputs.q(), [1, 3]), [not, not, read, read, read]);
        let Some(Mask::Additive(mask)) = inputs.mask() else { panic!("{:?}", inputs.mask()) };
        assert_eq!(finite(mask, [0, 0]), [not, not, read, read, read]);
    }

    #[test]
    fn names_are_those_of_case_files() {
        for distribution in InputDistribution::ALL {
            let json = serde_json::to_string(&distribution).unwrap();
            assert_eq!(json, format!("\"{}\"", distribution.name()));
        }
    }
}
