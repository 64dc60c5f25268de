//! How much work a problem is, counted from the pairs that its mask admits.

use serde::{Deserialize, Serialize};

use crate::problem::Counted;
use crate::{Mask, Problem, Score, ScoreWeights, Span};

/// Floating-point operations (a fused multiply-add is two).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flops(pub u64);

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Useful work: what any correct implementation has to do at least.
///
/// A query, or a key, takes part if some pair of it is admitted. With A, D, Dk and Dv as in
/// [`Score`] and [`Shape`](crate::Shape), flops are
///
/// ```text
/// scaled-dot   pairs 2 (D + Dv)
/// general      pairs 2 (Dk + Dv)       + queries 2 D Dk                      W joins the queries
/// additive     pairs (3 A + 2 Dv)      + queries 2 D A + keys 2 Dk A         sum, product with w, sum over A
/// ```
///
/// A projection counts once per token and matrix: keys that grouped heads share count once where
/// `W_k` is shared, and once for each head where it is not. What is absent costs nothing; without `w` an
/// additive pair is `2 A + 2 Dv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Admitted (batch, query head, query, key) quadruples.
    pub pairs: u64,
    /// Products and sums of scores, weighted values and projections; exponentials and hyperbolic
    /// tangents not counted.
    pub flops: Flops,
    /// One exponential per pair.
    pub exps: u64,
    /// Hyperbolic tangents of an additive score: A per pair. Those of a softcap are not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tanhs: u64,
    /// q, the rows of k and v that some query admits, the weights of the score, and the output, each
    /// moved once.
    pub bytes: Bytes,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Work {
    /// Counts the work of `problem` under `mask`, the elements of its mask if it has one.
    pub fn of(problem: &Problem, mask: Option<&Mask>) -> Self {
        let (shape, score) = (problem.shape(), problem.score());
        let admitted = Admitted::of(problem, mask);
        let pairs = admitted.pairs;
        let rows_q = shape.batch * shape.heads_q * shape.len_q;
        let rows_kv = admitted.keys_shared as usize;
        let weights = problem.score_weights().named().into_iter().filter_map(|(_, dims)| dims);
        let elements = rows_q * (shape.dim + shape.dim_v)
            + rows_kv * (shape.dim_k() + shape.dim_v)
            + weights.map(|dims| dims.iter().product::<usize>()).sum::<usize>();
        let pair = score_flops(problem) + 2 * shape.dim_v as u64;
        let tanhs = if let Score::Additive { dim, .. } = score { pairs * dim as u64 } else { 0 };
        Work {
            pairs,
            flops: Flops(pairs * pair + admitted.projection_flops(problem)),
            exps: pairs,
            tanhs,
            bytes: Bytes((elements * problem.dtype().size()) as u64),
        }
    }
}

/// Operations of one score once its operands are projected.
fn score_flops(problem: &Problem) -> u64 {
    let width = problem.score().width(problem.shape()) as u64;
    match problem.score() {
        Score::Additive { w: Some(_), .. } => 3 * width,
        // A product and a sum, or the sum of query and key and the sum over A.
        Score::ScaledDot | Score::General { .. } | Score::Additive { w: None, .. } => 2 * width,
    }
}

/// What masks and positions leave over.
#[derive(Clone, Copy, Default)]
struct Admitted {
    /// (batch, query head, query, key).
    pairs: u64,
    /// (batch, query head, query) with at least one key.
    queries: u64,
    /// (batch, key/value head, key) that some query of some head of the group admits.
    keys_shared: u64,
    /// (batch, query head, key) that some query of that head admits.
    keys_per_head: u64,
}

impl Admitted {
    /// Batches, and heads, that admit the same are counted once.
    fn of(problem: &Problem, mask: Option<&Mask>) -> Self {
        let shape = problem.shape();
        let of_batch = |b| match mask {
            None => Admitted::by_position(problem, b),
            Some(mask) => Admitted::by_elements(problem, mask, b),
        };
        if problem.spec().kv_len.is_none()
            && problem.spec().mask.is_none_or(|mask| mask.dims[0] == 1)
        {
            return of_batch(0).times(shape.batch);
        }
        (0..shape.batch).map(of_batch).fold(Admitted::default(), Admitted::plus)
    }

    fn by_position(problem: &Problem, b: usize) -> Self {
        let Counted { pairs, rows, keys } = problem.band(b).counted();
        let (queries, keys) = (rows.len() as u64, keys.len() as u64);
        Admitted { pairs, queries, keys_shared: keys, keys_per_head: keys }.of_heads(problem)
    }

    fn by_elements(problem: &Problem, mask: &Mask, b: usize) -> Self {
        let shape = problem.shape();
        let same = problem.spec().mask.is_some_and(|mask| mask.dims[1] == 1);
        let (heads_q, heads_kv) = if same { (1, 1) } else { (shape.heads_q, shape.heads_kv) };
        let mut admitted = Admitted::default();
        let mut shared = vec![false; heads_kv * shape.len_k];
        for h in 0..heads_q {
            let mut read = vec![false; shape.len_k];
            let of_row = |i| admit(problem, mask, [b, h, i], &mut read);
            for keys in (0..shape.len_q).map(of_row) {
                admitted.pairs += keys;
                admitted.queries += u64::from(keys > 0);
            }
            let head = if same { 0 } else { shape.kv_head(h) };
            let head = &mut shared[head * shape.len_k..][..shape.len_k];
            head.iter_mut().zip(&read).for_each(|(head, read)| *head |= read);
            admitted.keys_per_head += count(&read);
        }
        admitted.keys_shared = count(&shared);
        if same { admitted.of_heads(problem) } else { admitted }
    }

    /// Of all heads, all of which admit what this one does.
    fn of_heads(self, problem: &Problem) -> Self {
        let shape = problem.shape();
        let keys_shared = self.keys_shared * shape.heads_kv as u64;
        Admitted { keys_shared, ..self.times(shape.heads_q) }
    }

    fn times(self, n: usize) -> Self {
        let n = n as u64;
        Admitted {
            pairs: n * self.pairs,
            queries: n * self.queries,
            keys_shared: n * self.keys_shared,
            keys_per_head: n * self.keys_per_head,
        }
    }

    fn plus(self, other: Self) -> Self {
        Admitted {
            pairs: self.pairs + other.pairs,
            queries: self.queries + other.queries,
            keys_shared: self.keys_shared + other.keys_shared,
            keys_per_head: self.keys_per_head + other.keys_per_head,
        }
    }

    fn projection_flops(&self, problem: &Problem) -> u64 {
        let ScoreWeights { w_q, w_k, w } = problem.score_weights();
        let cost = |dims: Option<[usize; 4]>| dims.map_or(0, |d| 2 * (d[2] * d[3]) as u64);
        match problem.score() {
            Score::ScaledDot => 0,
            Score::General { .. } => self.queries * cost(w),
            Score::Additive { w_k: span, .. } => {
                let keys = match span {
                    Some(Span::PerHead) => self.keys_per_head,
                    Some(Span::Shared) | None => self.keys_shared,
                };
                self.queries * cost(w_q) + keys * cost(w_k)
            }
        }
    }
}

/// Marks the keys that row `[b, h, i]` admits; returns how many there are.
fn admit(problem: &Problem, mask: &Mask, [b, h, i]: [usize; 3], read: &mut [bool]) -> u64 {
    let keys = problem.admitted(b, i).filter(|&j| mask.bias([b, h, i, j]).is_some());
    keys.map(|j| read[j] = true).count() as u64
}

fn count(flags: &[bool]) -> u64 {
    flags.iter().filter(|flag| **flag).count() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Alignment, DType, InputDistribution, Inputs, MaskKind, MaskSpec, ProblemSpec, Shape, Window,
    };

    /// Counts by walking every quadruple and remembering what it touches.
    fn brute_force(problem: &Problem, mask: Option<&Mask>) -> Work {
        let shape = problem.shape();
        let (mut pairs, mut flops, mut tanhs) = (0, 0, 0);
        let mut rows_kv = BTreeSet::new();
        let mut projected = BTreeSet::new();
        let ScoreWeights { w_q, w_k, w } = problem.score_weights();
        for b in 0..shape.batch {
            for h in 0..shape.heads_q {
                for i in 0..shape.len_q {
                    for j in (0..shape.len_k).filter(|&j| admits(problem, mask, [b, h, i, j])) {
                        let kv = h * shape.heads_kv / shape.heads_q;
                        pairs += 1;
                        flops += (0..shape.dim_v).map(|_| 2).sum::<u64>();
                        rows_kv.insert((b, kv, j));
                        match problem.score() {
                            Score::ScaledDot => flops += 2 * shape.dim as u64,
                            Score::General { .. } => {
                                flops += 2 * shape.dim_k() as u64;
                                projected.extend(w.map(|w| ('q', [0, b, h, i], w[2] * w[3])));
                            }
                            Score::Additive { dim, .. } => {
                                for _ in 0..dim {
                                    flops += if w.is_some() { 3 } else { 2 };
                                    tanhs += 1;
                                }
                                projected.extend(w_q.map(|w| ('q', [0, b, h, i], w[2] * w[3])));
                                // The matrix of this head, or of all; the key of this group.
                                let matrix = w_k.map_or(0, |w| h * usize::from(w[1] > 1));
                                projected
                                    .extend(w_k.map(|w| ('k', [matrix, b, kv, j], w[2] * w[3])));
                            }
                        }
                    }
                }
            }
        }
        flops += projected.iter().map(|(_, _, products)| 2 * *products as u64).sum::<u64>();
        let q_and_out = shape.batch * shape.heads_q * shape.len_q * (shape.dim + shape.dim_v);
        let k_and_v = rows_kv.len() * (shape.dim_k() + shape.dim_v);
        let weights: usize =
            [w_q, w_k, w].iter().flatten().map(|d| d.iter().product::<usize>()).sum();
        Work {
            pairs,
            flops: Flops(flops),
            exps: pairs,
            tanhs,
            bytes: Bytes(((q_and_out + k_and_v + weights) * problem.dtype().size()) as u64),
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
            len_q in 1usize..10, len_k in 1usize..10, dim_v in 1usize..5, dim in Just(1usize),
        ) -> Shape {
            let heads_q = heads_kv * group;
            Shape { batch, heads_q, heads_kv, len_q, len_k, dim, dim_k: None, dim_v }
        }
    }

    /// Any score, and widths that it allows.
    fn scores() -> impl Strategy<Value = (Score, [usize; 2])> {
        let span = || prop::option::of(prop_oneof![Just(Span::Shared), Just(Span::PerHead)]);
        (0..3, 1usize..5, [1usize..5, 1usize..5], [span(), span(), span()]).prop_map(
            |(kind, dim, [d, dk], [w_q, w_k, w])| match kind {
                0 => (Score::ScaledDot, [d, d]),
                1 => (Score::General { w }, [d, if w.is_some() { dk } else { d }]),
                _ => {
                    let d = if w_q.is_some() { d } else { dim };
                    let dk = if w_k.is_some() { dk } else { dim };
                    (Score::Additive { dim, w_q, w_k, w }, [d, dk])
                }
            },
        )
    }

    proptest! {
        #[test]
        fn agrees_with_brute_force(
            shape in shapes(), alignment in alignments(), causal in any::<bool>(), window in sides(),
            padded in any::<bool>(),
            masked in prop::option::of(prop::array::uniform4(any::<bool>())), seed in 0u64..9,
            (score, [dim, dim_k]) in scores(),
        ) {
            let shape = Shape { dim, dim_k: Some(dim_k), ..shape };
            let kv_len = (0..shape.batch).map(|b| (seed as usize + 5 * b) % (shape.len_k + 1));
            let spec = ProblemSpec {
                score,
                causal: alignment.filter(|_| causal),
                align: alignment.filter(|_| !causal),
                window,
                kv_len: padded.then(|| kv_len.collect()),
                mask: masked.map(|full| {
                    let dims = [0, 1, 2, 3].map(|at| if full[at] { shape.scores()[at] } else { 1 });
                    MaskSpec { kind: MaskKind::Bool, dims }
                }),
                ..ProblemSpec::new(shape, DType::F32)
            };
            let problem = Problem::new(spec).unwrap();
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, seed);
            prop_assert_eq!(Work::of(&problem, inputs.mask()), brute_force(&problem, inputs.mask()));
        }
    }

    #[test]
    fn many_heads_and_keys_are_counted_at_once() {
        let shape = Shape { heads_kv: 1, len_k: 1 << 18, ..Shape::square(1 << 16, 64, 8) };
        let causal = Some(Alignment::BottomRight);
        let spec = ProblemSpec { causal, ..ProblemSpec::new(shape, DType::F32) };
        let problem = Problem::new(spec).unwrap();
        let pairs = (1 << 16) * (64 * (1 << 18) - 63 * 64 / 2);
        assert_eq!(Work::of(&problem, None).pairs, pairs);
    }

    #[test]
    fn equal_dims_cost_four_d_per_pair() {
        let problem =
            Problem::new(ProblemSpec::new(Shape::square(8, 1024, 64), DType::F32)).unwrap();
        assert_eq!(Work::of(&problem, None).flops, Flops(8 * 4 * 1024 * 1024 * 64));
    }
}
