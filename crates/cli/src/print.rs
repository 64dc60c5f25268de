//! Printing on stdout where nobody may be reading: `print!` and `println!` of this crate.
//!
//! A reader that has seen enough (`attn support | head`) ends nothing: what follows is dropped, the files of
//! a run get written and the exit code stays what it would be. The standard macros panic there.

use std::io::{self, ErrorKind, Write as _};

macro_rules! print {
    ($($text:tt)*) => { $crate::print::on_stdout(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::print::on_stdout(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::on_stdout(format_args!("{}\n", format_args!($($text)*))) };
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
