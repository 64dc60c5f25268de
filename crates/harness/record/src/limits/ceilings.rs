//! What no rate can exceed, so far as it was measured.
//!
//! ```text
//! operations a second    <= the peak of the type and the number of threads
//! time of `bytes` bytes  >= (bytes - what the caches before p hold) / bandwidth of p    for every place p
//! ```
//!
//! The second line is the most that caches can do for a computation that goes over the same bytes again and again: the
//! nearest ones are full of them, whatever is left comes from behind, and all places deliver at once. Every thread is
//! credited with a whole cache of each level, and levels that hold the same bytes twice are counted as if they did not.
//! A place that was not measured bounds nothing.
//!
//! A measured rate that is clearly above its ceiling is a mistake of the measurement: the work was not done, or not in
//! the time that was taken. Kernels may multiply integers of eight bits faster; they compute in another type than they
//! store, and are not bounded by these.
//!
//! # Where nothing was measured
//!
//! No core multiplies and adds faster than [`any_core`] says: on x86-64 two units of 512 bits at 7 GHz do 448 GFLOP/s in f32
//! and half of that in f64, tiles of 16 bits (AMX) 2048 operations a cycle; matrix units of other architectures, which several
//! cores share, about 2 TFLOP/s in f32. The constants are above all of them.

use attn_core::DType;

use super::probe::fastest;
use super::{Bandwidth, FmaPeak, Place};
use crate::Cache;

/// The ceilings of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceilings {
    fma: Vec<FmaPeak>,
    /// Types of which the fastest instructions are in `fma`.
    complete: Vec<DType>,
    bandwidth: Vec<Bandwidth>,
    caches: Vec<Cache>,
}

impl Ceilings {
    /// Of multiply-adds, among which are the fastest of each of the types in `complete`, and of bandwidths of places
    /// behind and in `caches`.
    pub fn new(
        fma: Vec<FmaPeak>,
        complete: Vec<DType>,
        bandwidth: Vec<Bandwidth>,
        caches: Vec<Cache>,
    ) -> Self {
        Ceilings { fma, complete, bandwidth, caches }
    }

    /// The larger of each rate, of two measurements of one machine; for the types that are complete in both.
    #[must_use]
    pub fn best_of(mut self, other: Ceilings) -> Ceilings {
        self.fma.extend(other.fma);
        self.bandwidth.extend(other.bandwidth);
        self.complete.retain(|dtype| other.complete.contains(dtype));
        self
    }

    /// Of problems stored as `dtype`, computed by as many threads, GFLOP/s; `None` if that was not measured, or the
    /// processor has instructions for the type that were not.
    pub fn gflops(&self, dtype: DType, threads: usize) -> Option<f64> {
        let known = self.complete.contains(&dtype);
        fastest(&self.fma, dtype, threads).filter(|_| known).map(|peak| peak.gflops.best)
    }

    /// Of as many threads that go over `bytes` bytes together, again and again, GB/s: reading, writing or copying,
    /// whichever is faster. `None` if that number of threads was not measured, or the caches are not known.
    pub fn gb_per_s(&self, bytes: u64, threads: usize) -> Option<f64> {
        let (mut nearer, mut time) = (0_u64, 0.0_f64);
        for place in Place::ALL {
            if let Some(rate) = self.bandwidth_of(place, threads) {
                let moved = bytes.saturating_sub(nearer);
                time = time.max(moved as f64 / rate);
            }
            nearer = self.held(place).saturating_mul(threads as u64).saturating_add(nearer);
        }
        (!self.caches.is_empty() && time > 0.0).then(|| bytes as f64 / time)
    }

    /// The fastest access, GB/s.
    fn bandwidth_of(&self, place: Place, threads: usize) -> Option<f64> {
        let fitting = self.bandwidth.iter().filter(|b| (b.place, b.threads) == (place, threads));
        fitting.map(|b| b.gb_per_s.best).reduce(f64::max)
    }

    /// Bytes that a cache of the level holds.
    fn held(&self, place: Place) -> u64 {
        let level = match place {
            Place::L1 => 1,
            Place::L2 => 2,
            Place::L3 => 3,
            Place::Memory => return 0,
        };
        self.caches.iter().find(|cache| cache.level == level).map_or(0, |cache| cache.bytes)
    }
}

/// GFLOP/s that no core of an architecture reaches in a type; the module says why.
pub fn any_core(arch: &str, dtype: DType) -> f64 {
    match (arch, dtype) {
        ("x86_64", DType::F64) => 256.0,
        ("x86_64", DType::F32) => 512.0,
        (_, DType::F64) => 2048.0,
        (_, DType::F32) => 4096.0,
        (_, DType::BF16 | DType::F16) => 16_384.0,
    }
}

#[cfg(test)]
mod tests {
    use attn_core::Bytes;

    use super::super::{Access, Rate};
    use super::*;

    fn rate(best: f64) -> Rate {
        Rate { best, median: best / 2.0, samples: 9 }
    }

    fn fma(isa: &str, dtype: DType, threads: usize, best: f64) -> FmaPeak {
        FmaPeak { isa: isa.into(), dtype, threads, gflops: rate(best) }
    }

    fn bandwidth(place: Place, access: Access, threads: usize, best: f64) -> Bandwidth {
        let working_set = Bytes(1 << 10);
        Bandwidth { place, working_set, access, threads, gb_per_s: rate(best) }
    }

    fn ceilings(bandwidth: Vec<Bandwidth>) -> Ceilings {
        let caches = [(1, 1000), (2, 9000), (3, 90_000)];
        let caches = caches.map(|(level, bytes)| Cache { level, bytes });
        let fma = vec![
            fma("portable", DType::F32, 1, 90.0),
            fma("avx512f", DType::F32, 1, 100.0),
            fma("avx512bf16", DType::BF16, 1, 200.0),
            fma("avx512f", DType::F32, 2, 150.0),
        ];
        Ceilings::new(fma, vec![DType::F32, DType::F16], bandwidth, caches.into())
    }

    #[test]
    fn a_type_has_a_ceiling_where_all_its_instructions_were_measured() {
        let found = ceilings(Vec::new());
        assert_eq!(found.gflops(DType::F32, 1), Some(100.0));
        assert_eq!(found.gflops(DType::F32, 2), Some(150.0));
        assert_eq!(found.gflops(DType::F32, 3), None, "another number of threads");
        assert_eq!(found.gflops(DType::F16, 1), Some(100.0), "computed in f32");
        assert_eq!(found.gflops(DType::BF16, 1), None, "there may be faster ones");
        assert_eq!(found.gflops(DType::F64, 1), None);
    }

    #[test]
    fn caches_hold_what_they_can_and_the_rest_comes_from_behind() {
        let found = ceilings(vec![
            bandwidth(Place::L1, Access::Read, 1, 80.0),
            bandwidth(Place::L1, Access::Copy, 1, 100.0),
            bandwidth(Place::L2, Access::Read, 1, 50.0),
            bandwidth(Place::Memory, Access::Read, 1, 10.0),
        ]);
        assert_eq!(found.gb_per_s(1000, 1), Some(100.0), "in the first cache, by copying");
        // 1000 of 2000 bytes come from the second cache, at 50 a second: as long as 2000 at 100.
        assert_eq!(found.gb_per_s(2000, 1), Some(100.0));
        // 9000 of 10000 come from there.
        assert_eq!(found.gb_per_s(10_000, 1), Some(10_000.0 / 180.0));
        // The third cache was not measured, but may hold 90000; of a million, 900000 come from memory.
        assert_eq!(found.gb_per_s(100_000, 1), Some(100_000.0 / 1980.0));
        assert_eq!(found.gb_per_s(1_000_000, 1), Some(1_000_000.0 / 90_000.0));
        assert_eq!(found.gb_per_s(1000, 2), None, "another number of threads");
        assert_eq!(found.gb_per_s(0, 1), None, "nothing is moved in no time");
    }

    #[test]
    fn of_two_measurements_the_larger_rates_count() {
        let memory = |rate| ceilings(vec![bandwidth(Place::Memory, Access::Read, 1, rate)]);
        let mut other = memory(12.0);
        other.complete = vec![DType::F32];
        other.fma = vec![fma("avx512f", DType::F32, 1, 105.0), fma("avx512f", DType::F32, 2, 1.0)];
        let found = memory(10.0).best_of(other);
        assert_eq!([1, 2].map(|n| found.gflops(DType::F32, n)), [Some(105.0), Some(150.0)]);
        assert_eq!(found.gflops(DType::F16, 1), None, "the other did not look");
        // Of 200000 bytes caches hold one half.
        assert_eq!(found.gb_per_s(200_000, 1), Some(24.0));
    }

    #[test]
    fn every_thread_brings_its_caches() {
        let rates = [(Place::L1, 200.0), (Place::L2, 20.0)];
        let found = ceilings(rates.map(|(p, rate)| bandwidth(p, Access::Read, 2, rate)).into());
        assert_eq!(found.gb_per_s(2000, 2), Some(200.0));
        assert_eq!(found.gb_per_s(4000, 2), Some(40.0));
    }

    #[test]
    fn caches_larger_than_all_memory_hold_everything() {
        let mut found = ceilings(vec![bandwidth(Place::L1, Access::Read, usize::MAX, 80.0)]);
        found.caches = vec![Cache { level: 1, bytes: u64::MAX }, Cache { level: 2, bytes: 2 }];
        assert_eq!(found.gb_per_s(1 << 40, usize::MAX), Some(80.0));
    }

    #[test]
    fn without_known_caches_there_is_no_ceiling_for_bytes() {
        let memory = vec![bandwidth(Place::Memory, Access::Read, 1, 10.0)];
        let found = Ceilings { caches: Vec::new(), ..ceilings(memory) };
        assert_eq!(found.gb_per_s(1 << 40, 1), None);
    }
}
