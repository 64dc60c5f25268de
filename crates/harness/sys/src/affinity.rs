//! Staying on a processor.

/// Keeps the calling thread, and the threads that it starts from now on, on processor `cpu`; returns
/// whether it does.
#[cfg(target_os = "linux")]
pub fn pin(cpu: u32) -> bool {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    let cpu = cpu as usize;
    if cpu >= CpuSet::MAX_CPU {
        return false;
    }
    set.set(cpu);
    sched_setaffinity(None, &set).is_ok()
}

/// Keeps every thread that this process, or the one that computes for it, has now, except its first, on one of `cpus`, in turn and in
/// the order in which they began; returns whether they all are.
///
/// The first thread stays free, because those that it starts later would have to share its processor.
#[cfg(target_os = "linux")]
pub fn spread(cpus: &[u32]) -> bool {
    use rustix::io::Errno;
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_setaffinity};
    let process = crate::usage::computing_child().unwrap_or_else(std::process::id);
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return false;
    };
    let ids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    let mut threads: Vec<Pid> = ids.filter_map(Pid::from_raw).collect();
    threads.retain(|thread| thread.as_raw_nonzero().get() as u32 != process);
    threads.sort_unstable_by_key(|thread| thread.as_raw_nonzero());
    let keep = |(&thread, &cpu): (&Pid, &u32)| {
        let mut set = CpuSet::new();
        set.set(cpu as usize);
        // One that has ended meanwhile needs no processor.
        matches!(sched_setaffinity(Some(thread), &set), Ok(()) | Err(Errno::SRCH))
    };
    !cpus.is_empty() && threads.iter().zip(cpus.iter().cycle()).all(keep)
}

/// The processors that the calling thread may use; empty where the system does not say.
#[cfg(target_os = "linux")]
pub fn allowed() -> Vec<u32> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU as u32).filter(|&cpu| set.is_set(cpu as usize)).collect()
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn pin(_cpu: u32) -> bool {
    false
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn spread(_cpus: &[u32]) -> bool {
    false
}

/// Nothing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn allowed() -> Vec<u32> {
    Vec::new()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_put() {
        let last = *allowed().last().expect("it runs somewhere");
        std::thread::spawn(move || {
            assert!(pin(last));
            assert_eq!(allowed(), [last]);
            assert!(!pin(u32::MAX));
        })
        .join()
        .unwrap();
        assert!(allowed().contains(&last));
    }
}
