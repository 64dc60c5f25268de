//! What the doctor found, as data.

use std::time::Duration;

use attn_bench::run::Entry;
use attn_core::{BackendInfo, Shape};
use attn_flash::{Tiles, Variant};
use attn_record::Build;
use attn_record::limits::{DeviceLimits, Probe};
use attn_sys::{host, limit};
use serde::Serialize;

use crate::registry;

/// Times for which the smallest difference is stated.
const TIMES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// A load above this many threads disturbs.
const BUSY: f64 = 0.5;

/// A share of stolen time above this disturbs.
const STOLEN: f64 = 0.01;

/// A median below this share of the best tells of a machine that others use.
const UNSTEADY: f64 = 0.9;

/// Everything that `attn doctor` says.
#[derive(Serialize)]
pub(super) struct Diagnosis {
    pub(super) build: Build,
    /// Physical memory.
    pub(super) memory_bytes: Option<u64>,
    pub(super) surroundings: Surroundings,
    pub(super) limits: Probe,
    /// Of devices other than the processor.
    pub(super) devices: Vec<DeviceLimits>,
    pub(super) smallest_differences: Vec<Difference>,
    pub(super) backends: Vec<Installed>,
    /// The pieces in which the fastest variant of flash computes here.
    pub(super) tiles: Vec<TileChoice>,
    /// Sentences: what is wrong, and what to do.
    pub(super) warnings: Vec<String>,
}

/// What the system tells of itself; `None` where it does not.
#[derive(Serialize)]
pub(super) struct Surroundings {
    /// How the processor's frequency is chosen.
    pub(super) governor: Option<String>,
    /// Threads that ran or wanted to, over the minute before.
    pub(super) load: Option<f64>,
    /// Share of time that the hypervisor gave to others, since the system started.
    pub(super) stolen_share: Option<f64>,
}

/// The smallest relative difference that is seen.
#[derive(Serialize)]
pub(super) struct Difference {
    /// In this time.
    pub(super) seconds: u64,
    pub(super) share: f64,
}

/// One backend.
#[derive(Serialize)]
pub(super) struct Installed {
    pub(super) backend: String,
    /// What would run.
    #[serde(rename = "receipt")]
    pub(super) info: Option<BackendInfo>,
    /// What is missing, and how to get it.
    pub(super) unavailable: Option<String>,
}

/// The pieces of one shape: f32, as many keys as queries.
#[derive(Serialize)]
pub(super) struct TileChoice {
    pub(super) backend: &'static str,
    pub(super) len: usize,
    pub(super) dim: usize,
    /// Queries of a tile.
    pub(super) queries: usize,
    /// Keys of a block.
    pub(super) keys: usize,
    /// Tiles that share a block.
    pub(super) tiles_per_job: usize,
}

impl Surroundings {
    pub(super) fn now() -> Self {
        Surroundings {
            governor: host::governor(),
            load: host::load(),
            stolen_share: host::stolen_share(),
        }
    }
}

impl Diagnosis {
    pub(super) fn of(surroundings: Surroundings, limits: Probe) -> Self {
        let build = crate::build::build();
        let differences = TIMES.map(|time| Difference {
            seconds: time.as_secs(),
            share: limits.noise.smallest_effect(time),
        });
        let mut warnings = warnings(&build, &surroundings, &limits);
        let mut devices = Vec::new();
        let entries = registry::entries();
        match registry::device_limits(entries.iter().map(|entry| &*entry.backend)) {
            Some(Ok(found)) => devices.push(found),
            Some(Err(unknown)) => warnings.push(unknown),
            None => {}
        }
        Diagnosis {
            warnings,
            devices,
            memory_bytes: limit::physical_memory(),
            smallest_differences: differences.into(),
            backends: installed(&entries),
            tiles: tiles(),
            build,
            surroundings,
            limits,
        }
    }
}

fn installed(entries: &[Entry]) -> Vec<Installed> {
    let state = entries.iter().map(|entry| (entry.backend.id().to_string(), entry.backend.probe()));
    state
        .map(|(backend, probe)| match probe {
            Ok(info) => Installed { backend, info: Some(info), unavailable: None },
            Err(why) => Installed { backend, info: None, unavailable: Some(why.reason) },
        })
        .collect()
}

fn tiles() -> Vec<TileChoice> {
    let variant = Variant::best();
    let shapes = [64, 128].into_iter().flat_map(|dim| [1024, 8192].map(|len| (len, dim)));
    let choice = |(len, dim)| {
        let queries = variant.queries()?;
        let Tiles { keys, tiles_per_job } =
            Tiles::choose(&Shape::square(1, len, dim), size_of::<f32>(), queries);
        Some(TileChoice { backend: variant.id(), len, dim, queries, keys, tiles_per_job })
    };
    shapes.filter_map(choice).collect()
}

fn warnings(build: &Build, surroundings: &Surroundings, limits: &Probe) -> Vec<String> {
    let Surroundings { governor, load, stolen_share } = surroundings;
    let mut found = Vec::new();
    if limits.machine.isa.contains("avx2") && !build.target_features.contains("avx2") {
        found.push(
            "built without AVX2, which this processor has: RUSTFLAGS replaces the flags of \
             .cargo/config.toml, and candle chooses its kernels by them; unset RUSTFLAGS or add \
             `-C target-cpu=x86-64-v3` to it, and build again"
                .to_string(),
        );
    }
    if build.profile != "release" {
        found.push("built with debug assertions: build with `cargo build --release`".into());
    }
    if !limits.pinned {
        found.push(
            "threads could not be kept on a processor each: times will scatter more".to_string(),
        );
    }
    if let Some(governor) = governor.as_ref().filter(|governor| *governor != "performance") {
        found.push(format!(
            "the frequency governor is `{governor}`: the clock changes while you measure; \
             `sudo cpupower frequency-set -g performance` keeps it up"
        ));
    }
    if let Some(load) = load.filter(|load| *load > BUSY) {
        found.push(format!(
            "the load was {load:.1} before this command started: something else computes here; stop it \
             before you measure"
        ));
    }
    if let Some(share) = stolen_share.filter(|share| *share > STOLEN) {
        found.push(format!(
            "the hypervisor gave {:.1} % of the time to others: take more samples, or another machine",
            share * 100.0
        ));
    }
    let unsteady =
        limits.fma.iter().filter(|peak| peak.gflops.median < UNSTEADY * peak.gflops.best);
    if 2 * unsteady.count() > limits.fma.len() {
        found
            .push("most peaks were not held for half of the time: this machine is not idle".into());
    }
    found
}

#[cfg(test)]
mod tests {
    use attn_record::Machine;
    use attn_record::limits::{FmaPeak, Noise, Rate, Timer};

    use super::*;

    fn probe(isa: &str, median: f64) -> Probe {
        let [cpu, arch, os] = [(); 3].map(|()| String::new());
        let peak = FmaPeak {
            isa: "portable".into(),
            dtype: attn_core::DType::F32,
            threads: 1,
            gflops: Rate { best: 100.0, median, samples: 9 },
        };
        Probe {
            measured: String::new(),
            machine: Machine { cpu, cores: 2, isa: isa.into(), arch, os, caches: Vec::new() },
            pinned: true,
            fma: vec![peak],
            complete: None,
            bandwidth: Vec::new(),
            timer: Timer { step_ns: 20, reading_ns: 24.0 },
            noise: Noise { slot_ns: 1, slots: 4, spread: 0.0, pair_spread: 0.0 },
        }
    }

    fn build(target_features: &str) -> Build {
        let [version, profile, target_features] =
            ["0.1.0", "release", target_features].map(String::from);
        Build { version, revision: None, dirty: false, code: None, target_features, profile }
    }

    #[test]
    fn a_calm_machine_and_a_good_build_get_no_warning() {
        let surroundings = Surroundings {
            governor: Some("performance".into()),
            load: Some(0.1),
            stolen_share: Some(0.0),
        };
        let limits = probe("avx2+fma", 99.0);
        assert_eq!(warnings(&build("avx2+fma"), &surroundings, &limits), [""; 0]);
        let silent = Surroundings { governor: None, load: None, stolen_share: None };
        assert_eq!(warnings(&build("neon"), &silent, &probe("neon", 99.0)), [""; 0]);
    }

    #[test]
    fn each_thing_that_is_wrong_gets_a_sentence_of_its_own() {
        let surroundings = Surroundings {
            governor: Some("powersave".into()),
            load: Some(9.9),
            stolen_share: Some(0.2),
        };
        let limits = Probe { pinned: false, ..probe("avx2+fma", 50.0) };
        let build = Build { profile: "debug-assertions".into(), ..build("baseline") };
        let found = warnings(&build, &surroundings, &limits);
        let words =
            ["RUSTFLAGS", "--release", "kept on", "`powersave`", "9.9", "20.0 %", "not idle"];
        assert_eq!(found.len(), words.len(), "{found:?}");
        for (warning, word) in found.iter().zip(words) {
            assert!(warning.contains(word), "{word}: {warning}");
        }
    }
}
