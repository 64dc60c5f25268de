//! Both error rates of the contract, by simulation: the procedure that decides live runs is fed with
//! replicates from seeded noise. Noise is as measured on a two-core cloud machine, for kernels of
//! 0.3 ms and 4.3 ms, and with the outliers that such machines have.

use attn_gate::judge::{End, Source, Stage, judge};
use attn_gate::rule::{Closed, Rule, Screened, ln_ratio};
use attn_record::stats::clopper_pearson;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

const CASES: usize = 40;

/// Standard deviation of a replicate, and how often it is five times as large.
#[derive(Clone, Copy, Debug)]
struct Noise {
    sd: f64,
    outliers: f64,
}

/// Replicates of a suite in which one case, or every case, is slower.
struct Simulated {
    draws: Xoshiro256PlusPlus,
    noise: Noise,
    slowdown: [f64; CASES],
    taken: usize,
}

impl Simulated {
    fn uniform(&mut self) -> f64 {
        (self.draws.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller's normal deviate, sometimes five times as large.
    fn noise(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let factor = if self.uniform() < self.noise.outliers { 5.0 } else { 1.0 };
        normal * factor * self.noise.sd
    }
}

impl Source for Simulated {
    type Error = std::convert::Infallible;

    fn replicate(&mut self, case: usize) -> Result<f64, Self::Error> {
        self.taken += 1;
        Ok(self.slowdown[case] + self.noise())
    }

    fn control(&mut self) -> Result<Option<f64>, Self::Error> {
        Ok(Some(self.noise()))
    }

    fn round(&mut self, _stage: Stage, _cases: &mut Vec<usize>) -> bool {
        true
    }
}

/// Counts over many suites.
#[derive(Debug, Default)]
struct Counts {
    suites: u64,
    /// Suites with a case REGRESSED that is not slow.
    false_fails: u64,
    /// Suites in which case 0 is REGRESSED, passes, is inconclusive.
    regressed: u64,
    passed: u64,
    inconclusive: u64,
    void: u64,
    replicates: f64,
}

fn simulate(suites: u64, noise: Noise, slowdown: &[f64; CASES], slow: usize) -> Counts {
    let draws = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut source = Simulated { draws, noise, slowdown: *slowdown, taken: 0 };
    let mut counts = Counts { suites, ..Counts::default() };
    for _ in 0..suites {
        let judged = judge(&Rule::default(), CASES, &mut source);
        let end = |case: usize| judged.trials[case].end.as_ref().expect("nobody stops it");
        let closed = |case: usize| match end(case) {
            End::Screened(Screened::Undecided) => unreachable!("the screen decided"),
            End::Screened(_) => Closed::Pass,
            End::Closed { closed, .. } => *closed,
            End::Failed(never) => match *never {},
        };
        counts.false_fails += u64::from((slow..CASES).any(|at| closed(at) == Closed::Regressed));
        counts.regressed += u64::from(closed(0) == Closed::Regressed);
        counts.passed += u64::from(closed(0) == Closed::Pass);
        counts.inconclusive += u64::from(closed(0) == Closed::Inconclusive);
        counts.void += u64::from(judged.void);
    }
    counts.replicates = source.taken as f64 / (suites * CASES as u64) as f64;
    eprintln!("{noise:?} {counts:?}");
    counts
}

/// As measured: 144 blocks of 1.2 ms slots, 48 of 3.6 ms, a kernel of 4.3 ms; and with outliers.
const MEASURED: [Noise; 4] = [
    Noise { sd: 0.0063, outliers: 0.0 },
    Noise { sd: 0.0084, outliers: 0.0 },
    Noise { sd: 0.017, outliers: 0.0 },
    Noise { sd: 0.0063, outliers: 0.05 },
];

/// Every case is slower by all that is tolerated, the worst that the contract speaks of.
#[test]
fn at_most_one_suite_of_a_hundred_fails_without_a_slowdown() {
    for noise in MEASURED {
        let counts = simulate(2000, noise, &[ln_ratio(0.75); CASES], 0);
        let share = clopper_pearson(counts.false_fails, counts.suites, 0.99).unwrap();
        assert!(share.low <= 0.01, "{noise:?}: {counts:?}");
    }
}

#[test]
fn a_slowdown_of_three_percent_in_one_case_is_found() {
    for noise in MEASURED {
        let mut slowdown = [0.0; CASES];
        slowdown[0] = ln_ratio(3.0);
        let counts = simulate(2000, noise, &slowdown, 1);
        let share = clopper_pearson(counts.regressed, counts.suites, 0.99).unwrap();
        assert!(share.high >= 0.95 && counts.regressed * 100 >= 95 * counts.suites, "{counts:?}");
        assert!(counts.false_fails * 100 <= counts.suites, "{noise:?}: {counts:?}");
    }
}

/// Where noise hides a slowdown of three percent, the answer is not PASS.
#[test]
fn a_host_that_is_too_noisy_is_told_so() {
    let mut slowdown = [0.0; CASES];
    slowdown[0] = ln_ratio(3.0);
    let counts = simulate(500, Noise { sd: 0.06, outliers: 0.0 }, &slowdown, 1);
    assert!(counts.passed * 100 <= counts.suites, "{counts:?}");
    assert!(counts.inconclusive * 2 > counts.suites, "{counts:?}");
}
