//! The peak rates of a machine, measured: the scale that times are read against.
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

mod ceilings;
mod device;
mod noise;
mod probe;

pub use ceilings::{Ceilings, any_core};
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
            arch: "x86_64".into(),
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
            complete: None,
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
    fn half_types_have_the_faster_of_their_own_instructions_and_those_of_f32() {
        use DType::{BF16, F16, F32, F64};
        let peaks = [("avx512f", F32, 1, 110.0), ("avx512bf16", BF16, 1, 220.0)];
        let mut found = probe("a", &peaks, 10.0, 0.01);
        found.complete = Some(DType::ALL.into());
        assert_eq!(found.peak(BF16, 1).map(|peak| peak.isa.as_str()), Some("avx512bf16"));
        let [half, other, wide] = [BF16, F16, F32].map(|dtype| found.ceiling_gflops(dtype, 1));
        assert_eq!([half, other, wide], [Some(220.0), Some(110.0), Some(110.0)]);
        assert_eq!(found.peak_gflops(BF16, 1), Some(220.0));
        found.fma[1].gflops = rate(90.0);
        assert_eq!(found.peak_gflops(BF16, 1), Some(110.0), "slower instructions are no help");
        found.complete = Some(vec![F64, F32]);
        assert_eq!([BF16, F16].map(|dtype| found.peak_gflops(dtype, 1)), [None; 2], "AMX");
        assert_eq!(found.ceiling_gflops(BF16, 1), None);
        found.complete = Some(Vec::new());
        assert_eq!(found.peak_gflops(F32, 1), Some(110.0), "a scale, but no ceiling");
        assert_eq!(found.ceiling_gflops(F32, 1), None);
    }

    #[test]
    fn an_old_file_draws_half_types_against_f32_and_bounds_them_by_nothing() {
        let mut found = probe("a", &[("avx512f", DType::F32, 1, 110.0)], 10.0, 0.01);
        let text = serde_json::to_string(&found).unwrap();
        assert!(!text.contains("complete"), "as files were: {text}");
        assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), found);
        assert_eq!(found.peak_gflops(DType::F16, 1), Some(110.0));
        assert_eq!(found.ceiling_gflops(DType::F16, 1), None);
        assert_eq!(found.ceiling_gflops(DType::F32, 1), Some(110.0));
        assert_eq!(found.ceilings().gflops(DType::F16, 1), None);
        assert_eq!(found.ceilings().gflops(DType::F32, 1), Some(110.0));
        found.machine.arch = "aarch64".into();
        assert_eq!(found.ceiling_gflops(DType::F32, 1), None, "vectors of unknown width");
    }

    #[test]
    fn of_two_probes_a_type_is_complete_that_is_so_in_both() {
        let complete = |types: Option<&[DType]>| Probe {
            complete: types.map(<[DType]>::to_vec),
            ..probe("a", &[("avx512f", DType::F32, 1, 100.0)], 10.0, 0.01)
        };
        let of = |a, b| {
            let limits = Limits::new(vec![complete(a), complete(b)], Vec::new());
            limits.of(&machine("a")).unwrap().complete
        };
        let (all, wide) = (DType::ALL, [DType::F64, DType::F32]);
        assert_eq!(of(Some(&all), Some(&all)), Some(all.to_vec()));
        assert_eq!(of(Some(&wide), Some(&all)), Some(wide.to_vec()));
        assert_eq!(of(None, Some(&all)), Some(wide.to_vec()), "the old one has f32 and f64");
        assert_eq!(of(None, None), None);
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
