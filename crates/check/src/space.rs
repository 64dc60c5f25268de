//! Which problems a kernel is asked: random ones within what it supports, and those that are named.

use attn_core::{Alignment, DType, MaskSpec, Problem, ProblemSpec, Score, Window};

use crate::features::{
    ADDITIVE_MASK, ADDITIVE_SCORE, ALIBI, BOOL_MASK, CAUSAL, CAUSAL_BOTTOM_RIGHT, CAUSAL_OFFSET,
    CAUSAL_TOP_LEFT, EMPTY_ROWS, GENERAL_SCORE, GROUPED_HEADS, KV_LEN, LSE, SCALE, SINKS,
    SLIDING_WINDOW, SOFTCAP, VALUE_DIM, WINDOW,
};
use crate::random::{Dice, draw};
use crate::{Case, Features};

/// Multiplications and additions of a random problem, at most, for kernels: two hundred take some four seconds where nothing is
/// optimised.
pub(crate) const LARGEST: usize = 150_000;
/// Keys of a long problem, at most: beyond two tiles of 128, or a group of blocks of 64.
const LONG: usize = 300;
/// One random problem in so many is long.
const LONG_ONE_IN: usize = 8;
/// Problems that are drawn for one that the filter lets through.
const PATIENCE: u64 = 1000;

/// Whether a problem is one for the kernel.
pub(crate) type Filter<'k> = Box<dyn Fn(&Problem) -> bool + 'k>;

/// What is asked.
pub(crate) struct Space<'k> {
    pub(crate) features: Features,
    pub(crate) dtypes: Vec<DType>,
    /// The only D that there are; any if empty.
    pub(crate) head_dims: Vec<usize>,
    pub(crate) filter: Option<Filter<'k>>,
    /// Multiplications and additions of a random problem, at most.
    pub(crate) largest: usize,
    pub(crate) seed: u64,
    /// How many random problems,
    pub(crate) cases: Option<u64>,
    /// unless that is said: none where some are named.
    pub(crate) default_cases: u64,
    pub(crate) only: Option<u64>,
    pub(crate) named: Vec<Case>,
}

impl Space<'_> {
    pub(crate) fn new(features: Features, dtype: DType) -> Self {
        Space {
            features,
            dtypes: vec![dtype],
            head_dims: Vec::new(),
            filter: None,
            largest: LARGEST,
            seed: 0,
            cases: None,
            default_cases: 100,
            only: None,
            named: Vec::new(),
        }
    }

    /// Named cases first, then random ones, numbered from 0. Those that no kernel of this kind computes are left out.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let random =
            self.cases.unwrap_or(if self.named.is_empty() { self.default_cases } else { 0 });
        let numbers = 0..random;
        let numbers: Vec<u64> = match self.only {
            None => numbers.collect(),
            Some(only) => vec![only],
        };
        let named = self.named.iter().filter(|_| self.only.is_none()).cloned();
        named.chain(numbers.into_iter().filter_map(|number| self.draw(number))).collect()
    }

    /// Random problem `number`; `None` if the filter lets nothing through.
    pub(crate) fn draw(&self, number: u64) -> Option<Case> {
        (0..PATIENCE).find_map(|attempt| {
            let seed = self.seed.wrapping_add(attempt.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let (problem, distribution, inputs) = draw(seed, number);
            let mut dice = Dice::new(inputs);
            let problem = Problem::new(self.within(problem.into(), &mut dice)).ok()?;
            let case = Case::drawn(problem, distribution, inputs);
            self.allows(&case).then_some(case)
        })
    }

    /// Whether the kernel computes this.
    pub(crate) fn allows(&self, case: &Case) -> bool {
        let problem = case.problem();
        let dims = &self.head_dims;
        self.features.contains(Features::of(problem))
            && self.dtypes.contains(&problem.dtype())
            && (dims.is_empty() || dims.contains(&problem.shape().dim))
            && self.filter.as_ref().is_none_or(|filter| filter(problem))
            && (self.has(EMPTY_ROWS) || problem.spec().mask.is_none() || {
                let inputs = case.inputs();
                inputs.read_queries(problem).into_iter().all(|read| read)
            })
    }

    fn has(&self, feature: Features) -> bool {
        self.features.contains(feature)
    }

    /// The nearest statement of what the kernel computes.
    fn within(&self, mut spec: ProblemSpec, dice: &mut Dice) -> ProblemSpec {
        if !self.dtypes.contains(&spec.dtype) {
            spec.dtype = self.dtypes[dice.below(self.dtypes.len())];
        }
        let known = match spec.score {
            Score::ScaledDot => true,
            Score::General { .. } => self.has(GENERAL_SCORE),
            Score::Additive { .. } => self.has(ADDITIVE_SCORE),
        };
        if !known {
            (spec.score, spec.shape.dim_k) = (Score::ScaledDot, None);
        }
        self.within_shape(&mut spec, dice);
        self.within_masking(&mut spec, dice);
        spec.scale = spec.scale.filter(|_| self.has(SCALE));
        spec.softcap = spec.softcap.filter(|_| self.has(SOFTCAP));
        spec.mask = spec.mask.filter(|mask| match mask.kind {
            attn_core::MaskKind::Bool => self.has(BOOL_MASK),
            attn_core::MaskKind::Additive => self.has(ADDITIVE_MASK),
        });
        spec.kv_len = spec.kv_len.filter(|_| self.has(KV_LEN));
        spec.alibi &= self.has(ALIBI);
        spec.sinks &= self.has(SINKS);
        spec.lse &= self.has(LSE);
        refit(spec)
    }

    fn within_shape(&self, spec: &mut ProblemSpec, dice: &mut Dice) {
        let shape = &mut spec.shape;
        if !self.has(GROUPED_HEADS) {
            shape.heads_q = shape.heads_kv;
        }
        if dice.once_in(LONG_ONE_IN) {
            shape.len_k = 65 + dice.below(LONG - 64);
            if dice.once_in(2) {
                shape.len_q = shape.len_k;
            }
        }
        if !self.head_dims.is_empty() && spec.score == Score::ScaledDot {
            shape.dim = self.head_dims[dice.below(self.head_dims.len())];
        }
        if !self.has(VALUE_DIM) {
            shape.dim_v = shape.dim;
        }
        let work = |shape: &attn_core::Shape| {
            let pairs: usize = shape.scores().iter().product();
            pairs * (shape.dim + shape.dim_v)
        };
        while work(shape) > self.largest {
            if shape.batch > 1 {
                shape.batch -= 1;
            } else if shape.heads_kv > 1 {
                let group = shape.group();
                shape.heads_kv -= 1;
                shape.heads_q = group * shape.heads_kv;
            } else if shape.len_q > 1 {
                let square = shape.len_q == shape.len_k;
                shape.len_q = shape.len_q * 3 / 4;
                shape.len_k = if square { shape.len_q } else { shape.len_k };
            } else {
                break;
            }
        }
    }

    /// Diagonals and windows that the kernel knows.
    fn within_masking(&self, spec: &mut ProblemSpec, dice: &mut Dice) {
        let known: Vec<Alignment> = [
            (CAUSAL_TOP_LEFT, Alignment::TopLeft),
            (CAUSAL_BOTTOM_RIGHT, Alignment::BottomRight),
            (CAUSAL_OFFSET, Alignment::Offset(0)),
        ]
        .into_iter()
        .filter_map(|(feature, alignment)| self.has(feature).then_some(alignment))
        .collect();
        let choose = |alignment: Alignment, dice: &mut Dice| match alignment {
            Alignment::Offset(n) if self.has(CAUSAL_OFFSET) => Alignment::Offset(n),
            _ if known.is_empty() => Alignment::TopLeft,
            _ => known[dice.below(known.len())],
        };
        spec.causal = spec.causal.filter(|_| self.has(CAUSAL)).map(|a| choose(a, dice));
        spec.window = spec.window.filter(|_| self.has(SLIDING_WINDOW) || self.has(WINDOW));
        if spec.window.is_some() && !self.has(WINDOW) {
            spec.causal = spec.causal.or_else(|| Some(choose(Alignment::TopLeft, dice)));
            spec.window = spec.window.map(|window| Window { right: None, ..window });
        }
        let biased = spec.window.is_some() || spec.alibi;
        spec.align = (spec.causal.is_none() && biased && !known.is_empty())
            .then(|| choose(spec.align.unwrap_or(Alignment::TopLeft), dice));
        if known.is_empty() && (spec.causal.is_some() || biased) {
            spec.shape.len_q = spec.shape.len_k;
            spec.kv_len = None;
        }
        if !self.has(EMPTY_ROWS) && spec.causal == Some(Alignment::BottomRight) {
            let shape = &mut spec.shape;
            (shape.len_q, shape.len_k) =
                (shape.len_q.min(shape.len_k), shape.len_q.max(shape.len_k));
        }
    }
}

/// A mask and lengths of keys that fit the sizes again.
pub(crate) fn refit(mut spec: ProblemSpec) -> ProblemSpec {
    let shape = spec.shape;
    if let Some(MaskSpec { dims, .. }) = &mut spec.mask {
        for (dim, full) in dims.iter_mut().zip(shape.scores()) {
            *dim = if *dim == 1 { 1 } else { full };
        }
    }
    if let Some(lengths) = &mut spec.kv_len {
        lengths.truncate(shape.batch);
        for length in lengths {
            *length = (*length).min(shape.len_k);
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn features(space: &Space<'_>) -> Features {
        space.cases().iter().fold(Features::PLAIN, |all, case| all | Features::of(case.problem()))
    }

    #[test]
    fn only_what_is_supported_is_drawn_and_all_of_it() {
        for supported in [
            Features::PLAIN,
            CAUSAL,
            GROUPED_HEADS | CAUSAL_BOTTOM_RIGHT,
            CAUSAL_TOP_LEFT | SLIDING_WINDOW | SOFTCAP,
            WINDOW,
            CAUSAL_OFFSET | KV_LEN | EMPTY_ROWS,
            ALIBI | BOOL_MASK | SCALE | VALUE_DIM,
            Features::ALL,
        ] {
            let mut space = Space::new(supported, DType::F32);
            space.cases = Some(400);
            let cases = space.cases();
            assert_eq!(cases.len(), 400, "{supported}");
            assert!(cases.iter().all(|case| space.allows(case)), "{supported}");
            let missing = supported.without(features(&space));
            assert!(missing.is_empty(), "{supported}: {missing} is never drawn");
        }
    }

    #[test]
    fn types_and_dimensions_are_those_that_were_named() {
        let mut space = Space::new(Features::PLAIN, DType::F32);
        space.dtypes = vec![DType::BF16, DType::F16];
        space.head_dims = vec![64, 128];
        space.filter = Some(Box::new(|problem| problem.shape().batch == 1));
        let cases = space.cases();
        let dtypes: BTreeSet<DType> = cases.iter().map(|case| case.problem().dtype()).collect();
        let dims: BTreeSet<usize> = cases.iter().map(|case| case.problem().shape().dim).collect();
        assert_eq!((dtypes.len(), dims), (2, [64, 128].into()));
        assert!(cases.iter().all(|case| case.problem().shape().batch == 1));
        space.filter = Some(Box::new(|_| false));
        assert_eq!(space.cases(), []);
    }

    #[test]
    fn problems_are_small_and_some_are_long() {
        let space = Space { cases: Some(300), ..Space::new(Features::ALL, DType::F32) };
        let shapes: Vec<_> = space.cases().iter().map(|case| *case.problem().shape()).collect();
        let work = |shape: &attn_core::Shape| {
            shape.scores().iter().product::<usize>() * (shape.dim + shape.dim_v)
        };
        assert!(shapes.iter().map(work).max().unwrap() <= LARGEST);
        assert!(shapes.iter().filter(|shape| shape.len_k > 128).count() > 10);
        assert!(shapes.iter().filter(|shape| shape.len_q > 64).count() > 10);
    }

    #[test]
    fn a_number_is_always_the_same_case() {
        let space = Space { cases: Some(20), ..Space::new(CAUSAL, DType::F32) };
        let only = Space { only: Some(7), ..Space::new(CAUSAL, DType::F32) };
        assert_eq!(only.cases()[0], space.cases()[7]);
    }
}
