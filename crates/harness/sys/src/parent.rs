//! The process that started this one.

/// Ends this process as soon as the thread that started it ends: a worker whose harness was killed would go on
/// computing, perhaps for ever, beside whatever is measured next. Does nothing where the system has no such signal.
///
/// A parent that ended before this call sends no signal any more; but then the pipe that requests come through is closed, and
/// whoever reads it ends as well.
#[cfg(target_os = "linux")]
pub fn die_with_it() -> std::io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Makes the process that `command` starts end as soon as the thread that starts it ends.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what runs between fork and exec is unsafe to give")]
pub fn ends_with_this(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: between fork and exec a system call is made, and nothing else: no lock is taken, and no memory.
    unsafe { command.pre_exec(die_with_it) };
}

/// There is no such signal on this system.
#[cfg(not(target_os = "linux"))]
pub fn ends_with_this(_command: &mut std::process::Command) {}

/// Ends a process that leads a group, and all others of the group: nothing that it has started goes on beside the next
/// measurement.
#[cfg(target_os = "linux")]
pub fn end_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may be gone already, which is all that is wanted.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// There are no such groups on this system.
#[cfg(not(target_os = "linux"))]
pub fn end_group(_leader: u32) {}

/// There is no such signal on this system.
#[cfg(not(target_os = "linux"))]
pub fn die_with_it() -> std::io::Result<()> {
    Ok(())
}
