//! Sums and dot products as if computed in twice the precision of f64.
//!
//! For problems stored in f64 a plain f64 oracle would be no judge: it makes the same roundings as a
//! kernel that happens to sum in the same order. Dot2 and Sum2 (Ogita, Rump and Oishi, "Accurate sum
//! and dot product", 2005, algorithms 4.4 and 5.3) are good to one rounding of the result for every
//! dot product that is not hopelessly cancelled.

/// A running sum with the sum of its rounding errors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// `x` alone.
    pub(crate) const fn of(x: f64) -> Self {
        Sum { high: x, low: 0.0 }
    }

    /// Adds `x` (`TwoSum`, Knuth).
    pub(crate) fn add(&mut self, x: f64) {
        let sum = self.high + x;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (x - part);
        self.high = sum;
    }

    /// Adds `a b` (`TwoProduct` by a fused multiply-add).
    pub(crate) fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.low += a.mul_add(b, -product);
        self.add(product);
    }

    /// Adds another sum.
    pub(crate) fn add_sum(&mut self, other: Sum) {
        self.add(other.high);
        self.low += other.low;
    }

    /// The sum, rounded once, and what that rounding drops.
    pub(crate) fn split(self) -> (f64, f64) {
        let value = self.value();
        (value, (self.high - value) + self.low)
    }

    /// The sum, rounded once.
    pub(crate) fn value(self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cancels_in_f64_survives() {
        let mut sum = Sum::default();
        for x in [1e16, 1.0, -1e16, 1.0] {
            sum.add(x);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn products_keep_the_bits_that_rounding_drops() {
        let (a, b) = (1.0 + f64::EPSILON, 1.0 - f64::EPSILON);
        let mut sum = Sum::default();
        sum.add_product(a, b);
        sum.add(-1.0);
        assert_eq!(sum.value(), -f64::EPSILON * f64::EPSILON);
    }

    #[test]
    fn repeated_terms_have_no_bias() {
        let (mut sum, mut plain) = (Sum::default(), 0.0);
        for _ in 0..10_000 {
            sum.add(0.1);
            plain += 0.1;
        }
        assert_eq!(sum.value(), 1000.0);
        assert_ne!(plain, 1000.0);
    }
}
