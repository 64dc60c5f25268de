//! Input families: what the numbers look like is an axis of testing, not a detail.
//!
//! With i.i.d. inputs the output shrinks like `1/sqrt(N)` and most bugs hide below a fixed tolerance.
//! Each family makes one kind of bug visible. `t` below is a standard normal number.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Problem;
use crate::random::Normal;

/// How generated inputs are distributed. Part of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Independent standard normal elements.
    Normal,
    /// q is 60 times as large: scores far beyond where `exp` overflows without the maximum subtracted.
    LargeLogits,
    /// Every query is aligned with one admitted key, whose score stands 20 above the average.
    Needle,
    /// v is 0 but for one element per row, which tells the row: which key was read is visible.
    OneHotV,
    /// All keys are the same up to `t / 1024`: near-equal scores, biased rounding in long sums.
    NearTies,
    /// Integers from -3 to 3: products and sums are exact in every storage type.
    SmallInts,
    /// Scores grow with the key from 0 to 40: an online softmax rescales at every step.
    Rising,
    /// Scores fall with the key from 0 to -40: an online softmax never rescales.
    Falling,
    /// All keys are equal: every weight is `1/n`.
    Flat,
    /// Normal, but rows of k and v that no query admits hold NaN and infinity.
    MaskedPoison,
}

impl Family {
    /// Every family, in the order in which tables list them.
    pub const ALL: [Family; 10] = [
        Family::Normal,
        Family::LargeLogits,
        Family::Needle,
        Family::OneHotV,
        Family::NearTies,
        Family::SmallInts,
        Family::Rising,
        Family::Falling,
        Family::Flat,
        Family::MaskedPoison,
    ];

    /// As in case files.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Normal => "normal",
            Family::LargeLogits => "large-logits",
            Family::Needle => "needle",
            Family::OneHotV => "one-hot-v",
            Family::NearTies => "near-ties",
            Family::SmallInts => "small-ints",
            Family::Rising => "rising",
            Family::Falling => "falling",
            Family::Flat => "flat",
            Family::MaskedPoison => "masked-poison",
        }
    }
}

/// q, k and v before rounding.
pub(crate) struct Draft {
    pub(crate) q: Vec<f64>,
    pub(crate) k: Vec<f64>,
    pub(crate) v: Vec<f64>,
}

/// Largest score of the graded families, and the needle's.
const STEEP: f64 = 40.0;
const NEEDLE: f64 = 20.0;

impl Draft {
    /// The numbers of `family`. q, k and v come from three separate streams.
    pub(crate) fn new(problem: &Problem, family: Family, seed: u64) -> Self {
        let shape = problem.shape();
        let normal = |stream, dims: [usize; 4]| {
            Normal::new(seed, stream)
                .take(dims.iter().product())
                .collect::<Vec<_>>()
        };
        let mut draft = Draft {
            q: normal(0, shape.q()),
            k: normal(1, shape.k()),
            v: normal(2, shape.v()),
        };
        match family {
            Family::Normal => {}
            Family::LargeLogits => draft.q.iter_mut().for_each(|q| *q *= 60.0),
            Family::Needle => draft.aim_queries(problem),
            Family::OneHotV => draft.number_values(problem),
            Family::NearTies => draft.k.iter_mut().for_each(|k| *k = 1.0 + *k / 1024.0),
            Family::SmallInts => {
                for x in draft.q.iter_mut().chain(&mut draft.k).chain(&mut draft.v) {
                    *x = (*x * 1.5).round().clamp(-3.0, 3.0);
                }
            }
            Family::Rising => draft.grade_keys(problem, STEEP),
            Family::Falling => draft.grade_keys(problem, -STEEP),
            Family::Flat => draft.k.fill(0.5),
            Family::MaskedPoison => draft.poison(problem),
        }
        draft
    }

    /// `q_i = 20 k_j / (scale |k_j|^2)` for one admitted key j, scattered over the keys.
    fn aim_queries(&mut self, problem: &Problem) {
        let shape = *problem.shape();
        for (row, q) in self.q.chunks_exact_mut(shape.dim).enumerate() {
            let (head, i) = (row / shape.len_q, row % shape.len_q);
            let (b, h) = (head / shape.heads_q, head % shape.heads_q);
            let keys = problem.admitted(i);
            if keys.is_empty() || problem.scale() == 0.0 {
                continue;
            }
            let j = keys.start + (row.wrapping_mul(0x9E37_79B9) + h) % keys.len();
            let at = (b * shape.heads_kv + shape.kv_head(h)) * shape.len_k + j;
            let k = &self.k[at * shape.dim..][..shape.dim];
            let square: f64 = k.iter().map(|k| k * k).sum();
            let factor = NEEDLE / (problem.scale() * square.max(1e-3));
            q.iter_mut().zip(k).for_each(|(q, k)| *q = factor * k);
        }
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
        let scale = if problem.scale() == 0.0 {
            1.0
        } else {
            problem.scale()
        };
        let step = steep / (scale * shape.len_k as f64 * shape.dim as f64);
        for (row, k) in self.k.chunks_exact_mut(shape.dim).enumerate() {
            k.fill(step * (row % shape.len_k) as f64);
        }
        for q in self.q.chunks_exact_mut(shape.dim) {
            let own = 1.0 + (q[0] / 8.0).clamp(-0.5, 0.5);
            q.fill(own);
        }
    }

    /// NaN and infinities where no query reads.
    fn poison(&mut self, problem: &Problem) {
        let shape = problem.shape();
        let used: Range<usize> = problem.used_keys();
        for (tensor, width) in [(&mut self.k, shape.dim), (&mut self.v, shape.dim_v)] {
            for (row, values) in tensor.chunks_exact_mut(width).enumerate() {
                if !used.contains(&(row % shape.len_k)) {
                    let poison = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
                    values
                        .iter_mut()
                        .enumerate()
                        .for_each(|(c, x)| *x = poison[c % 3]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alignment, DType, Inputs, ProblemSpec, Shape};

    fn problem(dtype: DType) -> Problem {
        let shape = Shape {
            batch: 2,
            heads_kv: 2,
            len_k: 9,
            dim_v: 3,
            ..Shape::square(4, 5, 8)
        };
        let causal = Some(Alignment::TopLeft);
        Problem::new(ProblemSpec {
            causal,
            ..ProblemSpec::new(shape, dtype)
        })
        .unwrap()
    }

    #[test]
    fn every_family_makes_valid_inputs_of_its_own() {
        for dtype in DType::ALL {
            let p = problem(dtype);
            let digests: std::collections::BTreeSet<_> = Family::ALL
                .into_iter()
                .map(|family| {
                    let inputs = Inputs::generate(&p, family, 3);
                    let (q, k, v) = (inputs.q().clone(), inputs.k().clone(), inputs.v().clone());
                    Inputs::new(&p, q, k, v).unwrap_or_else(|e| panic!("{family:?}: {e}"));
                    inputs.digest()
                })
                .collect();
            assert_eq!(digests.len(), Family::ALL.len());
        }
    }

    #[test]
    fn poison_lies_only_where_no_query_reads() {
        let inputs = Inputs::generate(&problem(DType::F32), Family::MaskedPoison, 1);
        let finite = (0..9).map(|j| {
            inputs
                .k()
                .data()
                .get(inputs.k().index([1, 1, j, 0]))
                .is_finite()
        });
        assert_eq!(
            finite.collect::<Vec<_>>(),
            [true, true, true, true, true, false, false, false, false]
        );
    }

    #[test]
    fn names_are_those_of_case_files() {
        for family in Family::ALL {
            let json = serde_json::to_string(&family).unwrap();
            assert_eq!(json, format!("\"{}\"", family.name()));
        }
    }
}
