//! How much memory a process may use.

/// Bytes of physical memory; `None` where the system does not say.
pub fn physical_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Limits the address space of this process to `bytes`: an allocation beyond fails, and with it the
/// process, which leaves the rest of the machine alone. Does nothing where there is no such limit.
#[cfg(target_os = "linux")]
pub fn address_space(bytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    let bytes = maximum.map_or(bytes, |maximum| maximum.min(bytes));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum })?)
}

/// There is no such limit on this system.
#[cfg(not(target_os = "linux"))]
pub fn address_space(_bytes: u64) -> std::io::Result<()> {
    Ok(())
}
