//! Files that somebody else may have made, read within bounds, and files that nobody sees half of.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes of a text that people write: cases, configurations.
pub const SMALL: u64 = 16 << 20;

/// Bytes of a text that programs write: records, samples.
pub const LARGE: u64 = 1 << 30;

/// The text in the regular file at `path`, of `most` bytes at most: devices and pipes, which may never end, are no files.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, most)?).map_err(|_| io::Error::other("not UTF-8"))
}

/// The content of the regular file at `path`, of `most` bytes at most.
pub fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, most)?.take(most + 1).read_to_end(&mut bytes)?;
    within(bytes.len() as u64, most)?;
    Ok(bytes)
}

/// Opens the regular file at `path`, of `most` bytes at most.
pub fn open(path: &Path, most: u64) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(io::Error::other(format!("{kind}, expected a regular file")));
    }
    within(metadata.len(), most)?;
    File::open(path)
}

/// Writes a neighbour of `path` and renames it, so that nobody ever sees half a file.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.tmp", std::process::id()));
    let neighbour = PathBuf::from(neighbour);
    let written = fs::write(&neighbour, content).and_then(|()| fs::rename(&neighbour, path));
    written.inspect_err(|_| {
        // Half a file is of no use; that it cannot be removed either says less than why it is half.
        let _ = fs::remove_file(&neighbour);
    })
}

fn within(bytes: u64, most: u64) -> io::Result<()> {
    if bytes <= most {
        return Ok(());
    }
    let message = format!("{bytes} bytes, expected {most} at most");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(text(&path, 4).unwrap(), "four");
        assert_eq!(text(&path, 3).unwrap_err().to_string(), "4 bytes, expected 3 at most");
        let error = text(folder.path(), 4).unwrap_err().to_string();
        assert_eq!(error, "a folder, expected a regular file");
        if cfg!(unix) {
            let error = text(Path::new("/dev/zero"), 4).unwrap_err().to_string();
            assert_eq!(error, "a device or a pipe, expected a regular file");
        }
        File::options().write(true).open(&path).unwrap().set_len(5 << 30).unwrap();
        assert!(text(&path, LARGE).unwrap_err().to_string().starts_with("5368709120 bytes"));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::create_dir(folder.path().join("taken")).unwrap();
        write_whole(&folder.path().join("taken"), b"x").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
