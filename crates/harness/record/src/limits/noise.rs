//! How equal equal things look, and so how small a difference can be seen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::stats;

/// `MAD * 1.4826` estimates the standard deviation where values are normal.
const MAD_TO_SD: f64 = 1.4826;

/// How many standard errors a difference needs to be called one at 95 % (1.96), and to be called one four
/// times out of five (0.84 more).
const DETECTABLE: f64 = 1.96 + 0.84;

/// A against A: the same short computation, measured again and again in short slots, each in a fresh
/// thread on fresh memory; the slots of a pair are neighbours in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Wall time of a slot, nanoseconds: the median.
    pub slot_ns: u64,
    /// Number of slots.
    pub slots: u32,
    /// `1.4826 MAD / median` of the slots' medians: how much the same thing varies over the whole time.
    pub spread: f64,
    /// `1.4826 MAD` of the logarithms of the ratios within pairs: how much it varies between neighbours.
    /// Where it is smaller than `1.41 spread`, the machine drifts, and taking turns helps.
    pub pair_spread: f64,
}

impl Noise {
    /// Summarises the medians of the slots, in order, and the wall time of each; `None` for fewer than two
    /// pairs.
    pub fn of(medians: &[f64], slots: &[Duration]) -> Option<Self> {
        let (pairs, _) = medians.as_chunks::<2>();
        if pairs.len() < 2 {
            return None;
        }
        let ratios: Vec<f64> = pairs.iter().map(|[a, b]| (b / a).ln()).collect();
        let slots: Vec<f64> = slots.iter().map(|slot| slot.as_secs_f64() * 1e9).collect();
        Some(Noise {
            slot_ns: stats::median(&slots)? as u64,
            slots: medians.len() as u32,
            spread: MAD_TO_SD * stats::mad(medians)? / stats::median(medians)?,
            pair_spread: MAD_TO_SD * stats::mad(&ratios)?,
        })
    }

    /// The smallest relative difference between two programs that measuring them in turns for `time` finds
    /// four times out of five, at 95 %: `2.8 pair_spread / sqrt(pairs)`.
    ///
    /// A floor: it holds what the machine does, not what a program does to itself, such as where its
    /// memory lands.
    pub fn smallest_effect(&self, time: Duration) -> f64 {
        let pairs = time.as_secs_f64() * 1e9 / (2.0 * self.slot_ns.max(1) as f64);
        DETECTABLE * self.pair_spread / pairs.max(1.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_by_hand() {
        // Median 100, deviations 2 1 0 0 1 3: MAD 1. Log ratios ln(99/98), ln(100/100), ln(103/101).
        let medians = [98.0, 99.0, 100.0, 100.0, 101.0, 103.0];
        let slots = [1, 2, 3, 4, 5, 6].map(Duration::from_millis);
        let found = Noise::of(&medians, &slots).unwrap();
        assert_eq!((found.slot_ns, found.slots), (3_500_000, 6));
        assert!((found.spread - 0.014_826).abs() < 1e-9);
        let middle = (99.0_f64 / 98.0).ln();
        let mad = (103.0_f64 / 101.0).ln() - middle;
        assert!((found.pair_spread - 1.4826 * mad).abs() < 1e-9, "{found:?}");
        assert_eq!(Noise::of(&medians[..3], &slots), None);
    }

    #[test]
    fn a_slow_drift_is_not_noise_between_neighbours() {
        let medians: Vec<f64> = (0..200).map(|at| 100.0 * 1.001_f64.powi(at)).collect();
        let found = Noise::of(&medians, &[Duration::from_millis(1); 200]).unwrap();
        assert!(found.spread > 0.05 && found.pair_spread < 1e-9, "{found:?}");
    }

    #[test]
    fn four_times_the_time_halves_the_smallest_effect() {
        let noise = Noise { slot_ns: 5_000_000, slots: 100, spread: 0.02, pair_spread: 0.02 };
        // 10 s are 1000 pairs of 5 ms: 2.8 * 0.02 / 31.62.
        let ten = noise.smallest_effect(Duration::from_secs(10));
        assert!((ten - 0.001_770_9).abs() < 1e-6, "{ten}");
        assert!((noise.smallest_effect(Duration::from_secs(40)) - ten / 2.0).abs() < 1e-12);
        assert!((noise.smallest_effect(Duration::ZERO) - 0.056).abs() < 1e-12, "one pair at least");
    }
}
