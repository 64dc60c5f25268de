//! Peak rates of a machine, as far as they were measured.

use attn_core::BackendInfo;
#[cfg(test)]
use attn_core::DType;
use attn_record::limits::{Access, Bandwidth, DeviceLimits, FmaPeak, Limits, Place, Probe};
#[cfg(test)]
use attn_record::limits::{Noise, Rate, Timer};
use attn_record::{Machine, Record};

/// The limits of one machine; without any where nobody measured them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PeakRates {
    processor: Option<Probe>,
    devices: Vec<DeviceLimits>,
}

/// The most arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak<'a> {
    /// Instruction set, or device.
    pub(crate) isa: &'a str,
    pub(crate) gflops: f64,
}

impl PeakRates {
    /// Of `machine` and its devices, as measured; `None` if it never was.
    pub(crate) fn of(limits: &Limits, machine: &Machine) -> Option<Self> {
        let processor = Some(limits.of(machine)?);
        Some(PeakRates { processor, devices: limits.of_devices() })
    }

    /// Every peak.
    pub(crate) fn peaks(&self) -> &[FmaPeak] {
        self.processor.as_ref().map_or(&[], |probe| &probe.fma)
    }

    /// Every bandwidth.
    pub(crate) fn bandwidths(&self) -> &[Bandwidth] {
        self.processor.as_ref().map_or(&[], |probe| &probe.bandwidth)
    }

    /// Of devices that computed cells.
    pub(crate) fn devices(&self) -> &[DeviceLimits] {
        &self.devices
    }

    /// [`Probe::peak`] for the type and the number of threads of a cell that the processor computed; of another
    /// device, its products in the type of the cell.
    pub(crate) fn peak(&self, record: &Record) -> Option<Peak<'_>> {
        if !on_processor(record) {
            let device = self.device(record)?;
            let gflops = device.peak_gflops(record.dtype())?;
            return Some(Peak { isa: &device.device, gflops });
        }
        let best = self.processor.as_ref()?.peak(record.dtype(), record.threads)?;
        Some(Peak { isa: &best.isa, gflops: best.gflops.best })
    }

    /// GB/s of reading from memory with the threads of a cell that the processor computed; of copying within
    /// the memory of another device.
    pub(crate) fn memory(&self, record: &Record) -> Option<f64> {
        if !on_processor(record) {
            return Some(self.device(record)?.copy.gb_per_s.best);
        }
        let processor = self.processor.as_ref()?;
        processor.bandwidth(Place::Memory, Access::Read, record.threads).map(|rate| rate.best)
    }

    /// The limits of the device that computed a cell.
    fn device(&self, record: &Record) -> Option<&DeviceLimits> {
        let info = record.info.as_ref()?;
        self.devices.iter().find(|limits| limits.device == info.device)
    }

    /// A cell's rate as a share of the peak.
    pub(crate) fn share(&self, record: &Record) -> Option<f64> {
        Some(record.gflops()? / self.peak(record)?.gflops)
    }
}

/// Whether the limits of the processor are a cell's limits.
pub(crate) fn on_processor(record: &Record) -> bool {
    record.info.as_ref().is_none_or(BackendInfo::on_processor)
}

#[cfg(test)]
pub(crate) fn example() -> PeakRates {
    PeakRates { processor: Some(example_probe()), devices: Vec::new() }
}

/// Of one thread.
#[cfg(test)]
pub(crate) fn example_probe() -> Probe {
    let rate = |best| Rate { best, median: best, samples: 9 };
    let peak = |isa: &str, dtype, gflops| FmaPeak {
        isa: isa.into(),
        dtype,
        threads: 1,
        gflops: rate(gflops),
    };
    let bandwidth = |place, gb_per_s| Bandwidth {
        place,
        working_set: attn_core::Bytes(1 << 14),
        access: Access::Read,
        threads: 1,
        gb_per_s: rate(gb_per_s),
    };
    Probe {
        measured: String::new(),
        machine: crate::fixture::run().machine,
        pinned: true,
        fma: vec![
            peak("avx2", DType::F32, 80.0),
            peak("avx512", DType::F32, 160.0),
            peak("avx2", DType::F64, 40.0),
            peak("avx512bf16", DType::BF16, 320.0),
        ],
        complete: Some(vec![DType::F64, DType::F32, DType::BF16]),
        bandwidth: vec![bandwidth(Place::L1, 200.0), bandwidth(Place::Memory, 10.0)],
        timer: Timer { step_ns: 20, reading_ns: 24.0 },
        noise: Noise { slot_ns: 1, slots: 4, spread: 0.0, pair_spread: 0.0 },
    }
}

/// The same with a device.
#[cfg(test)]
pub(crate) fn example_with_device(name: &str) -> PeakRates {
    use attn_core::Bytes;
    use attn_record::limits::{CopyRate, ProductPeak};

    let rate = |best| Rate { best, median: best, samples: 9 };
    let product = ProductPeak { dtype: DType::F32, size: 4096, gflops: rate(50_000.0) };
    let copy = CopyRate { bytes: Bytes(1 << 28), gb_per_s: rate(2000.0) };
    let device = DeviceLimits { device: name.into(), products: vec![product], copy };
    PeakRates { devices: vec![device], ..example() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ok;

    #[test]
    fn shares_are_of_the_highest_peak_of_the_same_arithmetic_and_threads() {
        let (peak_rates, mut record) = (example(), ok("g/1", "a", 1e6));
        record.work.flops.0 = 16_000_000;
        assert_eq!(peak_rates.share(&record), Some(0.1));
        record.problem.dtype = DType::BF16;
        assert_eq!(peak_rates.share(&record), Some(0.05), "its own instructions");
        record.problem.dtype = DType::F16;
        assert_eq!(
            peak_rates.share(&record),
            None,
            "there are instructions that were not measured"
        );
        record.problem.dtype = DType::F64;
        assert_eq!(peak_rates.share(&record), Some(0.4));
        record.threads = 2;
        assert_eq!(peak_rates.share(&record), None);
    }
}
