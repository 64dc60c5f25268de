//! Files of the format [attn-case/1](attn_check::attn_case).

use std::io::{self, Read as _};
use std::path::Path;

pub use attn_check::attn_case::*;

/// Bytes of a file with tensors, at most.
const LARGEST: u64 = 4 << 30;
/// A file that is larger is read only if it begins as safetensors files do.
const LARGE: u64 = 64 << 20;
/// Bytes of the header of a safetensors file, at most.
const LONGEST_HEADER: u64 = 100 << 20;

/// The bytes of the regular file at `path`, 4 GiB at most, to be parsed.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = attn_record::disk::open(path, LARGEST)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes)?;
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if length > LARGE && !(2..=LONGEST_HEADER.min(length)).contains(&header) {
        let message = format!(
            "{length} bytes that do not begin with the length of a header, expected a safetensors file"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_without_a_header_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(3 << 30).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("expected a safetensors file"), "{error}");
        file.as_file().set_len(5 << 30).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("at most"));
        file.as_file().set_len(4).unwrap();
        assert_eq!(read(file.path()).unwrap(), [0; 4]);
    }
}
