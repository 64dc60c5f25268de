//! Does the gate keep its promise on this machine? Slowdowns of exactly known size, and none.
//!
//! A slowdown is planted by calls: in a slot of `k` calls, HEAD makes `round(k x)` more that are not counted.
//! So its size is known exactly (1 call in 33 is 3.03 %), and the instructions are the kernel's own. One program is compared with itself.
//!
//! Samples are replicates. From them follow, per kind of case:
//!
//! - **live tries**: the gate's own procedure on consecutive replicates of one planted size, none used twice;
//! - **the replayed curve**: the same on consecutive replicates from all sizes, the planted part taken off
//!   and another put on, from random starts: many tries, which share their data;
//! - **suites** of 20 cases without any slowdown, replayed in the same way.

use attn_record::stats::{clopper_pearson, hodges_lehmann, standard_deviation};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::judge::{End, Source, Stage, judge};
use crate::rule::{Closed, Rule, ln_ratio, percent};
use crate::tries::{Tool, Try};

/// The schema of [`Summary`].
pub const SCHEMA: &str = "attn-calibration/1";

/// Slowdowns that are planted, percent.
pub const PLANTED: [f64; 6] = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0];

/// Cases of a replayed suite.
const SUITE: usize = 20;

/// Replayed suites, and replayed tries of each point of a curve.
const REPLAYS: u64 = 1000;

const LEVEL: f64 = 0.95;

/// One replicate: a line of `calibration.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Kind of case: `compute-bound`.
    pub kind: String,
    /// `BACKEND:CASE`.
    pub cell: String,
    /// The slowdown that was planted, percent.
    pub planted: f64,
    /// Calls of a slot that are counted, and calls beyond those: the slowdown as it really was.
    pub calls: [u32; 2],
    /// What was measured.
    pub ln_ratio: f64,
    /// Its standard error as far as its own blocks tell.
    pub error: f64,
    /// Blocks, and how many of them were left out.
    pub blocks: [usize; 2],
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl Sample {
    /// What is left without the slowdown that was planted.
    fn residual(&self) -> f64 {
        let [calls, more] = self.calls.map(f64::from);
        self.ln_ratio - (more / calls.max(1.0)).ln_1p()
    }
}

/// How often something happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How often it happened.
    pub hits: u64,
    /// Out of how many.
    pub tries: u64,
    /// The exact interval at 95 % (Clopper and Pearson); `null` without tries.
    pub interval: Option<[f64; 2]>,
}

impl Share {
    pub(crate) fn of(hits: u64, tries: u64) -> Self {
        let interval = clopper_pearson(hits, tries, LEVEL).map(|i| [i.low, i.high]);
        Share { hits, tries, interval }
    }

    /// The share itself.
    pub fn value(&self) -> Option<f64> {
        (self.tries > 0).then(|| self.hits as f64 / self.tries as f64)
    }
}

/// One planted size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The slowdown, percent.
    pub planted: f64,
    /// Replicates of it.
    pub replicates: usize,
    /// What they measure, percent; `null` without replicates.
    pub measured: Option<f64>,
    /// Live tries that ended REGRESSED.
    pub live: Share,
}

/// One kind of case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Its cell.
    pub cell: String,
    /// Replicates.
    pub replicates: usize,
    /// Standard deviation of a replicate, percent.
    pub sd: Option<f64>,
    /// The planted sizes.
    pub points: Vec<Point>,
    /// (slowdown in percent, share that ends REGRESSED), replayed.
    pub replayed: Vec<(f64, f64)>,
}

/// `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: String,
    /// The kinds.
    pub kinds: Vec<Kind>,
    /// Replayed suites of 20 cases without a slowdown that have a case REGRESSED.
    pub suites: Share,
    /// Whole comparisons with one slow cell, by this gate and by others.
    pub tools: Vec<Tool>,
}

impl Summary {
    /// From all samples, in the order in which they were taken.
    pub fn of(samples: &[Sample], tries: &[Try], rule: &Rule) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for sample in samples {
            if !names.contains(&sample.kind.as_str()) {
                names.push(&sample.kind);
            }
        }
        let kinds: Vec<Kind> = names.iter().map(|name| kind(name, samples, rule)).collect();
        let pools: Vec<Vec<f64>> = names
            .iter()
            .map(|name| samples.iter().filter(|s| s.kind == *name).map(Sample::residual).collect())
            .collect();
        Summary {
            schema: SCHEMA.into(),
            kinds,
            suites: suites(&pools, rule),
            tools: Tool::all(tries),
        }
    }
}

fn kind(name: &str, samples: &[Sample], rule: &Rule) -> Kind {
    let own: Vec<&Sample> = samples.iter().filter(|sample| sample.kind == name).collect();
    let residuals: Vec<f64> = own.iter().map(|sample| sample.residual()).collect();
    let points = PLANTED.iter().map(|&planted| {
        let at: Vec<f64> =
            own.iter().filter(|s| s.planted == planted).map(|s| s.ln_ratio).collect();
        Point {
            planted,
            replicates: at.len(),
            measured: hodges_lehmann(&at).map(percent),
            live: live(&at, rule),
        }
    });
    let curve = (0..=24).map(|step| f64::from(step) * 0.25);
    let pool = std::slice::from_ref(&residuals);
    let share = |slow: f64| {
        let hits = (0..REPLAYS).filter(|&seed| replay(pool, 1, ln_ratio(slow), seed, rule)).count();
        hits as f64 / REPLAYS as f64
    };
    let enough = residuals.len() >= rule.screen[1] + rule.confirm[0];
    Kind {
        name: name.into(),
        cell: own.first().map_or(String::new(), |sample| sample.cell.clone()),
        replicates: own.len(),
        sd: standard_deviation(&residuals).map(percent),
        points: points.collect(),
        replayed: curve.filter(|_| enough).map(|slow| (slow, share(slow))).collect(),
    }
}

/// Tries on consecutive replicates, none used twice, until they run out.
fn live(replicates: &[f64], rule: &Rule) -> Share {
    let mut source =
        Replay { pools: vec![(replicates, 0)], shift: 0.0, left: Some(replicates.len()) };
    let (mut hits, mut tries) = (0, 0);
    loop {
        let judged = judge(rule, 1, &mut source);
        match &judged.trials[0].end {
            None | Some(End::Failed(_)) => return Share::of(hits, tries),
            Some(End::Closed { closed: Closed::Regressed, .. }) => hits += 1,
            Some(_) => {}
        }
        tries += 1;
    }
}

fn suites(pools: &[Vec<f64>], rule: &Rule) -> Share {
    let needed = rule.screen[1] + rule.confirm[0];
    if pools.is_empty() || pools.iter().any(|pool| pool.len() < needed) {
        return Share::of(0, 0);
    }
    let hits = (0..REPLAYS).filter(|&seed| replay(pools, SUITE, 0.0, seed, rule)).count();
    Share::of(hits as u64, REPLAYS)
}

/// Whether a suite of `cases` cases, all slower by `shift`, has one that ends REGRESSED. The cases take turns
/// in the pools, and each reads on from a random start.
fn replay(pools: &[Vec<f64>], cases: usize, shift: f64, seed: u64, rule: &Rule) -> bool {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut start = |pool: &[f64]| (random.next_u64() % pool.len().max(1) as u64) as usize;
    let pools = (0..cases).map(|case| {
        let pool = pools[case % pools.len()].as_slice();
        (pool, start(pool))
    });
    let mut source = Replay { pools: pools.collect(), shift, left: None };
    let judged = judge(rule, cases, &mut source);
    let regressed = |end: &Option<End<Exhausted>>| {
        matches!(end, Some(End::Closed { closed: Closed::Regressed, .. }))
    };
    judged.trials.iter().any(|trial| regressed(&trial.end))
}

/// There are no replicates left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exhausted;

/// Replicates that were taken before.
struct Replay<'a> {
    /// The replicates of each case, and the next.
    pools: Vec<(&'a [f64], usize)>,
    shift: f64,
    /// How many may be used; without, they start again at the end.
    left: Option<usize>,
}

impl Source for Replay<'_> {
    type Error = Exhausted;

    fn replicate(&mut self, case: usize) -> Result<f64, Exhausted> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(Exhausted)?;
        }
        let (pool, next) = &mut self.pools[case];
        let value = pool.get(*next % pool.len().max(1)).ok_or(Exhausted)?;
        *next += 1;
        Ok(value + self.shift)
    }

    fn control(&mut self) -> Result<Option<f64>, Exhausted> {
        Ok(None)
    }

    fn round(&mut self, _stage: Stage, _cases: &mut Vec<usize>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replicates of every planted size with noise of about `sd`, from a seeded generator.
    fn samples(kind: &str, per_size: usize, sd: f64) -> Vec<Sample> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        // The sum of twelve uniform numbers is nearly normal, with the standard deviation 1.
        let mut normal = || {
            let uniform = |x: u64| x as f64 / u64::MAX as f64;
            (0..12).map(|_| uniform(random.next_u64())).sum::<f64>() - 6.0
        };
        let mut samples = Vec::new();
        for _ in 0..per_size {
            for planted in PLANTED {
                samples.push(Sample {
                    kind: kind.into(),
                    cell: "faer:gate/x".into(),
                    planted,
                    calls: [200, (2.0 * planted) as u32],
                    ln_ratio: ln_ratio(planted) + sd * normal(),
                    error: sd,
                    blocks: [8, 0],
                    at_ms: 0,
                });
            }
        }
        samples
    }

    #[test]
    fn a_calm_machine_finds_what_must_be_found_and_nothing_else() {
        let mut all = samples("compute-bound", 60, 0.005);
        all.extend(samples("memory-bound", 60, 0.006));
        let summary = Summary::of(&all, &[], &Rule::default());
        assert_eq!((summary.kinds.len(), summary.suites.tries), (2, REPLAYS));
        assert!(summary.suites.hits <= 10, "{summary:?}");
        for kind in &summary.kinds {
            let [none, .., three, five] = &kind.points[..] else { panic!() };
            assert_eq!((none.live.hits, three.live.hits), (0, three.live.tries), "{kind:?}");
            assert!(none.live.tries >= 7 && five.live.tries == 2);
            assert!((three.measured.unwrap() - 3.0).abs() < 0.3);
            let found = |slow: f64| kind.replayed.iter().find(|p| p.0 == slow).unwrap().1;
            assert!(found(0.0) <= 0.01 && found(3.0) >= 0.95 && found(5.0) >= 0.99, "{kind:?}");
        }
    }

    #[test]
    fn few_samples_make_few_claims() {
        let summary = Summary::of(&samples("threaded", 3, 0.005), &[], &Rule::default());
        let [kind] = &summary.kinds[..] else { panic!() };
        assert!(kind.points.iter().all(|point| point.live == Share::of(0, 0)));
        let none = Summary::of(&[], &[], &Rule::default());
        assert_eq!((none.kinds.len(), none.suites.value()), (0, None));
    }
}
