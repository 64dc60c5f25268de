//! Percentile bootstrap (Efron 1979): resample with replacement, take the statistic of each resample,
//! and read the interval off its quantiles.
//!
//! Nothing is assumed about the shape of the samples' distribution, but that they are independent is.
//! The draws come from xoshiro256++ with a fixed seed: the same samples give the same interval.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::order::quantile_in_place;
use super::{Interval, quantile};

/// Resamples. The ends' own noise at 95 % is then about a twentieth of the interval's width.
const RESAMPLES: usize = 2000;
const SEED: u64 = 1;

/// The interval of the median; `None` for fewer than two samples, which say nothing of their spread.
pub fn bootstrap_median(samples: &[f64], level: f64) -> Option<Interval> {
    let mut draws = Draws::new();
    let mut buffer = Vec::new();
    interval(level, || draws.median(samples, &mut buffer))
}

/// The interval of `median(a) / median(b)`, `a` and `b` being independent; `None` if either has fewer
/// than two samples or `b` may have the median 0.
pub fn bootstrap_ratio(a: &[f64], b: &[f64], level: f64) -> Option<Interval> {
    let mut draws = Draws::new();
    let mut buffer = Vec::new();
    interval(level, || {
        let a = draws.median(a, &mut buffer)?;
        let b = draws.median(b, &mut buffer)?;
        (b != 0.0).then_some(a / b)
    })
}

fn interval(level: f64, mut resample: impl FnMut() -> Option<f64>) -> Option<Interval> {
    let found: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect::<Option<_>>()?;
    let tail = (1.0 - level) / 2.0;
    Some(Interval { low: quantile(&found, tail)?, high: quantile(&found, 1.0 - tail)?, level })
}

struct Draws(Xoshiro256PlusPlus);

impl Draws {
    fn new() -> Self {
        Draws(Xoshiro256PlusPlus::seed_from_u64(SEED))
    }

    /// The median of as many samples, drawn with replacement.
    fn median(&mut self, samples: &[f64], buffer: &mut Vec<f64>) -> Option<f64> {
        if samples.len() < 2 {
            return None;
        }
        buffer.clear();
        buffer.extend((0..samples.len()).map(|_| samples[self.below(samples.len())]));
        quantile_in_place(buffer, 0.5)
    }

    /// From 0 to `n - 1`: the high word of the product, its bias below n / 2^64 (Lemire 2019).
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{LEVEL, median};
    use super::*;

    #[test]
    fn one_sample_knows_nothing_of_its_spread_and_equal_ones_have_none() {
        assert_eq!(bootstrap_median(&[], LEVEL), None);
        assert_eq!(bootstrap_median(&[1.0], LEVEL), None);
        let point = Interval { low: 7.0, high: 7.0, level: LEVEL };
        assert_eq!(bootstrap_median(&[7.0; 5], LEVEL), Some(point));
        let half = Interval { low: 0.5, high: 0.5, level: LEVEL };
        assert_eq!(bootstrap_ratio(&[7.0; 5], &[14.0; 3], LEVEL), Some(half));
        assert_eq!(bootstrap_ratio(&[7.0; 5], &[14.0], LEVEL), None);
        assert_eq!(bootstrap_ratio(&[7.0; 5], &[0.0, 0.0], LEVEL), None);
    }

    /// Of 1..=101 the resampled median is nearly normal around 51 with the standard deviation
    /// `101 / (2 sqrt(101))` = 5.03 of order statistics, so the interval is near 51 +- 9.8.
    #[test]
    fn the_interval_of_a_uniform_ladder() {
        let ladder: Vec<f64> = (1..=101).map(f64::from).collect();
        let Interval { low, high, .. } = bootstrap_median(&ladder, LEVEL).unwrap();
        assert!((40.0..=43.0).contains(&low), "{low}");
        assert!((59.0..=62.0).contains(&high), "{high}");
    }

    /// Of 400 sets of 25 uniform samples, 95 % of the intervals should hold the true median; three
    /// standard deviations of that share are 3.3 %, and the bootstrap of a median is a little narrow.
    #[test]
    fn it_covers_as_often_as_it_claims() {
        let mut draws = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut uniform = || draws.next_u64() as f64 / u64::MAX as f64;
        let sets = 400;
        let covered = (0..sets).filter(|_| {
            let samples: Vec<f64> = (0..25).map(|_| uniform()).collect();
            bootstrap_median(&samples, LEVEL).unwrap().contains(0.5)
        });
        let share = covered.count() as f64 / f64::from(sets);
        assert!((0.91..=0.985).contains(&share), "{share}");
    }

    proptest! {
        #[test]
        fn it_holds_the_median_and_scales_with_the_samples(
            samples in prop::collection::vec(1f64..1e6, 2..40)
        ) {
            let interval = bootstrap_median(&samples, LEVEL).unwrap();
            prop_assert!(interval.contains(median(&samples).unwrap()));
            let doubled: Vec<f64> = samples.iter().map(|x| 2.0 * x).collect();
            prop_assert_eq!(bootstrap_median(&doubled, LEVEL).unwrap(), interval.map(|x| 2.0 * x));
        }
    }
}
