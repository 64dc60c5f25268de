//! The normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// The `q`-quantile of the normal distribution with mean 0 and standard deviation 1.
pub fn normal_quantile(q: f64) -> f64 {
    Normal::standard().inverse_cdf(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let table = [(0.5, 0.0), (0.95, 1.644_854), (0.975, 1.959_964), (0.01, -2.326_348)];
        for (q, z) in table {
            assert!((normal_quantile(q) - z).abs() < 1e-6, "{q}");
        }
    }
}
