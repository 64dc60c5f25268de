//! What all intervals are.

use serde::{Deserialize, Serialize};

use super::normal_quantile;

/// The level of every interval that is shown: 95 %.
pub const LEVEL: f64 = 0.95;

/// A confidence interval: of many such, made the same way, the share `level` holds the true value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Between 0 and 1.
    pub level: f64,
}

impl Interval {
    /// Whether `x` lies in it, ends included.
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Half of its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether some number lies in both.
    pub fn overlaps(&self, other: &Interval) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// The interval of `f(x)`, where `f` never falls or never rises.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (f(self.low), f(self.high));
        Interval { low: a.min(b), high: a.max(b), level: self.level }
    }

    /// The interval around the same middle with `factor` times the width.
    #[must_use]
    pub fn times_as_wide(&self, factor: f64) -> Self {
        let half = factor * self.half_width();
        let middle = f64::midpoint(self.low, self.high);
        Interval { low: middle - half, high: middle + half, level: self.level }
    }

    /// The interval of a sum of which this one knows one part, and of the other only that it is independent, and
    /// normal around 0 with this variance. The half widths of both add up as squares.
    #[must_use]
    pub fn with_variance(&self, variance: f64) -> Self {
        let z = normal_quantile(f64::midpoint(1.0, self.level));
        let half = self.half_width().hypot(z * variance.sqrt());
        let middle = f64::midpoint(self.low, self.high);
        Interval { low: middle - half, high: middle + half, level: self.level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, level: LEVEL }
    }

    #[test]
    fn ends_belong_to_it() {
        let one_to_two = interval(1.0, 2.0);
        assert!(one_to_two.contains(1.0) && one_to_two.contains(2.0));
        assert!(!one_to_two.contains(0.9) && !one_to_two.contains(f64::NAN));
        assert!(one_to_two.overlaps(&interval(2.0, 3.0)));
        assert!(!one_to_two.overlaps(&interval(2.1, 3.0)));
    }

    #[test]
    fn half_widths_add_up_as_squares() {
        // 3 beside 1.959964 sqrt(v) = 4 make 5.
        let found = interval(-1.0, 5.0).with_variance((4.0f64 / 1.959_964).powi(2));
        assert!((found.low + 3.0).abs() < 1e-6 && (found.high - 7.0).abs() < 1e-6, "{found:?}");
        assert_eq!(interval(-1.0, 5.0).with_variance(0.0), interval(-1.0, 5.0));
    }

    #[test]
    fn a_wider_interval_has_the_same_middle() {
        assert_eq!(interval(1.0, 3.0).times_as_wide(1.5), interval(0.5, 3.5));
    }

    #[test]
    fn a_falling_function_swaps_the_ends() {
        assert_eq!(interval(1.0, 2.0).map(|x| 1.0 / x), interval(0.5, 1.0));
        assert_eq!(interval(1.0, 2.0).map(|x| x + 1.0), interval(2.0, 3.0));
    }
}
