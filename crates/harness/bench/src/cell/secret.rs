//! What a backend cannot know beforehand: which other inputs it is given, and when.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use attn_core::Variation;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A stream of random numbers whose seed this process has just drawn.
#[derive(Debug)]
pub struct Secret {
    seed: u64,
    bits: Xoshiro256PlusPlus,
    /// The last variation, and how many are drawn before the one that is a rotation.
    until_rotation: u32,
}

impl Secret {
    /// A new one, seeded by the operating system: what this process knows already would tell a backend in it what comes next.
    pub fn draw() -> Self {
        // Where the system has no random numbers, the standard library's hasher has the next best.
        let otherwise = |_| RandomState::new().hash_one(std::process::id());
        Secret::new(getrandom::u64().unwrap_or_else(otherwise))
    }

    fn new(seed: u64) -> Self {
        Secret { seed, bits: Xoshiro256PlusPlus::seed_from_u64(seed), until_rotation: 0 }
    }

    /// Its seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// `count` different numbers below `of`, ascending; all where there are fewer.
    pub fn numbers(&mut self, count: u32, of: u32) -> Vec<u32> {
        let count = count.min(of);
        let mut numbers = BTreeSet::new();
        while numbers.len() < count as usize {
            numbers.insert(self.below(of));
        }
        numbers.into_iter().collect()
    }

    /// The same, as moments for other inputs: one of the variations that are drawn after this, as many as there are numbers, is a
    /// rotation. A kernel may know inputs again whose signs have changed, but not these; inputs that are not finite have no rotation.
    pub fn moments(&mut self, count: u32, of: u32) -> Vec<u32> {
        let moments = self.numbers(count, of);
        self.rotate_one_of(moments.len() as u32);
        moments
    }

    /// One of the next `count` variations is a rotation.
    pub fn rotate_one_of(&mut self, count: u32) {
        self.until_rotation = if count == 0 { 0 } else { self.below(count) };
    }

    /// Other inputs; those that are not `finite` are not rotated.
    pub fn variation(&mut self, finite: bool) -> Variation {
        let seed = self.bits.next_u64();
        let rotate = self.until_rotation == 0;
        self.until_rotation = self.until_rotation.wrapping_sub(1);
        if rotate && finite { Variation::Rotation(seed) } else { Variation::Elements(seed) }
    }

    /// None, one or two; none or one where calls are `long`.
    pub fn further_calls(&mut self, long: bool) -> Option<NonZeroU32> {
        NonZeroU32::new(self.below(if long { 2 } else { 3 }))
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u32) -> u32 {
        (self.bits.next_u64() % u64::from(limit.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_differ_from_process_to_process_and_one_variation_is_a_rotation() {
        let drawn: BTreeSet<u64> = (0..20).map(|_| Secret::draw().seed()).collect();
        assert_eq!(drawn.len(), 20);
        let mut all = BTreeSet::new();
        let is_rotation = |variation: &Variation| matches!(variation, Variation::Rotation(_));
        for seed in 0..20 {
            let mut secret = Secret::new(seed);
            let moments = secret.moments(5, 40);
            assert!(moments.len() == 5 && moments.is_sorted() && moments[4] < 40);
            let drawn: Vec<Variation> = (0..5).map(|_| secret.variation(true)).collect();
            assert_eq!(drawn.iter().filter(|drawn| is_rotation(drawn)).count(), 1);
            all.insert(moments);
            assert_eq!(secret.moments(1, 40).len(), 1);
            assert!(is_rotation(&secret.variation(true)));
        }
        assert!(all.len() > 15);
        assert_eq!(Secret::new(1).moments(5, 3), [0, 1, 2]);
        assert!(
            (0..5).all(|seed| matches!(Secret::new(seed).variation(false), Variation::Elements(_)))
        );
    }
}
