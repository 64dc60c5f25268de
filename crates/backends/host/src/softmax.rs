//! One row of raw scores becomes weights.

use attn_core::SumOrder;

use crate::{Head, Real};

/// How many weights are summed before the sum joins the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(pub u32);

impl Block {
    /// All weights one after another.
    pub const ALL: Block = Block(u32::MAX);

    /// The order of sums that this means in [`Arithmetic`](attn_core::Arithmetic).
    pub const fn order(self) -> SumOrder {
        SumOrder::Blocked(self.0)
    }
}

/// What a row of weights must be divided by, and the row's log-sum-exp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normaliser<C> {
    /// `sum_j p_j`, the sink's share included; 1 for a row that admits no key and has no sink.
    pub l: C,
    /// `ln sum_j exp(s_j)`.
    pub lse: C,
}

/// Turns the scaled scores of row `i` over the keys from `first` on into `p_j = exp(s_j - m)`,
/// 0 where the row does not admit the key.
pub fn softmax<C: Real>(
    head: &Head<'_, C>,
    i: usize,
    first: usize,
    row: &mut [C],
    block: Block,
) -> Normaliser<C> {
    let admitted = head.admitted(i);
    if admitted.is_empty() && head.sink.is_none() {
        row.fill(C::ZERO);
        return Normaliser { l: C::ONE, lse: C::NEG_INFINITY };
    }
    let start = admitted.start.saturating_sub(first).min(row.len());
    let end = admitted.end.saturating_sub(first).clamp(start, row.len());
    row[..start].fill(C::ZERO);
    row[end..].fill(C::ZERO);
    let p = &mut row[start..end];
    if !head.is_plain() {
        for (at, s) in p.iter_mut().enumerate() {
            *s = head.finish(i, first + start + at, *s);
        }
    }
    let m = max(p).larger(head.sink.unwrap_or(C::NEG_INFINITY));
    if m == C::NEG_INFINITY {
        p.fill(C::ZERO);
        return Normaliser { l: C::ONE, lse: C::NEG_INFINITY };
    }
    let mut l = head.sink.map_or(C::ZERO, |sink| (sink - m).exp());
    for p in p.chunks_mut(block.0.max(1) as usize) {
        let mut sum = C::ZERO;
        for p in p {
            *p = (*p - m).exp();
            sum += *p;
        }
        l += sum;
    }
    Normaliser { l, lse: m + l.ln() }
}

/// The largest element, in independent lanes.
fn max<C: Real>(x: &[C]) -> C {
    let mut lanes = [C::NEG_INFINITY; 16];
    let mut chunks = x.chunks_exact(lanes.len());
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = x.larger(*lane);
        }
    }
    let rest = chunks.remainder().iter();
    rest.chain(&lanes).fold(C::NEG_INFINITY, |m, &x| x.larger(m))
}

#[cfg(test)]
mod tests {
    use attn_core::{Alignment, DType, Problem, ProblemSpec, ScoreWeights, Shape};

    use super::*;

    fn row(
        spec: ProblemSpec,
        i: usize,
        sink: Option<f64>,
        scores: &[f64],
    ) -> (Vec<f64>, Normaliser<f64>) {
        let problem = Problem::new(spec).unwrap();
        let head = Head {
            problem: &problem,
            b: 0,
            h: 0,
            q: &[],
            k: &[],
            v: &[],
            weights: ScoreWeights::default(),
            mask: None,
            slope: None,
            sink,
        };
        let mut row = scores.to_vec();
        let normaliser = softmax(&head, i, 0, &mut row, Block(2));
        (row, normaliser)
    }

    fn spec(causal: i64) -> ProblemSpec {
        let causal = Some(Alignment::Offset(causal));
        ProblemSpec { causal, ..ProblemSpec::new(Shape::square(1, 4, 1), DType::F64) }
    }

    #[test]
    fn weights_outside_the_admitted_keys_are_zero_whatever_was_there() {
        let (p, normaliser) = row(spec(0), 1, None, &[0.0, 1.0, f64::NAN, f64::INFINITY]);
        assert_eq!(p, [(-1f64).exp(), 1.0, 0.0, 0.0]);
        assert_eq!(normaliser.l, 1.0 + (-1f64).exp());
        assert_eq!(normaliser.lse, 1.0 + normaliser.l.ln());
    }

    #[test]
    fn rows_without_keys_are_zero_and_know_their_log_sum_exp() {
        let nan = [f64::NAN; 4];
        let (p, normaliser) = row(spec(-1), 0, None, &nan);
        assert_eq!((p, normaliser), (vec![0.0; 4], Normaliser { l: 1.0, lse: f64::NEG_INFINITY }));
        let (p, normaliser) = row(spec(-1), 0, Some(0.5), &nan);
        assert_eq!((p, normaliser), (vec![0.0; 4], Normaliser { l: 1.0, lse: 0.5 }));
    }

    #[test]
    fn the_maximum_is_found_in_lanes_and_remainder() {
        for at in [0, 5, 15, 16, 31, 32, 36] {
            let mut x = vec![-1.0f32; 37];
            x[at] = 2.0;
            assert_eq!(max(&x), 2.0);
        }
    }
}
