//! How much work a problem is, counted from the pairs that its mask admits.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// Floating-point operations (a fused multiply-add is two).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flops(pub u64);

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Useful work: what any correct implementation has to do at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Admitted (batch, query head, query, key) quadruples.
    pub pairs: u64,
    /// `2 D` for the score and `2 Dv` for the weighted value of every pair; exponentials not counted.
    pub flops: Flops,
    /// One exponential per pair.
    pub exps: u64,
    /// q, the rows of k and v that some query admits, and the output, each moved once.
    pub bytes: Bytes,
}

impl Work {
    /// Counts the work of `problem`.
    pub fn of(problem: &Problem) -> Self {
        let shape = problem.shape();
        let admitted: u64 = (0..shape.len_q)
            .map(|i| problem.admitted(i).len() as u64)
            .sum();
        let pairs = (shape.batch * shape.heads_q) as u64 * admitted;
        let rows_q = shape.batch * shape.heads_q * shape.len_q;
        let rows_kv = shape.batch * shape.heads_kv * problem.used_keys().len();
        let elements = (rows_q + rows_kv) * (shape.dim + shape.dim_v);
        Work {
            pairs,
            flops: Flops(pairs * 2 * (shape.dim + shape.dim_v) as u64),
            exps: pairs,
            bytes: Bytes((elements * problem.dtype().size()) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{Alignment, DType, ProblemSpec, Shape};

    /// Counts by walking every quadruple and remembering what it touches.
    fn brute_force(problem: &Problem) -> Work {
        let shape = problem.shape();
        let (mut pairs, mut flops) = (0, 0);
        let mut rows_kv = BTreeSet::new();
        for b in 0..shape.batch {
            for h in 0..shape.heads_q {
                for i in 0..shape.len_q {
                    for j in (0..shape.len_k).filter(|&j| admits(problem, i, j)) {
                        pairs += 1;
                        flops += (0..shape.dim).map(|_| 2).sum::<u64>();
                        flops += (0..shape.dim_v).map(|_| 2).sum::<u64>();
                        rows_kv.insert((b, h * shape.heads_kv / shape.heads_q, j));
                    }
                }
            }
        }
        let q_and_out = shape.batch * shape.heads_q * shape.len_q * (shape.dim + shape.dim_v);
        let k_and_v = rows_kv.len() * (shape.dim + shape.dim_v);
        Work {
            pairs,
            flops: Flops(flops),
            exps: pairs,
            bytes: Bytes(((q_and_out + k_and_v) * problem.dtype().size()) as u64),
        }
    }

    /// The admission rule, written from its definition rather than from [`Problem::admitted`].
    fn admits(problem: &Problem, i: usize, j: usize) -> bool {
        let shape = problem.shape();
        let (i, j) = (i as i64, j as i64);
        match problem.causal() {
            None => true,
            Some(Alignment::TopLeft) => j <= i,
            Some(Alignment::BottomRight) => j - shape.len_k as i64 <= i - shape.len_q as i64,
            Some(Alignment::Offset(n)) => j <= i + n,
        }
    }

    fn alignments() -> impl Strategy<Value = Option<Alignment>> {
        prop_oneof![
            Just(None),
            Just(Some(Alignment::TopLeft)),
            Just(Some(Alignment::BottomRight)),
            (-12i64..12).prop_map(|n| Some(Alignment::Offset(n))),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_brute_force(
            batch in 1usize..3, heads_kv in 1usize..3, group in 1usize..4,
            len_q in 1usize..10, len_k in 1usize..10, dim in 1usize..5, dim_v in 1usize..5,
            causal in alignments(), dtype in prop_oneof![Just(DType::F32), Just(DType::F64)],
        ) {
            let heads_q = heads_kv * group;
            let shape = Shape { batch, heads_q, heads_kv, len_q, len_k, dim, dim_v };
            let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, dtype) };
            let problem = Problem::new(spec).unwrap();
            prop_assert_eq!(Work::of(&problem), brute_force(&problem));
        }
    }

    #[test]
    fn equal_dims_cost_four_d_per_pair() {
        let problem =
            Problem::new(ProblemSpec::new(Shape::square(8, 1024, 64), DType::F32)).unwrap();
        assert_eq!(Work::of(&problem).flops, Flops(8 * 4 * 1024 * 1024 * 64));
    }
}
