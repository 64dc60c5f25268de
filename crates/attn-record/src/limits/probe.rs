//! One measurement of a machine's limits.

use attn_core::{Bytes, DType, lse_dtype};
use serde::{Deserialize, Serialize};

use super::Noise;
use crate::{Machine, stats};

/// Limits as measured at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When, RFC 3339 in UTC.
    pub measured: String,
    /// Of which machine.
    pub machine: Machine,
    /// Whether every measuring thread stayed on a processor of its own.
    pub pinned: bool,
    /// Multiply-adds, per instruction set, type and number of threads.
    pub fma: Vec<FmaPeak>,
    /// Bytes moved, per place, access and number of threads.
    pub bandwidth: Vec<Bandwidth>,
    /// The clock.
    pub timer: Timer,
    /// How equal equal things look.
    pub noise: Noise,
}

/// A rate over many short samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Of the fastest sample: what the machine can do when nothing gets in its way. This is the limit.
    pub best: f64,
    /// Of the middle sample. On a calm machine it is close to `best`.
    pub median: f64,
    /// Number of samples.
    pub samples: u32,
}

/// Floating-point peak: loops of independent multiply-adds in registers, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FmaPeak {
    /// `avx512f`, `avx2+fma`, or `portable`: what the compiler makes of plain Rust in this build.
    pub isa: String,
    /// Type of the numbers, f32 or f64.
    pub dtype: DType,
    /// Threads that compute at once.
    pub threads: usize,
    /// All threads together, GFLOP/s (10^9 operations a second), a multiply-add being two operations.
    pub gflops: Rate,
}

/// Bytes that plain loads and stores move, with the widest vectors of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Where the working set fits.
    pub place: Place,
    /// Bytes that each thread goes over, again and again; each has its own.
    pub working_set: Bytes,
    /// What is done with them.
    pub access: Access,
    /// Threads that do it at once.
    pub threads: usize,
    /// All threads together, GB/s (10^9 bytes a second). A copy counts what it reads and what it writes.
    pub gb_per_s: Rate,
}

/// The nearest memory that holds a working set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// First-level data cache.
    L1,
    /// Second-level cache.
    L2,
    /// Third-level cache.
    L3,
    /// Main memory.
    Memory,
}

impl Place {
    /// Every place, nearest first.
    pub const ALL: [Place; 4] = [Place::L1, Place::L2, Place::L3, Place::Memory];

    /// As it is written for people; a file says `l1`.
    pub const fn name(self) -> &'static str {
        match self {
            Place::L1 => "L1",
            Place::L2 => "L2",
            Place::L3 => "L3",
            Place::Memory => "memory",
        }
    }
}

/// What is done with a working set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Every byte is loaded.
    Read,
    /// Every byte is stored.
    Write,
    /// One half is loaded and stored to the other half.
    Copy,
}

impl Access {
    /// Every access.
    pub const ALL: [Access; 3] = [Access::Read, Access::Write, Access::Copy];

    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Copy => "copy",
        }
    }
}

/// The clock that everything is timed with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Smallest time that it was seen to advance by, nanoseconds.
    pub step_ns: u64,
    /// What one reading costs, nanoseconds.
    pub reading_ns: f64,
}

impl Probe {
    /// The peak of one instruction set, GFLOP/s.
    pub fn fma(&self, isa: &str, dtype: DType, threads: usize) -> Option<Rate> {
        let is = |peak: &&FmaPeak| peak.is_of(isa, dtype, threads);
        self.fma.iter().find(is).map(|peak| peak.gflops)
    }

    /// The peak of the best instruction set for problems stored as `dtype`, GFLOP/s; `None` if that number
    /// of threads was not measured. Half types are computed in f32.
    pub fn peak_gflops(&self, dtype: DType, threads: usize) -> Option<f64> {
        let dtype = lse_dtype(dtype);
        let fitting = self.fma.iter().filter(|peak| (peak.dtype, peak.threads) == (dtype, threads));
        fitting.map(|peak| peak.gflops.best).reduce(f64::max)
    }

    /// What was measured of `place`, GB/s.
    pub fn bandwidth(&self, place: Place, access: Access, threads: usize) -> Option<Rate> {
        let is = |found: &&Bandwidth| found.is_of(place, access, threads);
        self.bandwidth.iter().find(is).map(|found| found.gb_per_s)
    }

    /// The larger of each rate, and the calmer noise; all else is `self`'s.
    #[must_use]
    pub(super) fn best_of(mut self, other: Probe) -> Probe {
        for peak in other.fma {
            let same = |own: &&mut FmaPeak| own.is_of(&peak.isa, peak.dtype, peak.threads);
            match self.fma.iter_mut().find(same) {
                Some(own) => own.gflops = own.gflops.larger(peak.gflops),
                None => self.fma.push(peak),
            }
        }
        for found in other.bandwidth {
            let same = |own: &&mut Bandwidth| own.is_of(found.place, found.access, found.threads);
            match self.bandwidth.iter_mut().find(same) {
                Some(own) => own.gb_per_s = own.gb_per_s.larger(found.gb_per_s),
                None => self.bandwidth.push(found),
            }
        }
        if other.noise.pair_spread < self.noise.pair_spread {
            self.noise = other.noise;
        }
        self
    }
}

impl Rate {
    /// Of these samples; 0 without any.
    pub fn of(samples: &[f64]) -> Self {
        Rate {
            best: samples.iter().copied().fold(0.0, f64::max),
            median: stats::median(samples).unwrap_or(0.0),
            samples: samples.len() as u32,
        }
    }

    pub(super) fn larger(self, other: Rate) -> Rate {
        if other.best > self.best { other } else { self }
    }
}

impl FmaPeak {
    fn is_of(&self, isa: &str, dtype: DType, threads: usize) -> bool {
        (self.isa.as_str(), self.dtype, self.threads) == (isa, dtype, threads)
    }
}

impl Bandwidth {
    fn is_of(&self, place: Place, access: Access, threads: usize) -> bool {
        (self.place, self.access, self.threads) == (place, access, threads)
    }
}
