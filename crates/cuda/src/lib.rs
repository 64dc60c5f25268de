//! The peak rates of a device, measured: the scale that the times of its cells are read against.

use std::num::NonZeroU32;

use attn_bench::cell::sampling::{SamplingTimes, sample};
use attn_candle::Loads;
use attn_core::{BackendError, Bytes, DType};
use attn_record::Process;
use attn_record::limits::{CopyRate, DeviceLimits, ProductPeak, Rate};

/// How much a device is loaded with, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rows and columns of the matrices.
    pub size: usize,
    /// Bytes that are copied.
    pub bytes: usize,
    /// Of each load.
    pub timing: SamplingTimes,
}

impl Effort {
    /// Enough work for the largest device: about a second on it.
    pub const GPU: Effort = Effort {
        size: 8192,
        bytes: 256 << 20,
        timing: SamplingTimes {
            warmup_ms: 50,
            sampling_ms: 200,
            min_samples: 5,
            min_sample_us: 10_000,
        },
    };
}

/// Measures `loads` on `device`, which is named as in its `BackendInfo`. Types whose products the device does not
/// offer are left out.
pub fn limits(
    loads: &Loads,
    device: String,
    effort: &Effort,
) -> Result<DeviceLimits, BackendError> {
    let Effort { size, bytes, timing } = *effort;
    let mut products = Vec::new();
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let Ok(mut call) = loads.products(dtype, size) else { continue };
        if call(NonZeroU32::MIN).is_ok() {
            let gflops = rate(&sample(&timing, &[], &mut call)?, 2 * (size as u64).pow(3));
            products.push(ProductPeak { dtype, size, gflops });
        }
    }
    // What is read and what is written.
    let gb_per_s = rate(&sample(&timing, &[], &mut loads.copies(bytes)?)?, 2 * bytes as u64);
    let copy = CopyRate { bytes: Bytes(bytes as u64), gb_per_s };
    Ok(DeviceLimits { device, products, copy })
}

/// 10^9 `units` a second, where each call does `units`.
fn rate(process: &Process, units: u64) -> Rate {
    let per_call = |ns: &u64| *ns as f64 / f64::from(process.reps);
    let rates = process.samples_ns.iter().map(per_call).map(|ns| units as f64 / ns);
    Rate::of(&rates.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_units_over_time() {
        let samples_ns = vec![400, 200, 500];
        let process = Process {
            cpu: None,
            spread: Vec::new(),
            warmup_calls: 1,
            warmup_ns: 1,
            reps: 10,
            samples_ns,
            disturbed: None,
            pace_ns: Vec::new(),
            audit: None,
        };
        // 80 units in 40, 20 and 50 ns.
        assert_eq!(rate(&process, 80), Rate { best: 4.0, median: 2.0, samples: 3 });
    }

    #[test]
    fn everything_that_the_processor_offers_is_measured() {
        let timing =
            SamplingTimes { warmup_ms: 1, sampling_ms: 2, min_samples: 3, min_sample_us: 50 };
        let effort = Effort { size: 64, bytes: 1 << 16, timing };
        let found = limits(&Loads::processor(), "cpu".into(), &effort).unwrap();
        assert_eq!((found.device.as_str(), found.copy.bytes), ("cpu", Bytes(1 << 16)));
        let peak = found.products.iter().find(|peak| peak.dtype == DType::F32).unwrap();
        assert_eq!(peak.size, 64);
        for rate in found.products.iter().map(|peak| peak.gflops).chain([found.copy.gb_per_s]) {
            assert!(rate.best >= rate.median && rate.median > 0.0 && rate.samples >= 3, "{rate:?}");
            assert!(rate.best < 1e6, "no processor does that: {rate:?}");
        }
        assert_eq!(found.peak_gflops(DType::F32), Some(peak.gflops.best));
        assert_eq!(found.peak_gflops(DType::F64), None);
    }
}
