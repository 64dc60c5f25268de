//! What a process has used: processor time, and memory.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The child that computes for this process; 0 where it computes itself.
static COMPUTES: AtomicU32 = AtomicU32::new(0);

/// From now on, what the child with this id does is counted as done by this process, which only asks it to compute.
pub fn count_as_own(child: u32) {
    COMPUTES.store(child, Ordering::Relaxed);
}

/// The child that computes for this process, if one does.
pub fn computing_child() -> Option<u32> {
    Some(COMPUTES.load(Ordering::Relaxed)).filter(|&child| child != 0)
}

/// Processor time of this process so far, all threads together, by the kernel's accounts; `None` where it has none.
#[cfg(target_os = "linux")]
pub fn processor() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let own = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()?;
    Some(own + computing_child().and_then(linux::processor).unwrap_or_default())
}

/// That of its children, and of theirs, those that have ended included, in steps of ten milliseconds; not of the one that computes
/// for it.
#[cfg(target_os = "linux")]
pub fn children() -> Duration {
    linux::children()
}

/// Whether it has children apart from the one that computes for it, those included that have ended and that nobody has waited for.
#[cfg(target_os = "linux")]
pub fn has_children() -> bool {
    let computes = computing_child().map(|child| child.to_string());
    linux::children_of("self").iter().any(|child| Some(child) != computes.as_ref())
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn has_children() -> bool {
    true
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn processor() -> Option<Duration> {
    None
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn children() -> Duration {
    Duration::ZERO
}

/// How often the kernel had to give this process a page of memory when it was touched, so far.
#[cfg(target_os = "linux")]
pub fn page_faults() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let own = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.minor_page_faults() as u64);
    own + computing_child().map_or(0, linux::page_faults)
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn page_faults() -> u64 {
    0
}

/// From now on, processes that this one starts stay its children, even if those between them end.
#[cfg(target_os = "linux")]
pub fn keep_children() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// There is no such thing on this system.
#[cfg(not(target_os = "linux"))]
pub fn keep_children() -> std::io::Result<()> {
    Ok(())
}

/// Runs `work`; returns by how many bytes the memory of this process that is really there grew meanwhile, at its peak. However it
/// was got: by the allocator, by a mapping, on a stack or as a file without a name. `None` where the system does not say.
pub fn resident_growth<R>(work: impl FnOnce() -> R) -> (R, Option<u64>) {
    // Writing 5 there sets the peak to what is there now: man 5 proc.
    let before = std::fs::write("/proc/self/clear_refs", "5").ok().and_then(|()| status("VmRSS:"));
    let files = nameless_files();
    let result = work();
    let peak = before.and_then(|before| Some(status("VmHWM:")?.saturating_sub(before)));
    (result, peak.map(|peak| peak + nameless_files().saturating_sub(files)))
}

/// Bytes of files in memory that no folder names.
fn nameless_files() -> u64 {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let nameless = files.filter(|file| {
        std::fs::read_link(file.path())
            .is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:"))
    });
    nameless.filter_map(|file| std::fs::metadata(file.path()).ok()).map(|file| file.len()).sum()
}

/// Bytes of one line of `/proc/self/status`.
fn status(name: &str) -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::time::Duration;

    /// Ticks of the kernel's accounts a second, on every Linux there is.
    const TICKS: u64 = 100;

    /// Processor time of all children of this process and of theirs, those that have ended included.
    pub(super) fn children() -> Duration {
        let own = fs::read_to_string("/proc/self/stat").ok();
        let ended = own.as_deref().and_then(|stat| ticks(stat, [15, 16])).unwrap_or(0);
        let computes = super::computing_child().map(|child| child.to_string());
        let children =
            children_of("self").into_iter().filter(|child| Some(child) != computes.as_ref());
        let children = children.chain(computes.iter().flat_map(|child| children_of(child)));
        let alive: u64 = children.map(|child| of_family(&child)).sum();
        Duration::from_millis((ended + alive) * 1000 / TICKS)
    }

    /// Processor time of another process.
    pub(super) fn processor(process: u32) -> Option<Duration> {
        let clock =
            nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(process.cast_signed()))
                .ok()?;
        Some(Duration::from(clock.now().ok()?))
    }

    /// How often another process was given a page of memory when it was touched.
    pub(super) fn page_faults(process: u32) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok();
        stat.as_deref().and_then(|stat| ticks(stat, [9])).unwrap_or(0)
    }

    /// Ticks of a process, of its children that have ended, and of those that live.
    fn of_family(process: &str) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok();
        let own = stat.as_deref().and_then(|stat| ticks(stat, [13, 14, 15, 16])).unwrap_or(0);
        own + children_of(process).iter().map(|child| of_family(child)).sum::<u64>()
    }

    pub(super) fn children_of(process: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_whitespace().map(String::from).collect::<Vec<_>>())
            .collect()
    }

    /// The sum of fields of `/proc/<pid>/stat`, counted from 0; the second, a name in brackets, may hold spaces.
    pub(super) fn ticks<const N: usize>(stat: &str, fields: [usize; N]) -> Option<u64> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let rest: Vec<&str> = after_name.split_whitespace().collect();
        fields.iter().map(|field| rest.get(field - 2)?.parse::<u64>().ok()).sum()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_a_name_with_spaces() {
        let stat = "7 (a (b) c) R 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0";
        assert_eq!(linux::ticks(stat, [13, 14]), Some(33));
        assert_eq!(linux::ticks(stat, [15, 16]), Some(77));
        assert_eq!(linux::ticks("7 (x) R", [13]), None);
        assert_eq!(kilobytes("VmHWM:\t   12 kB\nVmRSS:\t 3 kB\n", "VmRSS:"), Some(3072));
    }

    #[test]
    fn work_of_threads_and_of_children_counts() {
        let spin = || {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(60) {}
        };
        let before = processor().unwrap();
        let other = std::thread::spawn(spin);
        spin();
        other.join().unwrap();
        // Both may have to share a processor with others, which leaves them a part of the time.
        assert!(processor().unwrap() > before + Duration::from_millis(10));
        let busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        let mut child = std::process::Command::new("sh").args(["-c", busy]).spawn().unwrap();
        assert!(has_children());
        assert!(child.wait().unwrap().success());
        assert!(children() > Duration::ZERO);
    }

    #[test]
    fn what_the_child_that_computes_does_is_counted_as_own() {
        let busy = "while :; do :; done";
        let mut child = std::process::Command::new("sh").args(["-c", busy]).spawn().unwrap();
        let (own, faults) = (processor().unwrap(), page_faults());
        count_as_own(child.id());
        let grew = || processor().unwrap() > own + Duration::from_millis(50);
        let seen = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            grew()
        });
        assert!(seen && page_faults() > faults && computing_child() == Some(child.id()));
        count_as_own(0);
        assert_eq!(computing_child(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn pages_that_are_touched_for_the_first_time_are_counted() {
        let before = page_faults();
        let mut pages = vec![0_u8; 64 << 12];
        pages.iter_mut().step_by(1 << 12).for_each(|page| *std::hint::black_box(page) = 1);
        assert!(page_faults() > before);
    }

    #[test]
    fn memory_that_no_allocator_counts_is_seen() {
        let (_, grown) = resident_growth(|| std::hint::black_box(vec![1_u8; 32 << 20]));
        assert!(grown.unwrap() >= 31 << 20);
    }
}
