//! Standard normal numbers that are the same on every platform.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Box and Muller's transform over xoshiro256++, with `libm`'s software `log`, `cos` and `sin`.
///
/// ```text
/// z = sqrt(-2 ln u1) cos(2 pi u2)        u1 in (0, 1], u2 in [0, 1)
/// ```
pub(crate) struct Normal {
    bits: Xoshiro256PlusPlus,
    spare: Option<f64>,
}

impl Normal {
    /// Stream `stream` of the generator seeded by `seed`; streams are 2^128 numbers apart.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut bits = Xoshiro256PlusPlus::seed_from_u64(seed);
        for _ in 0..stream {
            bits.jump();
        }
        Normal { bits, spare: None }
    }

    /// Uniform in [0, 1), 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.bits.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Iterator for Normal {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if let Some(z) = self.spare.take() {
            return Some(z);
        }
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let angle = std::f64::consts::TAU * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        Some(radius * libm::cos(angle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_standard_normal() {
        let n = 100_000;
        let values: Vec<f64> = Normal::new(1, 0).take(n).collect();
        let moment = |power: i32| values.iter().map(|z| z.powi(power)).sum::<f64>() / n as f64;
        // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n).
        assert!(moment(1).abs() < 0.016);
        assert!((moment(2) - 1.0).abs() < 0.023);
        assert!((moment(4) - 3.0).abs() < 0.155);
    }
}
