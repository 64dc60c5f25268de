//! How the replicates of a case become a verdict.
//!
//! A replicate is `D = ln(time of HEAD / time of base)`; `theta` is where the replicates are centred.
//!
//! 1. **Screen**, after 5 and again after 8 replicates: PASS if Student's upper bound of `theta` lies under
//!    the slowdown that must be detected (3 %). Each look lets a case that is that slow pass with a
//!    probability of 0.25 % at most.
//! 2. **Confirm**, only what is undecided: 16 *fresh* replicates, or up to 32 where the screen's spread says
//!    that those would be too few, and the exact signed-rank test of `theta <= tolerated` (0.75 %), with
//!    Holm's correction over the cases that got here. The screen's replicates are not used again, so whatever
//!    the screen did, a suite without a true slowdown beyond what is tolerated fails with a probability of
//!    `alpha` (1 %) at most.
//! 3. **Close**: what is not rejected passes if all replicates together put the upper bound under 3 %;
//!    otherwise it is inconclusive, and the number of replicates that would decide is given.

use attn_record::stats::{
    Interval, Tail, hodges_lehmann, mean_interval, normal_quantile, signed_rank,
    signed_rank_interval, standard_deviation,
};

/// Efficiency of the signed-rank test against the t-test where values are normal: `3 / pi`.
const EFFICIENCY: f64 = 0.955;

/// How often the confirmation is planned to detect a true slowdown: 98 %, so that with what the screen
/// misses, and a spread that is only estimated, 95 % are left.
const POWER: f64 = 0.98;

/// Below this number the signed-rank test cannot reach 1 in 1000 on two sides.
pub(crate) const FEWEST_RANKS: usize = 11;

/// The parameters. Effects are logarithms of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// A slowdown of this size must be detected.
    pub detect: f64,
    /// A slowdown up to this size must not fail.
    pub tolerate: f64,
    /// Probability that a suite fails without a slowdown beyond what is tolerated.
    pub alpha: f64,
    /// Probability that one look of the screen lets pass what must be detected.
    pub look: f64,
    /// The probability below which the control, a comparison of base with itself, voids the run.
    pub control: f64,
    /// Replicates before the first and the second look.
    pub screen: [usize; 2],
    /// The fewest and the most fresh replicates of a case that the screen could not decide.
    pub confirm: [usize; 2],
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            detect: ln_ratio(3.0),
            tolerate: ln_ratio(0.75),
            alpha: 0.01,
            look: 0.0025,
            control: 0.001,
            screen: [5, 8],
            confirm: [16, 32],
        }
    }
}

/// `ln(1 + percent / 100)`.
pub fn ln_ratio(percent: f64) -> f64 {
    (percent / 100.0).ln_1p()
}

/// `100 (e^x - 1)`: a logarithm of a ratio as a change in percent.
pub fn percent(ln_ratio: f64) -> f64 {
    100.0 * ln_ratio.exp_m1()
}

/// What the screen says of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screened {
    /// Slower by less than must be detected.
    Pass,
    /// Faster by more than is tolerated.
    Improved,
    /// Neither can be said.
    Undecided,
}

/// What closes a case that was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Slower by more than is tolerated, at the suite's `alpha`.
    Regressed,
    /// Slower by less than must be detected.
    Pass,
    /// Neither can be said.
    Inconclusive,
}

impl Rule {
    /// Looks at the replicates of the screen.
    pub fn look(&self, replicates: &[f64]) -> Screened {
        let Some(upper) = upper_bound(replicates, self.look) else {
            return Screened::Undecided;
        };
        if upper < -self.tolerate {
            Screened::Improved
        } else if upper < self.detect {
            Screened::Pass
        } else {
            Screened::Undecided
        }
    }

    /// How likely `fresh` replicates like these are if the slowdown is not beyond what is tolerated.
    pub fn p_value(&self, fresh: &[f64]) -> f64 {
        let beyond: Vec<f64> = fresh.iter().map(|d| d - self.tolerate).collect();
        signed_rank(&beyond, Tail::Above)
    }

    /// Closes a case with the p-value of its fresh replicates, adjusted for all cases that were confirmed,
    /// and all its replicates.
    pub fn close(&self, adjusted_p: f64, replicates: &[f64]) -> Closed {
        let under = upper_bound(replicates, 2.0 * self.look).is_some_and(|up| up < self.detect);
        if adjusted_p <= self.alpha {
            Closed::Regressed
        } else if under {
            Closed::Pass
        } else {
            Closed::Inconclusive
        }
    }

    /// How likely the replicates of a control are, which compares a program with itself: exact from
    /// 11 replicates on, Student's below.
    pub fn control_p(replicates: &[f64]) -> f64 {
        if replicates.len() >= FEWEST_RANKS {
            return signed_rank(replicates, Tail::Both);
        }
        // The level at which Student's interval just reaches 0.
        let holds_zero =
            |level: f64| mean_interval(replicates, level).is_none_or(|i| i.contains(0.0));
        let (mut out, mut within) = (0.0, 1.0);
        for _ in 0..40 {
            let level = f64::midpoint(out, within);
            if holds_zero(level) { within = level } else { out = level }
        }
        1.0 - out
    }

    /// Fresh replicates to take of a case whose replicates have the standard deviation `sd`, among
    /// `confirmed` cases: it depends on the spread of the screen alone, not on which side is slower.
    pub fn fresh(&self, sd: f64, confirmed: usize) -> usize {
        let [fewest, most] = self.confirm;
        self.replicates_for(sd, self.detect - self.tolerate, confirmed).clamp(fewest, most)
    }

    /// Replicates of standard deviation `sd` that would tell a case centred at `theta` apart from what is
    /// tolerated, or from what must be detected, whichever is further away, among `confirmed` cases.
    pub fn needed(&self, sd: f64, theta: f64, confirmed: usize) -> usize {
        let gap = (theta - self.tolerate).max(self.detect - theta);
        self.replicates_for(sd, gap, confirmed).max(self.confirm[0])
    }

    /// `(z_alpha + z_beta)^2 sd^2 / gap^2 + z_alpha^2 / 2` (Guenther 1981), the first term divided by the
    /// efficiency of ranks.
    fn replicates_for(&self, sd: f64, gap: f64, confirmed: usize) -> usize {
        let (alpha, beta) = self.quantiles(confirmed);
        let needed = ((alpha + beta) * sd / gap).powi(2) / EFFICIENCY + alpha * alpha / 2.0;
        needed.ceil() as usize
    }

    /// The smallest slowdown that the fewest fresh replicates, of standard deviation `sd`, detect in 95 of
    /// 100 tries, if one case is confirmed.
    pub fn smallest_effect(&self, sd: f64) -> f64 {
        let (alpha, beta) = self.quantiles(1);
        let replicates = self.confirm[0] as f64 - alpha * alpha / 2.0;
        self.tolerate + (alpha + beta) * sd / (EFFICIENCY * replicates).sqrt()
    }

    /// Normal quantiles of the two errors: a false fail among `confirmed` cases, and a miss.
    fn quantiles(&self, confirmed: usize) -> (f64, f64) {
        let alpha = self.alpha / confirmed.max(1) as f64;
        (normal_quantile(1.0 - alpha), normal_quantile(POWER))
    }
}

/// Student's upper bound of the mean, exceeded with probability `tail`; `None` below two values.
fn upper_bound(replicates: &[f64], tail: f64) -> Option<f64> {
    mean_interval(replicates, 1.0 - 2.0 * tail).map(|interval| interval.high)
}

/// Where replicates are centred, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Hodges and Lehmann's estimate.
    pub theta: f64,
    /// At 95 %: the inverted signed-rank test from 10 replicates on, Student's below; `None` for one.
    pub interval: Option<Interval>,
    /// Standard deviation of the replicates; `None` for one.
    pub sd: Option<f64>,
}

impl Estimate {
    /// The estimate from `replicates`; `None` without any.
    pub fn of(replicates: &[f64]) -> Option<Self> {
        let level = attn_record::stats::LEVEL;
        let interval = if replicates.len() >= 10 {
            signed_rank_interval(replicates, level)
        } else {
            mean_interval(replicates, level)
        };
        let theta = hodges_lehmann(replicates)?;
        Some(Estimate { theta, interval, sd: standard_deviation(replicates) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count` values around `center` that alternate, with the standard deviation `sd`.
    fn around(center: f64, sd: f64, count: usize) -> Vec<f64> {
        let side = |at: usize| if at.is_multiple_of(2) { 1.0 } else { -1.0 };
        let values: Vec<f64> = (0..count).map(|at| side(at) * (1.0 + at as f64 / 50.0)).collect();
        let mean = values.iter().sum::<f64>() / count as f64;
        let now = standard_deviation(&values).unwrap();
        values.iter().map(|x| center + (x - mean) * sd / now).collect()
    }

    /// With t = 5.5976 at 4 degrees of freedom the bound of five replicates is `mean + 2.5033 sd`.
    #[test]
    fn the_first_look_is_students_bound() {
        let rule = Rule::default();
        let room = rule.detect / 2.5033;
        assert_eq!(rule.look(&around(0.0, room * 0.999, 5)), Screened::Pass);
        assert_eq!(rule.look(&around(0.0, room * 1.001, 5)), Screened::Undecided);
        assert_eq!(rule.look(&[0.0]), Screened::Undecided);
    }

    #[test]
    fn faster_is_said_only_where_it_is_sure() {
        let rule = Rule::default();
        assert_eq!(rule.look(&around(-0.05, 0.01, 5)), Screened::Improved);
        assert_eq!(rule.look(&around(-0.05, 0.02, 5)), Screened::Pass);
    }

    #[test]
    fn what_is_tolerated_is_not_rejected_and_a_clear_slowdown_is() {
        let rule = Rule::default();
        assert!(rule.p_value(&around(rule.tolerate, 0.005, 16)) > 0.3);
        assert_eq!(rule.p_value(&[0.05; 16]), 0.5_f64.powi(16));
        assert_eq!(rule.p_value(&[-0.05; 16]), 1.0);
    }

    #[test]
    fn closing() {
        let rule = Rule::default();
        assert_eq!(rule.close(0.01, &around(0.03, 0.01, 24)), Closed::Regressed);
        assert_eq!(rule.close(0.011, &around(0.005, 0.01, 24)), Closed::Pass);
        assert_eq!(rule.close(0.5, &around(0.0, 0.08, 24)), Closed::Inconclusive);
    }

    #[test]
    fn the_control_notices_a_constant_difference() {
        assert!(Rule::control_p(&around(0.02, 0.006, 8)) < 0.001);
        assert!(Rule::control_p(&around(0.0, 0.006, 8)) > 0.9);
        assert!(Rule::control_p(&around(0.02, 0.006, 24)) < 0.001);
        // Student's table: t = 2.364624 at 7 degrees of freedom is 5 % on two sides.
        let p = Rule::control_p(&around(2.364_624 / 8_f64.sqrt(), 1.0, 8));
        assert!((p - 0.05).abs() < 1e-6, "{p}");
    }

    /// By hand: 2.32635 + 2.05375 = 4.38010 standard errors, 2.32635^2 / 2 = 2.70594.
    #[test]
    fn the_smallest_effect_and_the_replicates_that_are_needed() {
        let rule = Rule::default();
        // 0.0438010 / sqrt(0.955 * 13.29406) + ln 1.0075.
        assert!((rule.smallest_effect(0.01) - 0.019_765).abs() < 1e-5);
        // sd 4 %, theta 0: (4.38010 * 0.04 / 0.0295588)^2 / 0.955 + 2.706 = 39.5.
        assert_eq!(rule.needed(0.04, 0.0, 1), 40);
        assert_eq!(rule.needed(0.001, 0.0, 1), 16);
        assert!(rule.needed(0.04, 0.02, 1) > rule.needed(0.04, 0.0, 1));
        assert!(rule.needed(0.04, 0.0, 20) > 40);
        // sd 1.7 % and 11 cases: (5.1725 * 0.017 / 0.0220867)^2 / 0.955 + 4.863 = 21.5.
        assert_eq!([0.005, 0.017, 0.1].map(|sd| rule.fresh(sd, 11)), [16, 22, 32]);
    }

    #[test]
    fn estimates() {
        assert_eq!(Estimate::of(&[]), None);
        let one = Estimate::of(&[0.5]).unwrap();
        assert_eq!((one.theta, one.interval, one.sd), (0.5, None, None));
        assert!(Estimate::of(&around(0.0, 1.0, 12)).unwrap().interval.unwrap().contains(0.0));
    }

    #[test]
    fn percents_there_and_back() {
        assert!((percent(ln_ratio(3.0)) - 3.0).abs() < 1e-12);
        assert!((ln_ratio(3.0) - 1.03_f64.ln()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn a_slower_head_never_looks_better(
            replicates in prop::collection::vec(-0.1f64..0.1, 16), by in 0.0f64..0.1
        ) {
            let rule = Rule::default();
            let slower: Vec<f64> = replicates.iter().map(|d| d + by).collect();
            prop_assert!(rule.p_value(&slower) <= rule.p_value(&replicates));
            if rule.look(&slower) == Screened::Pass {
                prop_assert!(rule.look(&replicates) != Screened::Undecided);
            }
        }
    }
}
