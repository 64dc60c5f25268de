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
    |s| s.shape.dim_v = s.shape.dim,
    |s| s.shape.batch = 1,
    |s| s.shape.heads_q = s.shape.heads_kv,
    |s| (s.shape.heads_q, s.shape.heads_kv) = (s.shape.group(), 1),
    |s| (s.shape.len_q, s.shape.len_k) = (1, 1),
    |s| s.shape.len_q = 1,
    |s| s.shape.len_k = 1,
    |s| s.shape.len_q = s.shape.len_k,
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
    let mut best: Option<(Case, Box<Wrong>)> = None;
    let mut left = TRIALS;
    loop {
        let current = best.as_ref().map_or(case, |(case, _)| case);
        let next = simpler(current).find_map(|case| {
            if left == 0 || !space.allows(&case) {
                return None;
            }
            left -= 1;
            match fate(kernel, &case) {
                Fate::Wrong(wrong) if wrong.kind == kind => Some((case, wrong)),
                _ => None,
            }
        });
        match next {
            Some(smaller) => best = Some(smaller),
            None => return best,
        }
    }
}

/// Simpler cases, the boldest first; at last the same with a shorter seed.
fn simpler(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let drawn = case.drawn_from().into_iter();
    drawn.flat_map(move |(own, seed)| simpler_drawn(case, own, seed))
}

fn simpler_drawn(case: &Case, own: InputDistribution, seed: u64) -> impl Iterator<Item = Case> {
    let spec = case.problem().spec();
    let problems = STEPS.iter().filter_map(|step| {
        let mut changed = spec.clone();
        step(&mut changed);
        let problem = Problem::new(refit(changed)).ok()?;
        (problem != *case.problem()).then_some(problem)
    });
    let simpler = problems.flat_map(move |problem| {
        let seeds = std::iter::once(seed).chain(SEEDS.filter(move |other| *other != seed));
        seeds.map(move |seed| Case::drawn(problem.clone(), own, seed))
    });
    let rank = |one: InputDistribution| PLAIN.iter().position(|plain| *plain == one);
    let plainer = &PLAIN[..rank(own).unwrap_or(PLAIN.len())];
    let same = |distribution, seed| Case::drawn(case.problem().clone(), distribution, seed);
    let inputs = plainer.iter().flat_map(move |one| SEEDS.map(move |seed| same(*one, seed)));
    let short = SEEDS.filter(move |_| !SEEDS.contains(&seed)).map(move |seed| same(own, seed));
    simpler.chain(inputs).chain(short)
}
