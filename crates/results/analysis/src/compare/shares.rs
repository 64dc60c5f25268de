//! How much of what the machine can do each backend gets, and what more threads bring.
//!
//! ```text
//! share of the FMA peak      (operations / time) / peak           of the same arithmetic and threads
//! share of the bandwidth     (bytes moved once / time) / reading  from memory, with the same threads
//! ```
//!
//! The bandwidth is the limit of a cell whose operands come from memory (timing `kernel-cold`) and that
//! does fewer operations per byte than the peak allows; the peak is the limit of every other. Of a device other
//! than the processor, the peak is that of large products in the storage type, the bandwidth that of a copy.

use attn_record::limits::Limits;
use attn_record::{Record, Timing};
use serde::Serialize;

use super::Place;
use crate::peak_rates::PeakRates;
use crate::rows::grouped;

/// What bounds a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Multiply-adds.
    FmaPeak,
    /// Reading from memory.
    Bandwidth,
}

/// One case on one backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Machine and build.
    pub place: Place,
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// What bounds it.
    pub bound: Bound,
    /// By number of threads.
    pub points: Vec<SharePoint>,
}

/// One number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SharePoint {
    /// Number of threads.
    pub threads: usize,
    /// Median nanoseconds per call.
    pub ns: f64,
    /// Of the limit that was measured with as many threads.
    pub share: f64,
}

impl Share {
    /// With `threads` threads.
    pub fn of(&self, threads: usize) -> Option<SharePoint> {
        self.points.iter().find(|point| point.threads == threads).copied()
    }
}

/// Every cell that was measured, and has a limit that was measured on its machine, in order of first
/// appearance.
pub fn shares(records: &[Record], limits: &Limits) -> Vec<Share> {
    let measured: Vec<&Record> = records.iter().filter(|r| r.median_ns().is_some()).collect();
    let key = |r| (Place::of(r), r.case.as_str(), r.backend.as_str(), r.timing);
    let rows = grouped(&measured, key).into_iter();
    let rows = rows.filter_map(|((place, case, backend, timing), mut cells)| {
        let peak_rates = PeakRates::of(limits, &place.machine)?;
        cells.sort_by_key(|r| r.threads);
        cells.dedup_by_key(|r| r.threads);
        let bound = bound(cells.first()?, &peak_rates);
        let points: Vec<_> =
            cells.iter().filter_map(|cell| point(cell, bound, &peak_rates)).collect();
        let (case, backend, timing) = (case.into(), backend.into(), timing?);
        (!points.is_empty()).then_some(Share { place, case, backend, timing, bound, points })
    });
    rows.collect()
}

fn bound(cell: &Record, peak_rates: &PeakRates) -> Bound {
    let intensity = cell.work.flops.0 as f64 / cell.work.bytes.0 as f64;
    let ridge = peak_rates.peak(cell).zip(peak_rates.memory(cell)).map(|(p, b)| p.gflops / b);
    let scarce = ridge.is_some_and(|ridge| intensity < ridge);
    if cell.timing == Some(Timing::KernelCold) && scarce {
        Bound::Bandwidth
    } else {
        Bound::FmaPeak
    }
}

fn point(cell: &Record, bound: Bound, peak_rates: &PeakRates) -> Option<SharePoint> {
    let ns = cell.median_ns()?;
    let share = match bound {
        Bound::FmaPeak => peak_rates.share(cell)?,
        Bound::Bandwidth => cell.work.bytes.0 as f64 / ns / peak_rates.memory(cell)?,
    };
    Some(SharePoint { threads: cell.threads, ns, share })
}

#[cfg(test)]
mod tests {
    use attn_core::{Bytes, DType, Flops};
    use attn_record::limits::{CopyRate, DeviceLimits, Probe, ProductPeak, Rate};

    use super::*;
    use crate::fixture::{elsewhere, ok, probe};

    /// 160 GFLOP/s, 10 GB/s from memory, one thread: a ridge at 16 operations per byte.
    fn limits(machine: attn_record::Machine) -> Limits {
        Limits::new(vec![Probe { machine, ..probe() }], Vec::new())
    }

    fn cell(timing: Timing, flops: u64, bytes: u64, ns: f64) -> Record {
        let mut record = ok("g/1", "a", ns);
        record.timing = Some(timing);
        (record.work.flops, record.work.bytes) = (Flops(flops), Bytes(bytes));
        record
    }

    #[test]
    fn by_hand() {
        let cases = [
            (Timing::Kernel, 16_000_000, 1, Bound::FmaPeak, 0.1),
            (Timing::Kernel, 16_000_000, 8_000_000, Bound::FmaPeak, 0.1),
            (Timing::KernelCold, 16_000_000, 8_000_000, Bound::Bandwidth, 0.8),
            (Timing::KernelCold, 16_000_000, 999_999, Bound::FmaPeak, 0.1),
        ];
        for (timing, flops, bytes, bound, share) in cases {
            let record = cell(timing, flops, bytes, 1e6);
            let limits = limits(record.machine.clone());
            let found = shares(&[record], &limits);
            assert_eq!((found.len(), found[0].bound), (1, bound));
            assert_eq!(found[0].of(1).map(|point| point.share), Some(share));
        }
    }

    #[test]
    fn no_share_of_what_nobody_measured() {
        let record = cell(Timing::Kernel, 1, 1, 1.0);
        let mut limits = limits(record.machine.clone());
        let mut on_gpu = record.clone();
        on_gpu.info.as_mut().unwrap().device = "a GPU".into();
        assert_eq!(shares(&[on_gpu.clone()], &limits), []);
        let rate = Rate { best: 4000.0, median: 3000.0, samples: 5 };
        limits.devices.push(DeviceLimits {
            device: "a GPU".into(),
            products: vec![ProductPeak { dtype: DType::F32, size: 4096, gflops: rate }],
            copy: CopyRate { bytes: Bytes(1 << 28), gb_per_s: rate },
        });
        on_gpu.work.flops = Flops(1000);
        let found = shares(&[on_gpu.clone()], &limits);
        assert_eq!(found[0].of(1).map(|point| point.share), Some(0.25), "1000 operations in 1 ns");
        on_gpu.problem.dtype = DType::F16;
        assert_eq!(shares(&[on_gpu], &limits), [], "nobody measured f16");
        let mut two = record.clone();
        two.threads = 2;
        assert_eq!(shares(&[two, elsewhere(record)], &limits), []);
    }
}
