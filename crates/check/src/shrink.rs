//! The smallest problem that still comes out wrong.

use attn_core::{InputDistribution, Problem, ProblemSpec, Score};

use crate::Case;
use crate::kernel::Kernel;
use crate::space::{Space, refit};
use crate::trial::{Fate, Kind, Wrong, fate};

/// Problems that are tried.
const TRIALS: usize = 600;
/// Seeds that are tried beside a problem's own: where few numbers are left, it takes some that show it.
const SEEDS: std::ops::Range<u64> = 0..3;

/// Inputs that are easy to follow, the easiest first.
const PLAIN: [InputDistribution; 2] = [InputDistribution::SmallInts, InputDistribution::Normal];

/// A change that makes a problem simpler, if it changes anything.
type Step = fn(&mut ProblemSpec);

/// What may be left out, then sizes: at once, by half, by one.
const STEPS: &[Step] = &[
    |s| s.lse = false,
    |s| s.sinks = false,
    |s| s.alibi = false,
    |s| s.mask = None,
    |s| s.kv_len = None,
    |s| s.softcap = None,
    |s| s.window = None,
    |s| (s.causal, s.align) = (None, None),
    |s| s.scale = None,
    |s| (s.score, s.shape.dim_k) = (Score::ScaledDot, None),
    |s| (s.shape.dim, s.shape.dim_v) = both(s.shape.dim.min(s.shape.dim_v)),
    |s| s.shape.batch = 1,
    |s| s.shape.heads_q = s.shape.heads_kv,
    |s| (s.shape.heads_q, s.shape.heads_kv) = (s.shape.group(), 1),
    |s| (s.shape.len_q, s.shape.len_k) = (1, 1),
    |s| s.shape.len_q = 1,
    |s| s.shape.len_k = 1,
    |s| (s.shape.len_q, s.shape.len_k) = both(s.shape.len_q.min(s.shape.len_k)),
    |s| (s.shape.dim, s.shape.dim_v) = (1, 1),
    |s| (s.shape.len_q, s.shape.len_k) = (s.shape.len_q.div_ceil(2), s.shape.len_k.div_ceil(2)),
    |s| s.shape.len_q = s.shape.len_q.div_ceil(2),
    |s| s.shape.len_k = s.shape.len_k.div_ceil(2),
    |s| (s.shape.dim, s.shape.dim_v) = (s.shape.dim.div_ceil(2), s.shape.dim_v.div_ceil(2)),
    |s| s.shape.dim_v = s.shape.dim_v.div_ceil(2),
    |s| (s.shape.len_q, s.shape.len_k) = (less(s.shape.len_q), less(s.shape.len_k)),
    |s| s.shape.batch = less(s.shape.batch),
    |s| s.shape.len_q = less(s.shape.len_q),
    |s| s.shape.len_k = less(s.shape.len_k),
    |s| (s.shape.dim, s.shape.dim_v) = (less(s.shape.dim), less(s.shape.dim_v)),
    |s| s.shape.dim_v = less(s.shape.dim_v),
    |s| (s.shape.heads_q, s.shape.heads_kv) = fewer_heads(s),
];

const fn both(size: usize) -> (usize, usize) {
    (size, size)
}

const fn less(size: usize) -> usize {
    if size > 1 { size - 1 } else { 1 }
}

/// One key head less, or else one query head less of those that share it.
const fn fewer_heads(spec: &ProblemSpec) -> (usize, usize) {
    let (group, kv) = (spec.shape.group(), spec.shape.heads_kv);
    if kv > 1 { (group * (kv - 1), kv - 1) } else { (less(group), 1) }
}

/// A problem, not larger than `case`, that is wrong in the same way.
pub(crate) fn smallest(
    kernel: &Kernel<'_>,
    space: &Space<'_>,
    case: &Case,
    kind: Kind,
) -> Option<(Case, Box<Wrong>)> {
    let mut left = TRIALS;
    let mut wrong = |case: Case| {
        if left == 0 || !space.allows(&case) {
            return None;
        }
        left -= 1;
        match fate(kernel, &case) {
            Fate::Wrong(wrong) if wrong.kind == kind => Some((case, wrong)),
            _ => None,
        }
    };
    let mut next =
        |current: &Case, change: usize| simpler(current, change).into_iter().find_map(&mut wrong);
    let mut best: Option<(Case, Box<Wrong>)> = None;
    loop {
        let mut is_smallest = true;
        for change in 0..CHANGES {
            // As long as it helps.
            while let Some(smaller) = next(best.as_ref().map_or(case, |(case, _)| case), change) {
                (best, is_smallest) = (Some(smaller), false);
            }
        }
        if is_smallest {
            return best;
        }
    }
}

/// The steps, then plainer inputs, then a shorter seed.
const CHANGES: usize = STEPS.len() + 2;

/// What becomes of a case by a change; none if that changes nothing, or the inputs were given.
fn simpler(case: &Case, change: usize) -> Vec<Case> {
    let Some((own, seed)) = case.drawn_from() else { return Vec::new() };
    let other_seeds = || SEEDS.filter(|other| *other != seed);
    let same = |distribution, seed| Case::drawn(case.problem().clone(), distribution, seed);
    if let Some(step) = STEPS.get(change) {
        let mut spec = case.problem().spec().clone();
        step(&mut spec);
        let problem = Problem::new(refit(spec)).ok().filter(|problem| problem != case.problem());
        let Some(problem) = problem else { return Vec::new() };
        let seeds = std::iter::once(seed).chain(other_seeds());
        return seeds.map(|seed| Case::drawn(problem.clone(), own, seed)).collect();
    }
    if change == STEPS.len() {
        let plainer = PLAIN.into_iter().take_while(|plain| *plain != own);
        return plainer.flat_map(|plain| SEEDS.map(move |seed| same(plain, seed))).collect();
    }
    if SEEDS.contains(&seed) { Vec::new() } else { SEEDS.map(|seed| same(own, seed)).collect() }
}
