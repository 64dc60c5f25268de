//! The `attn` command: arguments in, tables, JSON and exit codes out.
//!
//! This crate alone knows every backend ([`registry`]), reads arguments and prints. Each sub-command
//! is one file under `cmd`, with the same parts: its arguments with examples, and `run`, which
//! returns how the process ends.

#[macro_use]
mod print;

mod args;
mod build;
pub mod builtin;
mod cmd;
mod cuda;
mod engines;
mod exit;
mod failures;
mod program;
mod progress;
mod records;
pub mod registry;
mod runs;
mod session;
mod splice;
pub mod threads;

pub use attn_bench::run::{Entry, Measured};

/// As [`main`], with backends of another crate after those of this one: all that a program needs to check,
/// measure and gate its own kernels.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     attn_cli::main_with(|| vec![/* attn_cli::Entry { .. } */])
/// }
/// ```
pub fn main_with(more: fn() -> Vec<Entry>) -> std::process::ExitCode {
    registry::add(more);
    main()
}

/// Parses the command line, runs the sub-command and says how it ended.
pub fn main() -> std::process::ExitCode {
    let cli = match cmd::help::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors and go to stdout.
            let _ = error.print();
            return if error.use_stderr() { exit::Exit::Usage } else { exit::Exit::Success }.into();
        }
    };
    match cmd::dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("attn: {failure}");
            failure.exit().into()
        }
    }
}
