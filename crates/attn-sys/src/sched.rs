//! Whether a process had to wait for a processor.

use std::fs::{self, File};

/// A wait this short is that of a thread that was just woken, not of one that was put aside.
const SHORT_NS: u64 = 20_000;

/// Room for what is read: a line of some numbers.
const LINE: usize = 256;

/// Looks at the threads that a process had when the watch began; those that begin later are not seen.
///
/// The files stay open: a look takes about 10 microseconds, a third of what opening them each time does.
#[derive(Debug)]
pub struct Watch(Option<Files>);

#[derive(Debug)]
struct Files {
    tasks: Vec<File>,
    stat: File,
}

/// How long the threads of a watch have been kept waiting so far, and how much time others took from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Nanoseconds that the threads were ready to run and did not, all together.
    waited_ns: u64,
    /// Clock ticks that the hypervisor gave to others.
    stolen_ticks: u64,
}

impl Watch {
    /// Over this process.
    pub fn begin() -> Self {
        let open = || {
            let tasks = fs::read_dir("/proc/self/task").ok()?.flatten();
            let tasks = tasks.filter_map(|task| File::open(task.path().join("schedstat")).ok());
            Some(Files { tasks: tasks.collect(), stat: File::open("/proc/stat").ok()? })
        };
        Watch(open())
    }

    /// Up to now; `None` where the system does not say.
    pub fn now(&self) -> Option<Disturbance> {
        let Files { tasks, stat } = self.0.as_ref()?;
        // The file of a thread that has ended cannot be read.
        let waits = tasks.iter().filter_map(|task| waited_ns(&line(task)?));
        Some(Disturbance { waited_ns: waits.sum(), stolen_ticks: stolen_ticks(&line(stat)?)? })
    }
}

impl Disturbance {
    /// Whether more than the wake-up of a thread was added since `earlier`.
    pub fn is_more_than(&self, earlier: &Self) -> bool {
        self.waited_ns > earlier.waited_ns + SHORT_NS || self.stolen_ticks > earlier.stolen_ticks
    }
}

/// The first line of a file of the kernel, which writes it anew for each reading.
#[cfg(unix)]
fn line(file: &File) -> Option<String> {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; LINE];
    let len = file.read_at(&mut bytes, 0).ok()?;
    let text = str::from_utf8(&bytes[..len]).ok()?;
    text.lines().next().map(String::from)
}

/// Nothing is known of this system.
#[cfg(not(unix))]
fn line(_: &File) -> Option<String> {
    None
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
    #[cfg(target_os = "linux")]
    fn a_watch_sees_this_process() {
        let watch = Watch::begin();
        let (first, second) = (watch.now().unwrap(), watch.now().unwrap());
        assert!(second.waited_ns >= first.waited_ns && second.stolen_ticks >= first.stolen_ticks);
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
