//! What really ran: the facts a number is worthless without.

use serde::{Deserialize, Serialize};

use crate::{DType, lse_dtype};

/// The device of what the processor computes.
const CPU: &str = "cpu";

/// What a backend would run on this machine, in this build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendInfo {
    /// Library and version, `faer 0.24.4`.
    pub library: String,
    /// Device, `cpu`.
    pub device: String,
    /// Instruction set, and whether it is chosen at compile time or at run time.
    pub isa: String,
    /// How the number of threads takes effect.
    pub threads: ThreadPolicy,
    /// Precision of the intermediate results: the error budget follows it.
    pub arithmetic: Arithmetic,
}

impl BackendInfo {
    /// Of a kernel that runs on the processor, in the instruction set that the program was compiled for, with the threads that each
    /// call asks for, and in [`Arithmetic::PLAIN`].
    pub fn on_cpu(library: impl Into<String>) -> Self {
        BackendInfo {
            library: library.into(),
            device: CPU.into(),
            isa: format!("{} (compile time)", target_features()),
            threads: ThreadPolicy::PerCall,
            arithmetic: Arithmetic::PLAIN,
        }
    }

    /// Whether the processor computes, in the memory of the process, and not another device.
    pub fn on_processor(&self) -> bool {
        self.device == CPU
    }
}

/// When the number of threads is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThreadPolicy {
    /// `Exec::threads` is obeyed by every call.
    PerCall,
    /// The library fixes its pool for the life of the process, from the environment:
    /// the harness starts a fresh process with that environment for every cell.
    PerProcess,
    /// A device computes, with threads of its own: how many of the host wait for it changes nothing.
    Device,
}

/// Precision and order of the intermediate results.
///
/// `s = scale q.k`, `p = exp(s - max)`, `l = sum p`, `o = sum p v / l`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arithmetic {
    /// Precision that the scores s and the argument of exp are held in; the sums that scores are have at least that of f32.
    pub scores: Precision,
    /// Precision in which the weights p are held when they multiply v.
    pub weights: Precision,
    /// Precision in which l and o are accumulated.
    pub sums: Precision,
    /// Order of the sums over keys.
    pub order: SumOrder,
    /// Whether softmax is online: accumulators are rescaled when a new maximum appears.
    pub online: bool,
}

impl Arithmetic {
    /// Everything in the storage type or f32 for the half types, keys summed one after another,
    /// two-pass softmax.
    pub const PLAIN: Arithmetic = Arithmetic {
        scores: Precision::AtLeastF32,
        weights: Precision::AtLeastF32,
        sums: Precision::AtLeastF32,
        order: SumOrder::Sequential,
        online: false,
    };
}

/// A precision relative to the problem's storage type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// As q, k, v and the output are stored.
    Storage,
    /// binary32 whatever the storage.
    F32,
    /// As stored, but binary32 for the half types.
    AtLeastF32,
    /// As stored, but binary32 for binary16: of a kernel that multiplies bf16 and no other half type.
    StoredBf16,
    /// As stored, but binary32 for bfloat16: of a kernel that adds up in f16 and in no other half type.
    StoredF16,
}

impl Precision {
    /// The type this means for a problem stored as `storage`.
    pub const fn of(self, storage: DType) -> DType {
        match self {
            Precision::Storage => storage,
            Precision::F32 => DType::F32,
            Precision::StoredBf16 if matches!(storage, DType::BF16) => storage,
            Precision::StoredF16 if matches!(storage, DType::F16) => storage,
            Precision::AtLeastF32 | Precision::StoredBf16 | Precision::StoredF16 => {
                lse_dtype(storage)
            }
        }
    }
}

/// The arithmetic of a result that was computed elsewhere, as far as its error depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimArithmetic {
    /// How exact the scores are.
    pub scores: Format,
    /// The format of the weights as they multiply v; with TF32, v is rounded too.
    pub weights: Format,
    /// The type in which l and o are accumulated, over keys one after another.
    pub sums: DType,
}

impl ClaimArithmetic {
    /// What is assumed of a result that says nothing: the weights are stored as q, k and v are, everything
    /// else is in the storage type or in f32 for the half types.
    pub const fn assumed(storage: DType) -> Self {
        let sums = lse_dtype(storage);
        ClaimArithmetic { scores: Format::of(sums), weights: Format::of(storage), sums }
    }
}

/// A format that factors of matrix products are rounded to. Dot products of all but `f64` are accumulated in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// binary64 throughout.
    F64,
    /// binary32 throughout.
    F32,
    /// The factors are rounded to the eleven bits of TF32.
    Tf32,
    /// The factors, or the scores, are rounded to f16.
    F16,
    /// The factors, or the scores, are rounded to bf16.
    BF16,
    /// The factors are quantised to -127..=127 with one factor per row or per head.
    Int8,
}

impl Format {
    /// The format of a storage type.
    pub const fn of(dtype: DType) -> Self {
        match dtype {
            DType::F64 => Format::F64,
            DType::F32 => Format::F32,
            DType::BF16 => Format::BF16,
            DType::F16 => Format::F16,
        }
    }

    /// The type that dot products are accumulated in.
    pub const fn accumulator(self) -> DType {
        match self {
            Format::F64 => DType::F64,
            _ => DType::F32,
        }
    }

    /// Unit roundoff; that of int8 depends on what is quantised and is none.
    pub const fn unit_roundoff(self) -> f64 {
        match self {
            Format::F64 => DType::F64.unit_roundoff(),
            Format::F32 => DType::F32.unit_roundoff(),
            Format::Tf32 | Format::F16 => DType::F16.unit_roundoff(),
            Format::BF16 => DType::BF16.unit_roundoff(),
            Format::Int8 => 0.0,
        }
    }

    /// Unit roundoff of factors where it is coarser than the accumulator's; 0 elsewhere.
    pub const fn coarse_roundoff(self) -> f64 {
        match self {
            Format::F64 | Format::F32 | Format::Int8 => 0.0,
            coarse => coarse.unit_roundoff(),
        }
    }

    /// The smallest positive normal number.
    pub const fn min_positive(self) -> f64 {
        match self {
            Format::F64 => DType::F64.min_positive(),
            Format::F16 => DType::F16.min_positive(),
            _ => DType::F32.min_positive(),
        }
    }

    /// `x` rounded to nearest; int8 rounds nothing here.
    pub fn round(self, x: f64) -> f64 {
        match self {
            Format::F64 | Format::Int8 => x,
            Format::F32 => DType::F32.round(x),
            Format::BF16 => DType::BF16.round(x),
            Format::F16 => DType::F16.round(x),
            // Thirteen bits fewer than f32.
            Format::Tf32 => {
                let bits = (x as f32).to_bits();
                f64::from(f32::from_bits((bits + 0x0fff + (bits >> 13 & 1)) & !0x1fff))
            }
        }
    }
}

/// The order in which a sum over keys is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SumOrder {
    /// One after another, or unknown: rounding errors may pile up over all terms.
    Sequential,
    /// Sums of at most this many terms, which are then added up.
    Blocked(u32),
}

impl SumOrder {
    /// The largest number of roundings that one term goes through in a sum of `n` terms.
    pub fn depth(self, n: usize) -> usize {
        match self {
            SumOrder::Sequential => n,
            SumOrder::Blocked(block) => {
                let block = (block as usize).clamp(1, n.max(1));
                block + n.div_ceil(block)
            }
        }
    }
}

/// Target features that this program was compiled with: they decide what libraries with
/// compile-time dispatch can do.
pub fn target_features() -> String {
    let features = [
        ("avx512f", cfg!(target_feature = "avx512f")),
        ("avx2", cfg!(target_feature = "avx2")),
        ("fma", cfg!(target_feature = "fma")),
        ("f16c", cfg!(target_feature = "f16c")),
        ("neon", cfg!(target_feature = "neon")),
    ];
    let enabled: Vec<_> =
        features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
    if enabled.is_empty() { "baseline".into() } else { enabled.join("+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tf32_has_the_bits_of_f16_and_the_range_of_f32() {
        for x in [1.0, 1.0 / 3.0, -0.7, 3.999, 1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0] {
            assert_eq!(Format::Tf32.round(x), DType::F16.round(x), "{x}");
        }
        assert_eq!(Format::Tf32.round(1e-30), f64::from(f32::from_bits(0x0da2_4000)));
    }

    #[test]
    fn depth_counts_the_longest_chain() {
        assert_eq!(SumOrder::Sequential.depth(1000), 1000);
        assert_eq!(SumOrder::Blocked(256).depth(1024), 256 + 4);
        assert_eq!(SumOrder::Blocked(256).depth(100), 101);
        assert_eq!(SumOrder::Blocked(0).depth(4), 1 + 4);
        assert_eq!(SumOrder::Blocked(8).depth(0), 1);
    }
}
