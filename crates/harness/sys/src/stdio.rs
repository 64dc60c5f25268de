//! Descriptors for a dialogue that nothing else in the process reads or prints to.

use std::fs::File;
use std::io;

/// The standard input and output that this process was started with, which from now on are known to the caller alone. Whatever
/// the process prints on standard output goes to standard error, and standard input is empty: no library that
/// prints can spoil an answer, and none reads a request.
#[cfg(target_os = "linux")]
pub fn take() -> io::Result<(File, File)> {
    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::stdio::{dup2_stdin, dup2_stdout};
    // Above the numbers that programs expect of their standard streams.
    let asks = fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let answers = fcntl_dupfd_cloexec(io::stdout(), 3)?;
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(io::stderr())?;
    Ok((asks.into(), answers.into()))
}

/// The standard streams themselves: this system is not known well enough to set them apart.
#[cfg(not(target_os = "linux"))]
pub fn take() -> io::Result<(io::Stdin, io::Stdout)> {
    Ok((io::stdin(), io::stdout()))
}
