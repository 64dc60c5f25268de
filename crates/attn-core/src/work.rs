//! How much work a problem is, counted from the pairs that its mask admits.

use serde::{Deserialize, Serialize};

use crate::inputs::read_keys;
use crate::{Mask, Problem};

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
    /// Counts the work of `problem` under `mask`, the elements of its mask if it has one.
    pub fn of(problem: &Problem, mask: Option<&Mask>) -> Self {
        let shape = problem.shape();
        let pairs = admitted_pairs(problem, mask);
        let rows_q = shape.batch * shape.heads_q * shape.len_q;
        let rows_kv = read_keys(problem, mask).into_iter().filter(|&read| read).count();
        let elements = (rows_q + rows_kv) * (shape.dim + shape.dim_v);
        Work {
            pairs,
            flops: Flops(pairs * 2 * (shape.dim + shape.dim_v) as u64),
            exps: pairs,
            bytes: Bytes((elements * problem.dtype().size()) as u64),
        }
    }
}

fn admitted_pairs(problem: &Problem, mask: Option<&Mask>) -> u64 {
    let shape = problem.shape();
    let mut pairs = 0;
    for b in 0..shape.batch {
        for i in 0..shape.len_q {
            let keys = problem.admitted(b, i);
            let Some(mask) = mask else {
                pairs += (keys.len() * shape.heads_q) as u64;
                continue;
            };
            for h in 0..shape.heads_q {
                let admits = |&j: &usize| mask.bias([b, h, i, j]).is_some();
                pairs += keys.clone().filter(admits).count() as u64;
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{Alignment, DType, Family, Inputs, MaskKind, MaskSpec, ProblemSpec, Shape, Window};

    /// Counts by walking every quadruple and remembering what it touches.
    fn brute_force(problem: &Problem, mask: Option<&Mask>) -> Work {
        let shape = problem.shape();
        let (mut pairs, mut flops) = (0, 0);
        let mut rows_kv = BTreeSet::new();
        for b in 0..shape.batch {
            for h in 0..shape.heads_q {
                for i in 0..shape.len_q {
                    for j in (0..shape.len_k).filter(|&j| admits(problem, mask, [b, h, i, j])) {
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
    fn admits(problem: &Problem, mask: Option<&Mask>, at: [usize; 4]) -> bool {
        let (spec, shape) = (problem.spec(), problem.shape());
        let [i, j] = [at[2] as i64, at[3] as i64];
        let keys = spec.kv_len.as_ref().map_or(shape.len_k, |lengths| lengths[at[0]]) as i64;
        let diagonal = match spec.causal.or(spec.align) {
            None | Some(Alignment::TopLeft) => i,
            Some(Alignment::BottomRight) => i - shape.len_q as i64 + keys,
            Some(Alignment::Offset(n)) => i + n,
        };
        let window = spec.window.unwrap_or(Window { left: None, right: None });
        let before = |n: u64| j < diagonal - n as i64;
        let after = |n: u64| j > diagonal + n as i64;
        let masked = mask.is_some_and(|mask| mask.bias(at).is_none());
        let later = spec.causal.is_some() && j > diagonal;
        let outside = window.left.is_some_and(before) || window.right.is_some_and(after);
        j < keys && !later && !outside && !masked
    }

    fn alignments() -> impl Strategy<Value = Option<Alignment>> {
        prop_oneof![
            Just(None),
            Just(Some(Alignment::TopLeft)),
            Just(Some(Alignment::BottomRight)),
            (-12i64..12).prop_map(|n| Some(Alignment::Offset(n))),
        ]
    }

    fn sides() -> impl Strategy<Value = Option<Window>> {
        let side = || prop::option::of(0u64..6);
        prop::option::of((side(), side()).prop_map(|(left, right)| Window { left, right }))
    }

    prop_compose! {
        fn shapes()(
            batch in 1usize..3, heads_kv in 1usize..3, group in 1usize..4,
            len_q in 1usize..10, len_k in 1usize..10, dim in 1usize..5, dim_v in 1usize..5,
        ) -> Shape {
            Shape { batch, heads_q: heads_kv * group, heads_kv, len_q, len_k, dim, dim_v }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_brute_force(
            shape in shapes(), alignment in alignments(), causal in any::<bool>(), window in sides(),
            padded in any::<bool>(), masked in any::<bool>(), seed in 0u64..9,
        ) {
            let kv_len = (0..shape.batch).map(|b| (seed as usize + 5 * b) % (shape.len_k + 1));
            let spec = ProblemSpec {
                causal: alignment.filter(|_| causal),
                align: alignment.filter(|_| !causal),
                window,
                kv_len: padded.then(|| kv_len.collect()),
                mask: masked.then(|| MaskSpec { kind: MaskKind::Bool, dims: shape.scores() }),
                ..ProblemSpec::new(shape, DType::F32)
            };
            let problem = Problem::new(spec).unwrap();
            let inputs = Inputs::generate(&problem, Family::Normal, seed);
            prop_assert_eq!(Work::of(&problem, inputs.mask()), brute_force(&problem, inputs.mask()));
        }
    }

    #[test]
    fn equal_dims_cost_four_d_per_pair() {
        let problem =
            Problem::new(ProblemSpec::new(Shape::square(8, 1024, 64), DType::F32)).unwrap();
        assert_eq!(Work::of(&problem, None).flops, Flops(8 * 4 * 1024 * 1024 * 64));
    }
}
