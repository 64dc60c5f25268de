//! What a machine can do at most, as far as that was measured.

use attn_core::DType;
use attn_record::Record;

/// The limits of one machine; without any where nobody measured them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Roofs {
    pub(crate) peaks: Vec<Peak>,
    pub(crate) bandwidths: Vec<Bandwidth>,
}

/// The most arithmetic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peak {
    /// Instruction set.
    pub(crate) isa: String,
    /// `f32` or `f64`.
    pub(crate) dtype: DType,
    pub(crate) threads: usize,
    pub(crate) gflops: f64,
}

/// The most data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bandwidth {
    /// `L1`, `L2`, `memory`.
    pub(crate) level: String,
    pub(crate) threads: usize,
    /// 10^9 bytes per second.
    pub(crate) gbytes: f64,
}

impl Roofs {
    /// The highest peak of the arithmetic and the number of threads of a cell. Half types are computed
    /// in f32.
    pub(crate) fn peak(&self, record: &Record) -> Option<&Peak> {
        let dtype = if record.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let peaks = self.peaks.iter();
        let peaks = peaks.filter(|peak| peak.dtype == dtype && peak.threads == record.threads);
        peaks.max_by(|a, b| a.gflops.total_cmp(&b.gflops))
    }

    /// A cell's rate as a share of the peak.
    pub(crate) fn share(&self, record: &Record) -> Option<f64> {
        Some(record.gflops()? / self.peak(record)?.gflops)
    }
}

#[cfg(test)]
pub(crate) fn example() -> Roofs {
    let peak = |isa: &str, dtype, gflops| Peak { isa: isa.into(), dtype, threads: 1, gflops };
    let bandwidth = |level: &str, gbytes| Bandwidth { level: level.into(), threads: 1, gbytes };
    Roofs {
        peaks: vec![
            peak("avx2", DType::F32, 80.0),
            peak("avx512", DType::F32, 160.0),
            peak("avx2", DType::F64, 40.0),
        ],
        bandwidths: vec![bandwidth("L1", 200.0), bandwidth("memory", 10.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ok;

    #[test]
    fn shares_are_of_the_highest_peak_of_the_same_arithmetic_and_threads() {
        let (roofs, mut record) = (example(), ok("g/1", "a", 1e6));
        record.work.flops.0 = 16_000_000;
        assert_eq!(roofs.share(&record), Some(0.1));
        record.problem.dtype = DType::BF16;
        assert_eq!(roofs.share(&record), Some(0.1));
        record.problem.dtype = DType::F64;
        assert_eq!(roofs.share(&record), Some(0.4));
        record.threads = 2;
        assert_eq!(roofs.share(&record), None);
    }
}
