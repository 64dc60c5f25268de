//! This program as its user calls it: a command that it prints can be pasted into the same shell.

use std::env;
use std::ffi::OsString;
use std::path::Path;

/// The program as it was called: `attn`, `target/release/attn`, or the program of another crate with kernels of
/// its own ([`main_with`](crate::main_with)).
pub(crate) fn program() -> String {
    quoted(&called().to_string_lossy())
}

/// The program by its name alone.
pub(crate) fn program_name() -> String {
    let called = called();
    quoted(&Path::new(&called).file_stem().unwrap_or(&called).to_string_lossy())
}

/// The first word of the command line.
pub(crate) fn called() -> OsString {
    env::args_os().next().filter(|called| !called.is_empty()).unwrap_or_else(|| "attn".into())
}

/// A word of a command line as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The sub-command of a command line whose first word is [`quoted`].
pub(crate) fn sub_command(line: &str) -> Option<&str> {
    let (_, rest) = match line.strip_prefix('\'') {
        Some(line) => line.split_once("' ")?,
        None => line.split_once(' ')?,
    };
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_than_a_word() {
        for plain in ["target/release/attn", "--threads=1,2", "a@b%2Fc+d:e_f"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted("sweep/*"), "'sweep/*'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_sub_command_follows_the_program_whatever_that_is_called() {
        for line in ["attn run -b naive", "my-attn run", "'my attn' run --shard 1/2"] {
            assert_eq!(sub_command(line), Some("run"));
        }
        assert_eq!(sub_command("attn merge run"), Some("merge"));
        assert_eq!(sub_command("attn"), None);
    }
}
