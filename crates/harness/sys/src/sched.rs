//! Whether a process had to wait for a processor.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use crate::{affinity, usage};

/// A wait this short is that of a thread that was just woken, not of one that was put aside;
const SHORT_NS: u64 = 20_000;
/// and one that is shorter than so many parts of the time that was looked at does not change it.
const PARTS: u64 = 100;

/// Bytes that are read at most: a line of some numbers.
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
    /// Processors that the threads may run on at the same time.
    processors: u64,
    began: Instant,
}

/// How long the threads of a watch have been kept waiting so far, and how much time others took from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Nanoseconds since the watch began,
    elapsed_ns: u64,
    /// as many for each processor that the threads may run on,
    capacity_ns: u64,
    /// and those of these that it worked for this process.
    used_ns: u64,
    /// Nanoseconds that the threads were ready to run and did not, all together.
    waited_ns: u64,
    /// Clock ticks that the hypervisor gave to others.
    stolen_ticks: u64,
}

impl Watch {
    /// Over this process, and the one that computes for it.
    pub fn begin() -> Self {
        let open = || {
            let computes = usage::computing_child().map(|child| format!("/proc/{child}/task"));
            let computes = computes.into_iter().flat_map(fs::read_dir).flatten();
            let tasks = fs::read_dir("/proc/self/task").ok()?.chain(computes).flatten();
            let tasks = tasks.filter_map(|task| File::open(task.path().join("schedstat")).ok());
            let tasks: Vec<File> = tasks.collect();
            let processors = affinity::allowed().len().clamp(1, tasks.len().max(1)) as u64;
            let stat = File::open("/proc/stat").ok()?;
            Some(Files { tasks, stat, processors, began: Instant::now() })
        };
        Watch(open())
    }

    /// Up to now; `None` where the system does not say.
    pub fn now(&self) -> Option<Disturbance> {
        let Files { tasks, stat, processors, began } = self.0.as_ref()?;
        // The file of a thread that has ended cannot be read.
        let waits = tasks.iter().filter_map(|task| waited_ns(&line(task)?));
        let (waited_ns, stolen_ticks) = (waits.sum(), stolen_ticks(&line(stat)?)?);
        let (elapsed_ns, used_ns) = (nanos(began.elapsed()), nanos(usage::processor()?));
        let capacity_ns = elapsed_ns * processors;
        Some(Disturbance { elapsed_ns, capacity_ns, used_ns, waited_ns, stolen_ticks })
    }
}

/// Looks at the calling thread alone, and at the first of the process that computes for this one: they take turns.
#[derive(Debug)]
pub struct Waits(Vec<File>);

impl Waits {
    /// Of the calling thread.
    pub fn of_this_thread() -> Self {
        let computes = usage::computing_child().map(|child| format!("/proc/{child}/schedstat"));
        let files = ["/proc/thread-self/schedstat".to_string()].into_iter().chain(computes);
        Waits(files.map_while(|file| File::open(file).ok()).collect())
    }

    /// How long it was ready to run and did not, so far; `None` where the system does not say.
    pub fn so_far(&self) -> Option<Duration> {
        let waited = self.0.iter().map(|file| waited_ns(&line(file)?));
        waited.reduce(|one, other| Some(one? + other?))?.map(Duration::from_nanos)
    }
}

impl Disturbance {
    /// Whether others took more than the wake-up of a thread since `earlier`.
    ///
    /// A thread may also wait for another of its own process, as that which calls does for a pool's: others had no more than the
    /// time in which the processors did not work for this process.
    pub fn is_more_than(&self, earlier: &Self) -> bool {
        let waited = self.waited_ns.saturating_sub(earlier.waited_ns);
        let used = self.used_ns.saturating_sub(earlier.used_ns);
        let elsewhere = (self.capacity_ns - earlier.capacity_ns).saturating_sub(used);
        let visible = SHORT_NS.max((self.elapsed_ns - earlier.elapsed_ns) / PARTS);
        waited.min(elsewhere) > visible || self.stolen_ticks > earlier.stolen_ticks
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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
        assert!(second.elapsed_ns >= first.elapsed_ns && second.stolen_ticks >= first.stolen_ticks);
        let waits = Waits::of_this_thread();
        let before = waits.so_far().unwrap();
        // Sleeping is not waiting for a processor.
        std::thread::sleep(Duration::from_millis(200));
        // That of all threads may shrink: what one has waited that ends, as those of other tests do, is counted no more.
        let waited = waits.so_far().unwrap().checked_sub(before).expect("no thread waits less");
        assert!(waited < Duration::from_millis(200));
    }

    #[test]
    fn a_wake_up_is_no_disturbance_and_a_long_wait_or_a_stolen_tick_is() {
        let calm = Disturbance {
            elapsed_ns: 500,
            capacity_ns: 1000,
            used_ns: 400,
            waited_ns: 1000,
            stolen_ticks: 5,
        };
        let after = |elapsed: u64, elsewhere: u64, waited: u64| Disturbance {
            elapsed_ns: calm.elapsed_ns + elapsed,
            capacity_ns: calm.capacity_ns + 2 * elapsed,
            used_ns: calm.used_ns + 2 * elapsed - elsewhere,
            waited_ns: calm.waited_ns + waited,
            ..calm
        };
        let ms = 1_000_000;
        assert!(!after(ms, ms, SHORT_NS).is_more_than(&calm));
        assert!(after(ms, ms, SHORT_NS + 1).is_more_than(&calm));
        assert!(!after(10 * ms, ms, 99_000).is_more_than(&calm), "less than a hundredth");
        assert!(after(10 * ms, ms, 101_000).is_more_than(&calm));
        assert!(!after(ms, 1000, ms).is_more_than(&calm), "threads of one process take turns");
        assert!(Disturbance { stolen_ticks: 6, ..calm }.is_more_than(&calm));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_take_turns_on_one_processor_do_not_disturb_each_other() {
        use std::sync::mpsc::channel;
        // A thread of its own, which is pinned; what it starts is pinned with it.
        let disturbed = std::thread::spawn(|| {
            affinity::pin(affinity::allowed()[0]);
            let (ask, asked) = channel::<()>();
            let (answer, answered) = channel();
            let helper = std::thread::spawn(move || {
                let spin = |time| {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_micros(time) {}
                };
                for () in asked {
                    spin(200);
                    answer.send(()).unwrap();
                    // Looks for other work, as pools do, while the one that asked waits for the processor.
                    spin(200);
                }
            });
            let turn = || {
                ask.send(()).unwrap();
                answered.recv().unwrap();
            };
            turn();
            let watch = Watch::begin();
            let looks: Vec<Disturbance> = (0..50)
                .map(|_| {
                    turn();
                    watch.now().unwrap()
                })
                .collect();
            drop(ask);
            helper.join().unwrap();
            looks.windows(2).filter(|pair| pair[1].is_more_than(&pair[0])).count()
        })
        .join()
        .unwrap();
        // Others use the machine while tests run: most of the turns, not all of them.
        assert!(disturbed < 40, "{disturbed} of 49");
    }
}
