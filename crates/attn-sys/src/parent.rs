//! The process that started this one.

/// Ends this process as soon as the thread that started it ends: a worker whose harness was killed would go on
/// computing, perhaps for ever, beside whatever is measured next. Does nothing where the system has no such signal.
#[cfg(target_os = "linux")]
pub fn die_with_it() -> std::io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// There is no such signal on this system.
#[cfg(not(target_os = "linux"))]
pub fn die_with_it() -> std::io::Result<()> {
    Ok(())
}
