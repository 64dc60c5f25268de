//! Intervals of Student (1908) and Welch (1947): for a handful of values that are about normal, such as
//! the logarithms of the medians of a few processes.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

use super::Interval;

/// The interval of the mean, `mean +- t sd / sqrt(n)` with n - 1 degrees of freedom; `None` for fewer
/// than two values.
pub fn mean_interval(values: &[f64], level: f64) -> Option<Interval> {
    let variance = variance(values)? / values.len() as f64;
    around(mean(values)?, variance.sqrt(), (values.len() - 1) as f64, level)
}

/// The interval of `mean(a) - mean(b)`, `a` and `b` being independent and not equally spread (Welch,
/// with the degrees of freedom of Satterthwaite); `None` if either has fewer than two values.
pub fn difference_interval(a: &[f64], b: &[f64], level: f64) -> Option<Interval> {
    let of_mean = |x: &[f64]| Some(variance(x)? / x.len() as f64);
    let (va, vb) = (of_mean(a)?, of_mean(b)?);
    let (fa, fb) = ((a.len() - 1) as f64, (b.len() - 1) as f64);
    let both = va + vb;
    // Two constants leave 0 / 0; any number of degrees gives the same interval, a point.
    let freedom = if both == 0.0 { fa } else { both * both / (va * va / fa + vb * vb / fb) };
    around(mean(a)? - mean(b)?, both.sqrt(), freedom, level)
}

/// `center +- t error`, where t leaves `level` between -t and t.
pub(super) fn around(center: f64, error: f64, freedom: f64, level: f64) -> Option<Interval> {
    let half = t_quantile(freedom, f64::midpoint(1.0, level))? * error;
    Some(Interval { low: center - half, high: center + half, level })
}

/// The `q`-quantile of Student's distribution, at least one degree of freedom.
fn t_quantile(freedom: f64, q: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let coarse = student.inverse_cdf(q);
    // With many degrees of freedom the inverse has four digits only; a step of Newton doubles them.
    Some(coarse - (student.cdf(coarse) - q) / student.pdf(coarse))
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// `sum (x - mean)^2 / (n - 1)`; `None` for fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some(squares / (values.len() - 1) as f64)
}

/// The root of `sum (x - mean)^2 / (n - 1)`; `None` for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    Some(variance(values)?.sqrt())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LEVEL;
    use super::*;

    /// Hours of extra sleep of ten patients on two drugs: Student's own data, with the intervals that
    /// R's `t.test` gives.
    const FIRST: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
    const SECOND: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

    fn close(interval: Option<Interval>, low: f64, high: f64) {
        let found = interval.unwrap();
        assert!((found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let table =
            [(1.0, 12.7062), (2.0, 4.3027), (4.0, 2.7764), (10.0, 2.2281), (1e6, 1.959_966)];
        for (freedom, t) in table {
            let found = t_quantile(freedom, 0.975).unwrap();
            assert!((found - t).abs() < 5e-5, "{freedom}: {found}");
        }
        assert!((t_quantile(5.0, 0.995).unwrap() - 4.0321).abs() < 1e-4);
    }

    #[test]
    fn sleep_paired() {
        let pairs: Vec<f64> = FIRST.iter().zip(SECOND).map(|(a, b)| b - a).collect();
        close(mean_interval(&pairs, LEVEL), 0.700_114_2, 2.459_885_8);
    }

    #[test]
    fn sleep_unpaired() {
        close(difference_interval(&FIRST, &SECOND, LEVEL), -3.365_483_2, 0.205_483_2);
    }

    #[test]
    fn one_value_has_no_interval_and_constants_have_points() {
        assert_eq!(mean_interval(&[1.0], LEVEL), None);
        assert_eq!(difference_interval(&[1.0], &FIRST, LEVEL), None);
        close(mean_interval(&[3.0; 4], LEVEL), 3.0, 3.0);
        close(difference_interval(&[3.0; 4], &[1.0; 2], LEVEL), 2.0, 2.0);
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(standard_deviation(&[2.0, 4.0, 6.0]), Some(2.0));
    }

    proptest! {
        #[test]
        fn the_difference_the_other_way_round_is_its_negative(
            a in prop::collection::vec(-1e3f64..1e3, 2..9), b in prop::collection::vec(-1e3f64..1e3, 2..9)
        ) {
            let there = difference_interval(&a, &b, LEVEL).unwrap();
            let back = difference_interval(&b, &a, LEVEL).unwrap().map(|x| -x);
            prop_assert!((there.low - back.low).abs() < 1e-6 && (there.high - back.high).abs() < 1e-6);
        }
    }
}
