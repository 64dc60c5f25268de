//! Peak rates of a machine, as far as they were measured.

use attn_core::BackendInfo;
use attn_record::limits::{Access, Bandwidth, DeviceLimits, FmaPeak, Limits, Place, Probe};
use attn_record::{Machine, Record};

/// The limits of one machine; without any where nobody measured them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeakRates {
    processor: Option<Probe>,
    devices: Vec<DeviceLimits>,
}

/// The most arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak<'a> {
    /// Instruction set, or device.
    pub isa: &'a str,
    /// Operations per nanosecond.
    pub gflops: f64,
}

impl PeakRates {
    /// Of `machine` and its devices, as measured; `None` if it never was.
    pub fn of(limits: &Limits, machine: &Machine) -> Option<Self> {
        let processor = Some(limits.of(machine)?);
        Some(PeakRates { processor, devices: limits.of_devices() })
    }

    /// Every peak.
    pub fn peaks(&self) -> &[FmaPeak] {
        self.processor.as_ref().map_or(&[], |probe| &probe.fma)
    }

    /// Every bandwidth.
    pub fn bandwidths(&self) -> &[Bandwidth] {
        self.processor.as_ref().map_or(&[], |probe| &probe.bandwidth)
    }

    /// Of devices that computed cells.
    pub fn devices(&self) -> &[DeviceLimits] {
        &self.devices
    }

    /// [`Probe::peak`] for the type and the number of threads of a cell that the processor computed; of another
    /// device, its products in the type of the cell.
    pub fn peak(&self, record: &Record) -> Option<Peak<'_>> {
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
    pub fn memory(&self, record: &Record) -> Option<f64> {
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
    pub fn share(&self, record: &Record) -> Option<f64> {
        Some(record.gflops()? / self.peak(record)?.gflops)
    }
}

/// Whether the limits of the processor are a cell's limits.
pub fn on_processor(record: &Record) -> bool {
    record.info.as_ref().is_none_or(BackendInfo::on_processor)
}

#[cfg(test)]
mod tests {
    use attn_core::DType;

    use super::*;
    use crate::fixture::{ok, peak_rates};

    #[test]
    fn shares_are_of_the_highest_peak_of_the_same_arithmetic_and_threads() {
        let (peak_rates, mut record) = (peak_rates(None), ok("g/1", "a", 1e6));
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
