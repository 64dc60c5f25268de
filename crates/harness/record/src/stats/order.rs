//! Order statistics.

/// The middle value, or the mean of the two middle ones; `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The `q`-quantile by linear interpolation between order statistics (Hyndman and Fan, type 7).
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    quantile_in_place(&mut samples.to_vec(), q)
}

/// As [`quantile`], reordering `samples` instead of a copy: linear in their number.
pub(super) fn quantile_in_place(samples: &mut [f64], q: f64) -> Option<f64> {
    let last = samples.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (_, &mut low, above) = samples.select_nth_unstable_by(at.floor() as usize, f64::total_cmp);
    if at.fract() == 0.0 {
        return Some(low);
    }
    let high = above.iter().copied().min_by(f64::total_cmp)?;
    // Equal neighbours first, so that infinities stay themselves.
    Some(if low == high { low } else { low + (high - low) * at.fract() })
}

/// Median absolute deviation from the median, not scaled.
pub fn mad(samples: &[f64]) -> Option<f64> {
    let center = median(samples)?;
    let deviations: Vec<f64> = samples.iter().map(|x| (x - center).abs()).collect();
    median(&deviations)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_of_none_one_two_three_and_four() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 2.0]), Some(3.5));
        assert_eq!(median(&[f64::INFINITY; 2]), Some(f64::INFINITY));
    }

    #[test]
    fn quantiles_interpolate_between_order_statistics() {
        let samples = [10.0, 40.0, 20.0, 30.0, 50.0];
        assert_eq!(quantile(&samples, 0.0), Some(10.0));
        assert_eq!(quantile(&samples, 0.25), Some(20.0));
        assert_eq!(quantile(&samples, 0.9), Some(46.0));
        assert_eq!(quantile(&samples, 1.0), Some(50.0));
    }

    #[test]
    fn mad_by_hand() {
        assert_eq!(mad(&[]), None);
        assert_eq!(mad(&[7.0]), Some(0.0));
        // Median 2, deviations 1 1 0 0 2 4 7.
        assert_eq!(mad(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), Some(1.0));
        assert_eq!(mad(&[1.0, 2.0, 3.0, 10.0]), Some(1.0));
    }

    proptest! {
        #[test]
        fn half_of_the_samples_lie_on_either_side_of_the_median(
            samples in prop::collection::vec(-1e6f64..1e6, 1..50)
        ) {
            let center = median(&samples).unwrap();
            let below = samples.iter().filter(|&&x| x < center).count();
            let above = samples.iter().filter(|&&x| x > center).count();
            prop_assert!(below * 2 <= samples.len() && above * 2 <= samples.len());
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_samples(
            samples in prop::collection::vec(-1e6f64..1e6, 1..50), q in 0.0f64..=1.0
        ) {
            let mut sorted = samples.clone();
            sorted.sort_by(f64::total_cmp);
            let at = q * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            prop_assert_eq!(quantile(&samples, q).unwrap(), low + (high - low) * at.fract());
        }
    }
}
