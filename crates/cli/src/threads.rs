//! Processes with a fixed number of threads.

use std::env;
use std::process::Command;

#[cfg(unix)]
use crate::program::called;
use crate::registry::THREAD_VARIABLES;

/// Makes sure that this process computes with `threads` threads: if its environment says otherwise,
/// runs the same command again with an environment that does, and ends as it does.
///
/// For programs that compute in their own process, such as criterion's. To be called first in `main`.
pub fn fix(threads: usize) {
    let wanted = threads.to_string();
    let is_set = |variable: &&str| env::var(variable).is_ok_and(|value| value == wanted);
    if THREAD_VARIABLES.iter().all(is_set) {
        return;
    }
    let program = env::current_exe().expect("a running program has a path");
    let mut command = Command::new(program);
    command.args(env::args_os().skip(1));
    for variable in THREAD_VARIABLES {
        command.env(variable, &wanted);
    }
    instead(command);
}

/// Runs `command` in place of this process: whoever waits for it, or sends it a signal, has the right one.
#[cfg(unix)]
fn instead(mut command: Command) -> ! {
    use std::os::unix::process::CommandExt as _;
    // Commands that are printed name the program as it was called.
    let error = command.arg0(called()).exec();
    panic!("this program can be started again: {error}");
}

/// Runs `command` and ends as it does.
#[cfg(not(unix))]
fn instead(mut command: Command) -> ! {
    let status = command.status().expect("this program can be started again");
    std::process::exit(status.code().unwrap_or(101));
}
