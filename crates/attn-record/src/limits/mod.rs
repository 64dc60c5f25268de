//! What a machine can do at most, measured: the scale that times are read against.
//!
//! `limits.json` of a run folder is a [`Limits`]. `attn run` measures before its first cell and after its
//! last, because clocks, neighbours and heat change what a machine can do; both are kept, and
//! [`Limits::of`] takes the larger of each figure.
//!
//! ```
//! # use std::path::Path;
//! # use attn_record::{ReadError, Record};
//! fn share_of_peak(run: &Path, record: &Record) -> Result<Option<f64>, ReadError> {
//!     let limits = attn_record::read_limits(run)?.and_then(|limits| limits.of(&record.machine));
//!     let peak = limits.and_then(|limits| limits.peak_gflops(record.dtype(), record.threads));
//!     Ok(record.gflops().zip(peak).map(|(rate, peak)| rate / peak))
//! }
//! ```

mod device;
mod noise;
mod probe;

pub use device::{CopyRate, DeviceLimits, ProductPeak};
pub use noise::Noise;
pub use probe::{Access, Bandwidth, FmaPeak, Place, Probe, Rate, Timer};

use serde::{Deserialize, Serialize};

use crate::Machine;

/// `limits.json`: what the machines of a run can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// `attn-limits/1`.
    pub schema: String,
    /// Every time that limits were measured, in order: before and after the cells, and again where a run
    /// was resumed; of several machines where runs were merged.
    pub probes: Vec<Probe>,
    /// Of the devices that cells were computed on, other than the processor, every time that they were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceLimits>,
}

impl Limits {
    /// The schema that this program writes and reads.
    pub const SCHEMA: &str = "attn-limits/1";

    /// A file of these probes.
    pub fn new(probes: Vec<Probe>, devices: Vec<DeviceLimits>) -> Self {
        Limits { schema: Limits::SCHEMA.into(), probes, devices }
    }

    /// The limits of `machine`: of all its probes, the larger of each rate and the calmer noise; `None` if
    /// it was never measured.
    pub fn of(&self, machine: &Machine) -> Option<Probe> {
        let own = self.probes.iter().filter(|probe| probe.machine == *machine).cloned();
        own.reduce(Probe::best_of)
    }

    /// Every device once, with the larger of each rate.
    pub fn of_devices(&self) -> Vec<DeviceLimits> {
        let mut devices: Vec<DeviceLimits> = Vec::new();
        for found in &self.devices {
            match devices.iter_mut().find(|known| known.device == found.device) {
                Some(known) => known.keep_best(found),
                None => devices.push(found.clone()),
            }
        }
        devices
    }
}

#[cfg(test)]
mod tests {
    use attn_core::{Bytes, DType};

    use super::*;

    fn machine(cpu: &str) -> Machine {
        let text = String::new;
        Machine {
            cpu: cpu.into(),
            cores: 2,
            isa: text(),
            arch: text(),
            os: text(),
            caches: Vec::new(),
        }
    }

    fn rate(best: f64) -> Rate {
        Rate { best, median: best / 2.0, samples: 9 }
    }

    fn probe(cpu: &str, peaks: &[(&str, DType, usize, f64)], memory: f64, noise: f64) -> Probe {
        let fma = peaks.iter().map(|&(isa, dtype, threads, best)| FmaPeak {
            isa: isa.into(),
            dtype,
            threads,
            gflops: rate(best),
        });
        let bandwidth = |place, threads, best| Bandwidth {
            place,
            working_set: Bytes(1 << 20),
            access: Access::Read,
            threads,
            gb_per_s: rate(best),
        };
        Probe {
            measured: "2026-01-31T12:00:00Z".into(),
            machine: machine(cpu),
            pinned: true,
            fma: fma.collect(),
            bandwidth: vec![bandwidth(Place::L2, 1, 70.0), bandwidth(Place::Memory, 1, memory)],
            timer: Timer { step_ns: 20, reading_ns: 25.0 },
            noise: Noise { slot_ns: 5_000_000, slots: 100, spread: 0.01, pair_spread: noise },
        }
    }

    #[test]
    fn the_peak_of_a_type_is_that_of_the_best_instruction_set() {
        let peaks = [("avx2+fma", DType::F32, 1, 90.0), ("avx512f", DType::F32, 1, 110.0)];
        let found = probe("a", &peaks, 10.0, 0.01);
        assert_eq!(found.peak_gflops(DType::F32, 1), Some(110.0));
        assert_eq!(found.peak_gflops(DType::BF16, 1), Some(110.0), "computed in f32");
        assert_eq!(found.peak_gflops(DType::F64, 1), None);
        assert_eq!(found.peak_gflops(DType::F32, 2), None);
        assert_eq!(found.fma("avx2+fma", DType::F32, 1).unwrap().best, 90.0);
        assert_eq!(found.bandwidth(Place::Memory, Access::Read, 1).unwrap().best, 10.0);
        assert_eq!(found.bandwidth(Place::Memory, Access::Copy, 1), None);
    }

    #[test]
    fn of_two_probes_the_larger_figures_count_and_machines_stay_apart() {
        let before = probe("a", &[("avx512f", DType::F32, 1, 100.0)], 12.0, 0.03);
        let other = probe("b", &[("avx512f", DType::F32, 1, 500.0)], 50.0, 0.001);
        let peaks = [("avx512f", DType::F32, 1, 110.0), ("avx512f", DType::F32, 2, 200.0)];
        let after = probe("a", &peaks, 11.0, 0.02);
        let limits = Limits::new(vec![before, other, after], Vec::new());
        let found = limits.of(&machine("a")).unwrap();
        assert_eq!(found.peak_gflops(DType::F32, 1), Some(110.0));
        assert_eq!(found.peak_gflops(DType::F32, 2), Some(200.0), "measured once");
        assert_eq!(found.bandwidth(Place::Memory, Access::Read, 1), Some(rate(12.0)));
        assert_eq!(found.bandwidth.len(), 2);
        assert_eq!(found.noise.pair_spread, 0.02);
        assert_eq!(limits.of(&machine("c")), None);
    }

    #[test]
    fn a_device_that_was_measured_twice_is_one_device() {
        let device = |name: &str, products: &[(DType, f64)], copy| DeviceLimits {
            device: name.into(),
            products: products
                .iter()
                .map(|&(dtype, best)| ProductPeak { dtype, size: 64, gflops: rate(best) })
                .collect(),
            copy: CopyRate { bytes: Bytes(1 << 20), gb_per_s: rate(copy) },
        };
        let before = device("a GPU", &[(DType::F32, 50.0), (DType::BF16, 400.0)], 20.0);
        let after = device("a GPU", &[(DType::F32, 60.0), (DType::F16, 300.0)], 10.0);
        let other = device("another", &[(DType::F32, 90.0)], 30.0);
        let limits = Limits::new(Vec::new(), vec![before, other.clone(), after]);
        let products = [(DType::F32, 60.0), (DType::BF16, 400.0), (DType::F16, 300.0)];
        assert_eq!(limits.of_devices(), [device("a GPU", &products, 20.0), other]);
    }

    #[test]
    fn the_file_reads_back() {
        let probes = vec![probe("a", &[("portable", DType::F64, 1, 9.5)], 8.25, 0.01)];
        let mut limits = Limits::new(probes, Vec::new());
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
        assert!(!text.contains("devices"), "as files were before there were any");
        limits.devices.push(DeviceLimits {
            device: "a GPU".into(),
            products: vec![ProductPeak { dtype: DType::F16, size: 64, gflops: rate(7.5) }],
            copy: CopyRate { bytes: Bytes(1 << 20), gb_per_s: rate(3.5) },
        });
        let text = serde_json::to_string_pretty(&limits).unwrap();
        assert!(text.contains("\"place\": \"memory\"") && text.contains("\"access\": \"read\""));
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
    }
}
