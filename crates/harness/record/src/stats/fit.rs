//! A straight line through points by least squares.

use serde::Serialize;

use super::student::{around, mean};
use super::{Interval, LEVEL};

/// `y = intercept + slope x`, fitted by least squares; of a power law, `ln y` against `ln x`.
///
/// ```text
/// slope = Sxy / Sxx        se = sqrt( (Syy - slope Sxy) / (n - 2) / Sxx )
/// ```
///
/// The interval takes the deviations from the line for noise. Where the points bend, it is as wide as
/// the bend makes it, and says nothing about sizes beyond those fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The slope: of a power law, its exponent.
    pub slope: f64,
    /// Its standard error; `None` for two points, through which some line always goes.
    pub error: Option<f64>,
    /// `slope +- t error`, with n - 2 degrees of freedom.
    pub interval: Option<Interval>,
    /// The value at `x = 0`; of a power law, the logarithm of that at `x = 1`.
    pub intercept: f64,
    /// Number of points.
    pub points: usize,
}

impl Fit {
    /// The line through `(x, y)`; `None` unless two points differ in x.
    pub fn line(points: &[(f64, f64)]) -> Option<Self> {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let (mean_x, mean_y) = (mean(&x)?, mean(&y)?);
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum()
        };
        let (sxx, sxy) = (sum(&|x, _| x * x), sum(&|x, y| x * y));
        if sxx == 0.0 || !sxx.is_finite() || !sxy.is_finite() {
            return None;
        }
        let slope = sxy / sxx;
        let residual = sum(&|x, y| (y - slope * x).powi(2));
        let freedom = points.len() as f64 - 2.0;
        let error = (freedom > 0.0).then(|| (residual / freedom / sxx).sqrt());
        Some(Fit {
            slope,
            error,
            interval: error.and_then(|error| around(slope, error, freedom, LEVEL)),
            intercept: mean_y - slope * mean_x,
            points: points.len(),
        })
    }

    /// The power law `y = c x^slope` through positive points; `None` if one is not positive, or as for
    /// [`Fit::line`].
    pub fn power_law(points: &[(f64, f64)]) -> Option<Self> {
        if points.iter().any(|&(x, y)| x <= 0.0 || y <= 0.0) {
            return None;
        }
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        Fit::line(&logs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first of Anscombe's four sets (1973): intercept 3.0001, slope 0.5001, error 0.1179.
    #[test]
    fn anscombe() {
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        let fit = Fit::line(&points).unwrap();
        assert!((fit.slope - 0.500_090_9).abs() < 1e-7, "{fit:?}");
        assert!((fit.intercept - 3.000_090_9).abs() < 1e-7);
        assert!((fit.error.unwrap() - 0.117_905_5).abs() < 1e-7);
        // +- 2.262157 standard errors.
        let interval = fit.interval.unwrap();
        assert!((interval.low - 0.233_370_1).abs() < 1e-6, "{interval:?}");
        assert!((interval.high - 0.766_811_7).abs() < 1e-6);
    }

    #[test]
    fn too_few_points() {
        assert_eq!(Fit::line(&[]), None);
        assert_eq!(Fit::line(&[(1.0, 1.0)]), None);
        assert_eq!(Fit::line(&[(1.0, 1.0), (1.0, 2.0)]), None);
        let two = Fit::line(&[(1.0, 1.0), (2.0, 3.0)]).unwrap();
        assert_eq!((two.slope, two.intercept, two.error), (2.0, -1.0, None));
        assert_eq!(two.interval, None);
    }

    #[test]
    fn only_positive_numbers_follow_a_power_law() {
        assert_eq!(Fit::power_law(&[(1.0, 1.0), (2.0, 0.0)]), None);
        assert_eq!(Fit::power_law(&[(-1.0, 1.0), (2.0, 1.0)]), None);
    }

    proptest! {
        #[test]
        fn an_exact_power_law_is_found(
            exponent in -3.0f64..3.0, factor in 0.01f64..100.0, points in 3usize..10
        ) {
            let law = |n: f64| (n, factor * n.powf(exponent));
            let points: Vec<_> = (0..points).map(|at| law(f64::from(64u32 << at))).collect();
            let fit = Fit::power_law(&points).unwrap();
            prop_assert!((fit.slope - exponent).abs() < 1e-9);
            prop_assert!((fit.intercept - factor.ln()).abs() < 1e-8);
            prop_assert!(fit.error.unwrap() < 1e-8);
        }
    }
}
