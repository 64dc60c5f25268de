//! One measurement of a machine's limits.

use attn_core::{Bytes, DType};
use serde::{Deserialize, Serialize};

use super::{Ceilings, Noise};
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
    /// The types that no instruction of this processor multiplies faster than those that were measured. `None` in
    /// files that are older than the loops of half types: nobody looked for more than f32 and f64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<Vec<DType>>,
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
    /// `avx512f`, `avx2+fma`, and so on, or `portable`: what the compiler makes of plain Rust in this build.
    pub isa: String,
    /// Type of the numbers that are multiplied.
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

    /// The peak of the best instructions for problems stored as `dtype`, with as many threads: the scale that a rate is
    /// drawn against. Half types are computed in f32 or with instructions of their own, whichever is faster. `None` if that number of threads was not measured, and of half types where the
    /// processor has instructions for them that were not.
    ///
    /// A file that is older than the loops of half types knows their peak in f32 only, and that is what it says.
    pub fn peak(&self, dtype: DType, threads: usize) -> Option<&FmaPeak> {
        let missed = self.complete.as_ref().is_some_and(|types| !types.contains(&dtype));
        fastest(&self.fma, dtype, threads).filter(|_| !(missed && is_half(dtype)))
    }

    /// The rate of [`Probe::peak`], GFLOP/s.
    pub fn peak_gflops(&self, dtype: DType, threads: usize) -> Option<f64> {
        self.peak(dtype, threads).map(|peak| peak.gflops.best)
    }

    /// What rates cannot exceed on this machine, as far as this measurement is right: of the types that are
    /// [`Probe::complete`]; in files that do not say, of f32 and f64 on x86-64, where nothing was left out.
    pub fn ceilings(&self) -> Ceilings {
        let complete = self.complete_types().to_vec();
        let caches = self.machine.caches.clone();
        Ceilings::new(self.fma.clone(), complete, self.bandwidth.clone(), caches)
    }

    /// [`Ceilings::gflops`] of [`Probe::ceilings`].
    pub fn ceiling_gflops(&self, dtype: DType, threads: usize) -> Option<f64> {
        let known = self.complete_types().contains(&dtype);
        self.peak_gflops(dtype, threads).filter(|_| known)
    }

    fn complete_types(&self) -> &[DType] {
        match &self.complete {
            Some(types) => types,
            None if self.machine.arch == "x86_64" => &[DType::F64, DType::F32],
            None => &[],
        }
    }

    /// What was measured of `place`, GB/s.
    pub fn bandwidth(&self, place: Place, access: Access, threads: usize) -> Option<Rate> {
        let is = |found: &&Bandwidth| found.is_of(place, access, threads);
        self.bandwidth.iter().find(is).map(|found| found.gb_per_s)
    }

    /// The types that are complete in both: each may have numbers of threads that the other has not.
    fn complete_with(&self, other: &Probe) -> Option<Vec<DType>> {
        if self.complete.is_none() && other.complete.is_none() {
            return None;
        }
        let types = self.complete_types().iter().copied();
        Some(types.filter(|dtype| other.complete_types().contains(dtype)).collect())
    }

    /// The larger of each rate, and the calmer noise; all else is `self`'s.
    #[must_use]
    pub(super) fn best_of(mut self, other: Probe) -> Probe {
        self.complete = self.complete_with(&other);
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

/// The fastest of what may compute problems stored as `dtype`: f32 and f64 are computed in themselves, half types in
/// f32 or with instructions of their own.
pub(super) fn fastest(fma: &[FmaPeak], dtype: DType, threads: usize) -> Option<&FmaPeak> {
    let computes = |own: DType| own == dtype || (is_half(dtype) && own == DType::F32);
    let fitting = fma.iter().filter(|peak| peak.threads == threads && computes(peak.dtype));
    fitting.max_by(|a, b| a.gflops.best.total_cmp(&b.gflops.best))
}

const fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
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
