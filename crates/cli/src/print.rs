//! Printing on stdout where nobody may be reading: `print!` and `println!` of this crate.
//!
//! A reader that has seen enough (`attn support | head`) ends nothing: what follows is dropped, the files of
//! a run get written and the exit code stays what it would be. The standard macros panic there.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use attn_report::table::Options;

macro_rules! print {
    ($($text:tt)*) => { $crate::print::on_stdout(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::print::on_stdout(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::on_stdout(format_args!("{}\n", format_args!($($text)*))) };
}

/// A note on stderr, unless none are wanted.
macro_rules! note {
    ($($text:tt)*) => { if !$crate::print::is_quiet() { eprintln!($($text)*) } };
}

/// Whether nothing but errors and warnings is to be said on stderr.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on no progress and no notes.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether a bar on stderr is seen and wanted.
pub(crate) fn shows_bars() -> bool {
    io::stderr().is_terminal() && !is_quiet()
}

/// What standard output can show: in a terminal its width, and colours unless the environment asks for none (`NO_COLOR`, TERM).
pub(crate) fn options() -> Options {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return Options::default();
    }
    let size = terminal_size::terminal_size();
    let width = size.map_or(Options::default().width, |(width, _)| usize::from(width.0));
    Options { width, color: AutoStream::choice(&stdout) != ColorChoice::Never }
}

/// Ends the process with exit code 3 if stdout is there and takes no more, as on a full disk.
pub(crate) fn on_stdout(text: std::fmt::Arguments<'_>) {
    match io::stdout().lock().write_fmt(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("attn: standard output: {error}");
            std::process::exit(crate::exit::Exit::Broken as i32);
        }
        Ok(()) | Err(_) => {}
    }
}
