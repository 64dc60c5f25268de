//! What else the system tells of itself: what may disturb a measurement.

use std::fs;

/// How the first processor chooses its frequency: `performance`, `powersave`, ...; `None` where the
/// system does not say, as in most virtual machines.
pub fn governor() -> Option<String> {
    let path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    Some(fs::read_to_string(path).ok()?.trim().to_string())
}

/// Average number of threads that ran or wanted to, over the last minute.
pub fn load() -> Option<f64> {
    first_number(&fs::read_to_string("/proc/loadavg").ok()?)
}

/// Share of the processors' time that the hypervisor gave to others, since the system started.
pub fn stolen_share() -> Option<f64> {
    stolen(&fs::read_to_string("/proc/stat").ok()?)
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of `user`.
fn stolen(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks = line.split_whitespace().take(8).map(|ticks| ticks.parse::<u64>().ok());
    let ticks: Vec<u64> = ticks.collect::<Option<_>>()?;
    let all: u64 = ticks.iter().sum();
    Some(*ticks.get(7)? as f64 / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(first_number("9.86 8.78 5.80 3/400 12345\n"), Some(9.86));
        assert_eq!(stolen("cpu  40 0 10 40 0 0 0 10 7 7\ncpu0 1 2\n"), Some(0.1));
        assert_eq!([stolen("cpu 1 2 3"), stolen("intr 5"), stolen("")], [None; 3]);
    }
}
