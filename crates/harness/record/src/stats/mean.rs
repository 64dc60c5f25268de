//! Means.

/// `(x_1 ... x_n)^(1/n)`; `None` without samples or if one is not positive.
///
/// The mean of ratios whose order does not depend on which side is the denominator (Fleming and
/// Wallace, 1986).
pub fn geometric_mean(samples: &[f64]) -> Option<f64> {
    if samples.is_empty() || !samples.iter().all(|&x| x > 0.0) {
        return None;
    }
    let logs: f64 = samples.iter().map(|x| x.ln()).sum();
    Some((logs / samples.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_means_by_hand() {
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(geometric_mean(&[1.0, 0.0]), None);
        assert_eq!(geometric_mean(&[1.0, f64::NAN]), None);
        assert!((geometric_mean(&[1.0, 4.0, 16.0]).unwrap() - 4.0).abs() < 1e-12);
    }
}
