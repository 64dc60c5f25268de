//! Random problems drawn from the whole semantics, each repeatable from a seed and a number.

use attn_core::{
    Alignment, DType, InputDistribution, MaskKind, MaskSpec, Problem, ProblemSpec, Score, Shape,
    Span, Window,
};

/// Problem `number` of the stream `seed`, with the distribution and the seed of its inputs.
pub fn draw(seed: u64, number: u64) -> (Problem, InputDistribution, u64) {
    let mut dice = Dice::new(seed ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
    loop {
        let spec = spec(&mut dice);
        let distribution = InputDistribution::ALL[dice.below(InputDistribution::ALL.len())];
        // Sizes are within bounds by construction; what is left is refused rarely and drawn again.
        if let Ok(problem) = Problem::new(spec) {
            return (problem, distribution, dice.next());
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014): every state is a good state.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `n - 1`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// One in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// From 1 to `max`, small sizes and `max` itself more often.
    fn size(&mut self, max: usize) -> usize {
        match self.below(4) {
            0 => 1 + self.below(4.min(max)),
            1 => max,
            _ => 1 + self.below(max),
        }
    }

    fn alignment(&mut self) -> Alignment {
        match self.below(3) {
            0 => Alignment::TopLeft,
            1 => Alignment::BottomRight,
            _ => Alignment::Offset(self.below(40) as i64 - 20),
        }
    }
}

fn shape(dice: &mut Dice) -> Shape {
    let heads_kv = 1 + dice.below(3);
    let heads_q = heads_kv * (1 + dice.below(3));
    let [len_q, len_k] = [dice.size(70), dice.size(70)];
    let [dim, dim_v] = [dice.size(48), dice.size(48)];
    Shape {
        batch: 1 + dice.below(3),
        heads_q,
        heads_kv,
        len_q,
        len_k: if dice.once_in(3) { len_q } else { len_k },
        dim,
        dim_k: None,
        dim_v: if dice.once_in(2) { dim } else { dim_v },
    }
}

/// A score, and the width of keys that goes with it.
fn score(dice: &mut Dice, shape: &Shape) -> (Score, Option<usize>) {
    let span = |dice: &mut Dice| [None, Some(Span::Shared), Some(Span::PerHead)][dice.below(3)];
    let width = |dice: &mut Dice| dice.once_in(2).then(|| dice.size(48));
    match dice.below(4) {
        0 => {
            let w = span(dice);
            (Score::General { w }, w.and_then(|_| width(dice)))
        }
        1 => {
            let [w_q, w_k, w] = [span(dice), span(dice), span(dice)];
            // A matrix that is absent is square.
            let dim_k = w_q.or(w_k).and_then(|_| width(dice));
            let dim = match (w_q, w_k) {
                (None, _) => shape.dim,
                (_, None) => dim_k.unwrap_or(shape.dim),
                _ => dice.size(48),
            };
            (Score::Additive { dim, w_q, w_k, w }, dim_k)
        }
        _ => (Score::ScaledDot, None),
    }
}

fn spec(dice: &mut Dice) -> ProblemSpec {
    let mut shape = shape(dice);
    let dtype = [DType::F32, DType::F32, DType::F64, DType::BF16, DType::F16][dice.below(5)];
    let alignment = dice.once_in(2).then(|| dice.alignment());
    let causal = alignment.filter(|_| !dice.once_in(4));
    let side = |dice: &mut Dice| dice.once_in(2).then(|| dice.below(12) as u64);
    let window = dice.once_in(4).then(|| Window { left: side(dice), right: side(dice) });
    let full = shape.scores();
    let mask = dice.once_in(3).then(|| MaskSpec {
        kind: [MaskKind::Bool, MaskKind::Additive][dice.below(2)],
        dims: full.map(|full| if dice.once_in(3) { 1 } else { full }),
    });
    let kv_len =
        dice.once_in(4).then(|| (0..shape.batch).map(|_| dice.below(shape.len_k + 1)).collect());
    let (score, dim_k) = score(dice, &shape);
    shape.dim_k = dim_k;
    ProblemSpec {
        score,
        scale: dice.once_in(5).then(|| (dice.below(41) as f64 - 20.0) / 16.0),
        causal,
        align: alignment.filter(|_| causal.is_none()),
        window,
        softcap: dice.once_in(5).then(|| [1.0, 10.0, 50.0][dice.below(3)]),
        mask,
        kv_len,
        alibi: dice.once_in(5),
        sinks: dice.once_in(5),
        lse: dice.once_in(3),
        ..ProblemSpec::new(shape, dtype)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use attn_core::Feature;

    use super::*;

    #[test]
    fn a_number_is_always_the_same_problem() {
        assert_eq!(draw(7, 123), draw(7, 123));
        assert_ne!(draw(7, 123).0, draw(7, 124).0);
        assert_ne!(draw(7, 123).0, draw(8, 123).0);
    }

    #[test]
    fn a_few_hundred_problems_need_every_feature_and_family() {
        let draws: Vec<_> = (0..300).map(|number| draw(1, number)).collect();
        let features: BTreeSet<Feature> = draws.iter().flat_map(|d| d.0.features()).collect();
        assert_eq!(features.len(), DType::ALL.len() + 15);
        let distributions: BTreeSet<InputDistribution> = draws.iter().map(|d| d.1).collect();
        assert_eq!(distributions.len(), InputDistribution::ALL.len());
    }

    #[test]
    fn what_is_printed_of_a_problem_is_read_again() {
        for number in 0..1000 {
            let problem = draw(3, number).0;
            let printed = format!("{problem:#}");
            let read = Problem::new(printed.parse().unwrap()).unwrap();
            assert_eq!(read, problem, "{printed}");
        }
    }
}
