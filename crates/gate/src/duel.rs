//! Two backends of one program against each other, paired as the gate pairs two programs.
//!
//! A replicate is `D = ln(time of the second / time of the first)` of two fresh processes that take turns ([`crate::pair`]), so what
//! slows the machine down slows down both. After 5, 8, 12, 16, 24 and 32 replicates their interval is looked at; it is narrow enough if
//! it reaches no further than `precision` to either side, or than 3 % of the logarithm of the ratio where that is more. An interval has
//! the level `1 - 0.05 / 6`: all six together hold the ratio with a probability of 95 % (Bonferroni), whichever is the last.

use attn_bench::run::Fixture;
use attn_bench::worker::{CellId, Launcher};
use attn_record::stats::{Interval, hodges_lehmann, mean_interval, signed_rank_interval};
use serde::Serialize;

use crate::judge::{Source as _, Stage};
use crate::live::{Conditions, Live, LiveError, Side, Timed};
use crate::rule::{FEWEST_RANKS, ln_ratio};
use crate::run::{Trouble, facts};

/// Replicates at which the interval is looked at.
const LOOKS: [usize; 6] = [5, 8, 12, 16, 24, 32];

/// All intervals together miss the ratio with this probability.
const MISS: f64 = 0.05;

/// Of the logarithm of a large ratio.
const OF_LARGE: f64 = 0.03;

/// What is compared.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Starts the workers.
    pub program: &'a Launcher,
    /// Ids of the backends.
    pub backends: [&'a str; 2],
    /// The case's id.
    pub case: &'a str,
    /// Its inputs.
    pub fixture: &'a Fixture,
    /// Threads of each.
    pub threads: usize,
    /// How far the interval may reach to either side, percent.
    pub precision: f64,
    /// A slowdown that the second is given, as a share.
    pub planted: f64,
}

/// Who is faster, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// Time of the second in units of the first's.
    pub ratio: f64,
    /// Holds the ratio with a probability of 95 %; `None` if it was stopped too early for one.
    pub interval: Option<[f64; 2]>,
    /// Pairs of processes.
    pub replicates: usize,
}

/// Who is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The first: its interval lies above 1.
    First,
    /// The second.
    Second,
    /// Nobody by more than the interval says, which is as narrow as it should be and holds 1.
    NoDifference,
    /// The interval holds 1 and is wide.
    Inconclusive,
}

impl Answer {
    /// What the replicates say; `None` without any.
    fn of(replicates: &[f64], precision: f64) -> Option<Self> {
        let theta = hodges_lehmann(replicates)?;
        let interval = interval(replicates);
        let verdict = match interval {
            Some(Interval { low, .. }) if low > 0.0 => Verdict::First,
            Some(Interval { high, .. }) if high < 0.0 => Verdict::Second,
            Some(found) if is_sharp(&found, precision) => Verdict::NoDifference,
            _ => Verdict::Inconclusive,
        };
        let interval = interval.map(|Interval { low, high, .. }| [low.exp(), high.exp()]);
        Some(Answer { verdict, ratio: theta.exp(), interval, replicates: replicates.len() })
    }
}

/// One of six that hold the location together at 95 %.
fn interval(replicates: &[f64]) -> Option<Interval> {
    let level = 1.0 - MISS / LOOKS.len() as f64;
    if replicates.len() >= FEWEST_RANKS {
        signed_rank_interval(replicates, level)
    } else {
        mean_interval(replicates, level)
    }
}

/// Whether neither side reaches beyond `precision`, percent, or beyond what does not matter where one is much faster.
fn is_sharp(interval: &Interval, precision: f64) -> bool {
    let Interval { low, high, .. } = interval;
    let reach = ln_ratio(precision).max(OF_LARGE * f64::midpoint(*low, *high).abs());
    high - low <= 2.0 * reach
}

/// Takes replicates until the interval is narrow; `None` if `goes_on`, which is told how many there are, stops it before the first.
///
/// Both backends compute inputs A and B first, and every process what it was timed on: a wrong result is an error, as are times that
/// cannot be.
pub fn duel(
    request: Request<'_>,
    conditions: Conditions,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Answer>, LiveError> {
    let Request { program, backends, case, fixture, threads, precision, planted } = request;
    let cell = |backend: &str| CellId { case: case.into(), backend: backend.into(), threads };
    let cells = backends.map(cell);
    for (cell, name) in cells.iter().zip(backends) {
        let side = name.to_string();
        facts(program, cell, fixture).map_err(|trouble| match trouble {
            Trouble::Wrong(finding) => LiveError::Wrong { side, finding },
            Trouble::Failed(source) => LiveError::Worker { side, source },
        })?;
    }
    let timed = [Timed { cells, fixture, planted }];
    let mut on_round = |_: Stage, _: usize| true;
    let sides = backends.map(|name| Side { name, program });
    let mut live = Live::new(sides, &timed, conditions, &mut on_round);
    let mut replicates = Vec::new();
    for look in LOOKS {
        while replicates.len() < look {
            if !goes_on(replicates.len()) {
                return Ok(Answer::of(&replicates, precision));
            }
            replicates.push(live.replicate(0)?);
        }
        if interval(&replicates).is_some_and(|found| is_sharp(&found, precision)) {
            break;
        }
    }
    Ok(Answer::of(&replicates, precision))
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// A normal number, by Box and Muller.
    fn normal(bits: &mut Xoshiro256PlusPlus) -> f64 {
        let mut unit = || (bits.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let (radius, angle) = (unit(), unit());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// The answer on replicates around `theta` whose standard deviation is `sd`, taken as [`duel`] does.
    fn answer(theta: f64, sd: f64, bits: &mut Xoshiro256PlusPlus) -> Answer {
        let mut replicates = Vec::new();
        for look in LOOKS {
            replicates.resize_with(look, || theta + sd * normal(bits));
            if interval(&replicates).is_some_and(|found| is_sharp(&found, 1.5)) {
                break;
            }
        }
        Answer::of(&replicates, 1.5).unwrap()
    }

    #[test]
    fn a_difference_is_seen_where_there_is_one_and_else_in_few_of_many_tries() {
        let mut bits = Xoshiro256PlusPlus::seed_from_u64(7);
        for sd in [0.003, 0.01, 0.02] {
            let tries = 400;
            let mut count = |theta: f64, verdict: Verdict| {
                (0..tries).filter(|_| answer(theta, sd, &mut bits).verdict == verdict).count()
            };
            let found = count(0.0, Verdict::First) + count(0.0, Verdict::Second);
            // 2 x 400 tries at no more than 5 % of 400 together.
            assert!(found <= tries / 20, "{found} of {tries} at {sd}");
            assert!(count(0.0, Verdict::NoDifference) >= tries * 9 / 10, "{sd}");
            assert!(count(1.03_f64.ln(), Verdict::First) >= tries * 19 / 20, "{sd}");
            assert!(count(-1.03_f64.ln(), Verdict::Second) >= tries * 19 / 20, "{sd}");
            let holds = |theta: f64, answer: Answer| {
                answer.interval.is_some_and(|[low, high]| (low..=high).contains(&theta.exp()))
            };
            let held = (0..tries).filter(|_| holds(0.5, answer(0.5, sd, &mut bits))).count();
            assert!(held >= tries * 19 / 20, "{held} of {tries} at {sd}");
        }
    }

    #[test]
    fn what_stays_wide_is_inconclusive_and_one_replicate_has_no_interval() {
        let wide: Vec<f64> = (0..32).map(|at| if at % 2 == 0 { 0.2 } else { -0.2 }).collect();
        assert_eq!(Answer::of(&wide, 1.5).unwrap().verdict, Verdict::Inconclusive);
        let one = Answer::of(&[0.1], 1.5).unwrap();
        assert_eq!((one.verdict, one.interval), (Verdict::Inconclusive, None));
        assert_eq!(Answer::of(&[], 1.5), None);
    }
}
