//! Staying on one processor.

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
