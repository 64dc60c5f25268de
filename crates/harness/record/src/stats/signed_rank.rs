//! The signed-rank test of Wilcoxon (1945), exact, and the interval that follows from inverting it.
//!
//! The absolute values are ranked from 1; `W+` is the sum of the ranks of the positive ones. If the values
//! are symmetric about 0, every assignment of signs to ranks is equally likely, so that the distribution
//! of `W+` is known whatever theirs is. It is computed rank by rank,
//!
//! ```text
//! P_r(w) = P_{r-1}(w) / 2 + P_{r-1}(w - rank_r) / 2
//! ```
//!
//! **Ties** share the mean of their ranks, and the distribution is that of these very ranks: the test stays
//! exact. **Zeros** have no sign and are dropped before ranking, as Wilcoxon did: the test then speaks of
//! those that are left, and with none left it rejects nothing.

use super::Interval;

/// Which side a test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The centre is above 0.
    Above,
    /// The centre is below 0.
    Below,
    /// Either.
    Both,
}

/// How likely `W+` is to be at least as extreme as that of `values` if they are symmetric about 0.
pub fn signed_rank(values: &[f64], tail: Tail) -> f64 {
    let (ranks, positive) = doubled_ranks(values);
    let distribution = distribution(&ranks);
    let above = distribution[positive..].iter().sum::<f64>().min(1.0);
    let below = distribution[..=positive].iter().sum::<f64>().min(1.0);
    match tail {
        Tail::Above => above,
        Tail::Below => below,
        Tail::Both => (2.0 * above.min(below)).min(1.0),
    }
}

/// The interval of the centre: all centres that the two-sided test does not reject at `1 - level`, which
/// lie between two of the ordered averages `(x_i + x_j) / 2`, `i <= j` (Tukey 1949). Its true level is the
/// smallest that is possible from `level` up.
///
/// `None` where so few values cannot reach the level: below 6 at 95 %.
pub fn signed_rank_interval(values: &[f64], level: f64) -> Option<Interval> {
    let n = values.len();
    let tail = (1.0 - level) / 2.0;
    let untied: Vec<usize> = (1..=n).map(|rank| 2 * rank).collect();
    let distribution = distribution(&untied);
    // The largest number of averages that may be cut off at one end: P(W+ < cut) <= tail.
    let cumulative = distribution.iter().step_by(2).scan(0.0, |sum, p| {
        *sum += p;
        Some(*sum)
    });
    let cut = cumulative.take_while(|&sum| sum <= tail).count();
    if cut == 0 {
        return None;
    }
    let mut averages: Vec<f64> =
        (0..n).flat_map(|i| (i..n).map(move |j| f64::midpoint(values[i], values[j]))).collect();
    averages.sort_by(f64::total_cmp);
    let at = cut - 1;
    Some(Interval { low: averages[at], high: averages[averages.len() - 1 - at], level })
}

/// Twice the rank of each value that is not 0, which is whole even for ties of an even number, and the
/// sum over those that are positive.
fn doubled_ranks(values: &[f64]) -> (Vec<usize>, usize) {
    let mut values: Vec<f64> = values.iter().copied().filter(|&x| x != 0.0).collect();
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut ranks = Vec::with_capacity(values.len());
    let mut positive = 0;
    for tied in values.chunk_by(|a, b| a.abs() == b.abs()) {
        // The ranks first..=last, whose mean doubled is their sum.
        let (first, last) = (ranks.len() + 1, ranks.len() + tied.len());
        ranks.resize(last, first + last);
        positive += (first + last) * tied.iter().filter(|&&x| x > 0.0).count();
    }
    (ranks, positive)
}

/// The probability of each sum of a random choice of `ranks`, from 0 up.
fn distribution(ranks: &[usize]) -> Vec<f64> {
    let mut probability = vec![0.0; ranks.iter().sum::<usize>() + 1];
    probability[0] = 1.0;
    let mut reached = 0;
    for &rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::hodges_lehmann;
    use super::*;

    /// All `2^n` signs, each with its `W+` by the definition of a rank.
    fn enumerate(values: &[f64], tail: Tail) -> f64 {
        let sizes: Vec<f64> = values.iter().map(|x| x.abs()).filter(|&x| x != 0.0).collect();
        let rank = |x: f64| {
            let below = sizes.iter().filter(|&&y| y < x).count();
            let tied = sizes.iter().filter(|&&y| y == x).count();
            below as f64 + f64::midpoint(tied as f64, 1.0)
        };
        let ranks: Vec<f64> = sizes.iter().map(|&x| rank(x)).collect();
        let observed: f64 = values.iter().filter(|&&x| x > 0.0).map(|&x| rank(x)).sum();
        let all = 1_u32 << ranks.len();
        let (mut above, mut below) = (0, 0);
        for signs in 0..all {
            let chosen = ranks.iter().enumerate().filter(|(at, _)| signs >> at & 1 == 1);
            let sum: f64 = chosen.map(|(_, rank)| rank).sum();
            above += u32::from(sum >= observed);
            below += u32::from(sum <= observed);
        }
        let share = |count: u32| f64::from(count) / f64::from(all);
        match tail {
            Tail::Above => share(above),
            Tail::Below => share(below),
            Tail::Both => (2.0 * share(above.min(below))).min(1.0),
        }
    }

    #[test]
    fn by_hand() {
        assert_eq!(signed_rank(&[], Tail::Above), 1.0);
        assert_eq!(signed_rank(&[0.0, 0.0], Tail::Above), 1.0);
        assert_eq!(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0], Tail::Above), 1.0 / 32.0);
        assert_eq!(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0], Tail::Below), 1.0);
        // W+ = 14 of 15: the two sets of ranks that reach it are all and all but the first.
        assert_eq!(signed_rank(&[-1.0, 2.0, 3.0, 4.0, 5.0], Tail::Above), 2.0 / 32.0);
        assert_eq!(signed_rank(&[1.0; 16], Tail::Above), 0.5_f64.powi(16));
    }

    /// Heights of Zea mays, in eighths of an inch, cross- minus self-fertilised: Darwin's fifteen pairs,
    /// as Fisher published them (1935), for which R's `wilcox.test` gives V = 96 and p = 0.04126.
    #[test]
    fn darwin() {
        let pairs = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];
        let pairs: Vec<f64> = pairs.map(f64::from).into();
        let (_, positive) = doubled_ranks(&pairs);
        assert_eq!(positive, 2 * 96);
        assert!((signed_rank(&pairs, Tail::Both) - 0.041_259_8).abs() < 1e-6);
    }

    #[test]
    fn the_interval_of_the_tables() {
        // n = 6 at 95 % cuts nothing off; n = 10 cuts the eight smallest averages (critical value 8).
        let ladder = |n: i32| (1..=n).map(f64::from).collect::<Vec<_>>();
        assert_eq!(signed_rank_interval(&ladder(5), 0.95), None);
        let six = signed_rank_interval(&ladder(6), 0.95).unwrap();
        assert_eq!((six.low, six.high), (1.0, 6.0));
        let ten = signed_rank_interval(&ladder(10), 0.95).unwrap();
        // Averages in order: 1, 1.5, 2, 2, 2.5, 2.5, 3, 3, 3: the ninth is the first that is kept.
        assert_eq!((ten.low, ten.high), (3.0, 8.0));
    }

    proptest! {
        #[test]
        fn it_is_what_enumeration_gives(
            values in prop::collection::vec(-6i32..=6, 0..=12)
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            for tail in [Tail::Above, Tail::Below, Tail::Both] {
                let (found, expected) = (signed_rank(&values, tail), enumerate(&values, tail));
                prop_assert!((found - expected).abs() < 1e-12, "{tail:?}: {found} {expected}");
            }
        }

        #[test]
        fn swapping_the_sides_mirrors_it(values in prop::collection::vec(-9f64..9.0, 0..25)) {
            let mirrored: Vec<f64> = values.iter().map(|x| -x).collect();
            prop_assert_eq!(signed_rank(&values, Tail::Above), signed_rank(&mirrored, Tail::Below));
            prop_assert_eq!(signed_rank(&values, Tail::Both), signed_rank(&mirrored, Tail::Both));
        }

        #[test]
        fn the_interval_holds_the_centres_that_the_test_does_not_reject(
            values in prop::collection::vec(-9f64..9.0, 6..20)
        ) {
            let interval = signed_rank_interval(&values, 0.95).unwrap();
            prop_assert!(interval.contains(hodges_lehmann(&values).unwrap()));
            let p = |centre: f64| {
                let moved: Vec<f64> = values.iter().map(|x| x - centre).collect();
                signed_rank(&moved, Tail::Both)
            };
            prop_assert!(p(interval.low - 1e-9) <= 0.05 && p(interval.high + 1e-9) <= 0.05);
            if interval.high - interval.low > 1e-6 {
                prop_assert!(p(interval.low + 1e-9) > 0.05 && p(interval.high - 1e-9) > 0.05);
            }
        }
    }
}
