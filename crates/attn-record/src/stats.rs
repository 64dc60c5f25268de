//! Summaries of samples. Every function has known-answer tests; none drops a sample.

/// The middle value, or the mean of the two middle ones; `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The `q`-quantile by linear interpolation between order statistics (Hyndman and Fan, type 7).
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    // Equal neighbours first, so that infinities stay themselves.
    Some(if low == high { low } else { low + (high - low) * at.fract() })
}

/// Median absolute deviation from the median, not scaled.
pub fn mad(samples: &[f64]) -> Option<f64> {
    let center = median(samples)?;
    let deviations: Vec<f64> = samples.iter().map(|x| (x - center).abs()).collect();
    median(&deviations)
}

/// `(x_1 ... x_n)^(1/n)`; `None` without samples or if one is not positive.
pub fn geometric_mean(samples: &[f64]) -> Option<f64> {
    if samples.is_empty() || !samples.iter().all(|&x| x > 0.0) {
        return None;
    }
    let logs: f64 = samples.iter().map(|x| x.ln()).sum();
    Some((logs / samples.len() as f64).exp())
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

    #[test]
    fn geometric_means_by_hand() {
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(geometric_mean(&[1.0, 0.0]), None);
        assert_eq!(geometric_mean(&[1.0, f64::NAN]), None);
        assert!((geometric_mean(&[1.0, 4.0, 16.0]).unwrap() - 4.0).abs() < 1e-12);
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
    }
}
