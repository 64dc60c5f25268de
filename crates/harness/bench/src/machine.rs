//! What this machine is, as far as records need it.

use attn_record::{Cache, Machine};

/// Reads the processor's name, instruction sets and caches.
pub fn detect() -> Machine {
    Machine {
        cpu: cpu_name().unwrap_or_else(|| "unknown".into()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        isa: instruction_sets(),
        arch: std::env::consts::ARCH.into(),
        os: std::env::consts::OS.into(),
        caches: caches(),
    }
}

/// Linux says it in `/proc/cpuinfo`; elsewhere nothing portable does.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn caches() -> Vec<Cache> {
    let levels = attn_sys::cache::levels().into_iter();
    levels.map(|cache| Cache { level: cache.level, bytes: cache.bytes }).collect()
}

#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> String {
    let found = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ("avx512fp16", is_x86_feature_detected!("avx512fp16")),
        ("amx-bf16", attn_sys::amx::multiplies_bf16()),
    ];
    let names: Vec<_> = found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    names.join("+")
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_sets() -> String {
    attn_core::target_features()
}
