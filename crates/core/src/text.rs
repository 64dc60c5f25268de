//! Text as files and terminals show it.

use std::fmt::Write as _;

/// Two hexadecimal digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("memory");
        digits
    })
}

/// Whether a terminal shows `name` as it is, and takes no part of it for a command.
pub fn is_printable(name: &str) -> bool {
    !name.chars().any(char::is_control)
}

/// The beginning of a name that is not printable or too long, with control characters escaped.
pub fn beginning(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_escapes() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert!(is_printable("sweep/n=64 \u{e9}") && !is_printable("a\u{1b}[2J"));
        assert_eq!(beginning("a\u{1b}\n"), r"a\u{1b}\n");
    }
}
