//! The `attn` command: arguments in, tables, JSON and exit codes out.
//!
//! This crate alone knows every backend ([`registry`]), reads arguments and prints. Each sub-command
//! is one file under `cmd`, with the same parts: its arguments with examples, and `run`, which
//! returns how the process ends. A program with kernels of its own is one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     attn_cli::main_with(|| vec![/* attn_cli::Entry { .. } */])
//! }
//! ```

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
pub use attn_core::Backend;

/// As [`main`], with backends of another crate after those of this one: all that a program needs to check,
/// measure and gate its own kernels.
pub fn main_with(more: fn() -> Vec<Entry>) -> std::process::ExitCode {
    registry::add(more);
    main()
}

/// As [`main_with`] with the words of `arguments`, separated by blanks, whatever the command line says: for programs that do one thing,
/// such as benches.
pub fn main_as(arguments: &'static str, more: fn() -> Vec<Entry>) -> std::process::ExitCode {
    registry::add(more);
    let mut given = std::env::args_os();
    let program = given.next();
    // Cells are computed by processes of this same program.
    if given.next().is_some_and(|word| word == "worker") {
        return main();
    }
    let words = arguments.split_whitespace().map(Into::into);
    run(program.into_iter().chain(words))
}

/// Parses the command line, runs the sub-command and says how it ended.
pub fn main() -> std::process::ExitCode {
    run(std::env::args_os())
}

fn run(words: impl Iterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    let cli = match cmd::help::parse(words) {
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
