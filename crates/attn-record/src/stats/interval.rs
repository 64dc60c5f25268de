//! What all intervals are.

use serde::{Deserialize, Serialize};

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
    fn a_falling_function_swaps_the_ends() {
        assert_eq!(interval(1.0, 2.0).map(|x| 1.0 / x), interval(0.5, 1.0));
        assert_eq!(interval(1.0, 2.0).map(|x| x + 1.0), interval(2.0, 3.0));
    }
}
