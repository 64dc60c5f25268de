//! Whether a process had to wait for a processor.

use std::fs;

/// A wait this short is that of a thread that was just woken, not of one that was put aside.
const SHORT_NS: u64 = 20_000;

/// How long this process has been kept waiting so far, and how much time others took from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Nanoseconds that its threads were ready to run and did not, all together.
    waited_ns: u64,
    /// Clock ticks that the hypervisor gave to others.
    stolen_ticks: u64,
}

impl Disturbance {
    /// Up to now, since the process began; `None` where the system does not say.
    pub fn now() -> Option<Self> {
        let tasks = fs::read_dir("/proc/self/task").ok()?.flatten();
        let waits = tasks.filter_map(|task| waited_ns(&read(&task.path().join("schedstat"))?));
        let stolen_ticks = stolen_ticks(&read("/proc/stat".as_ref())?)?;
        Some(Disturbance { waited_ns: waits.sum(), stolen_ticks })
    }

    /// Whether more than the wake-up of a thread was added since `earlier`.
    pub fn is_more_than(&self, earlier: &Self) -> bool {
        self.waited_ns > earlier.waited_ns + SHORT_NS || self.stolen_ticks > earlier.stolen_ticks
    }
}

fn read(path: &std::path::Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `/proc/<pid>/task/<tid>/schedstat`: nanoseconds running, nanoseconds waiting, turns.
fn waited_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// `/proc/stat`, line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal, ...
fn stolen_ticks(stat: &str) -> Option<u64> {
    stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(waited_ns("390553 315916 3\n"), Some(315_916));
        let stat = "cpu  47337 0 4513 1084592 242 0 24 28 0 0\ncpu0 1 2 3\n";
        assert_eq!(stolen_ticks(stat), Some(28));
        assert_eq!((waited_ns(""), stolen_ticks("intr 5")), (None, None));
    }

    #[test]
    fn a_wake_up_is_no_disturbance_and_a_long_wait_or_a_stolen_tick_is() {
        let calm = Disturbance { waited_ns: 1000, stolen_ticks: 5 };
        let waited = |waited_ns| Disturbance { waited_ns, ..calm };
        assert!(!waited(1000 + SHORT_NS).is_more_than(&calm));
        assert!(waited(1001 + SHORT_NS).is_more_than(&calm));
        assert!(Disturbance { stolen_ticks: 6, ..calm }.is_more_than(&calm));
    }
}
