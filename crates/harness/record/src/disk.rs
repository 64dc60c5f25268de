//! Files that somebody else may have made, read within bounds, and files that nobody sees half of.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What the operating system says of a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Of the file or folder at `path`.
    pub fn of(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| FileError { path: path.into(), source }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

/// Bytes of a text that people write: cases, configurations.
pub const SMALL: u64 = 16 << 20;

/// Bytes of a text that programs write: records, samples.
pub const LARGE: u64 = 1 << 30;

/// The text in the regular file at `path`, of `most` bytes at most: devices and pipes, which may never end, are no files.
pub fn text(path: &Path, most: u64) -> Result<String, FileError> {
    let text = String::from_utf8(bytes(path, most)?);
    text.map_err(|_| FileError::of(path)(io::Error::other("not UTF-8")))
}

/// The content of the regular file at `path`, of `most` bytes at most.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = open(path, most).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.and_then(|read| within(read as u64, most)).map_err(FileError::of(path))?;
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
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.tmp", std::process::id()));
    let neighbour = PathBuf::from(neighbour);
    let written = fs::write(&neighbour, content).and_then(|()| fs::rename(&neighbour, path));
    written.map_err(|error| {
        // Half a file is of no use; that it cannot be removed either says less than why it is half.
        let _ = fs::remove_file(&neighbour);
        FileError::of(path)(error)
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
        let refusal = |path: &Path, most: u64| {
            let error = text(path, most).unwrap_err().to_string();
            error.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
        };
        assert_eq!(refusal(&path, 3), "4 bytes, expected 3 at most");
        assert_eq!(refusal(folder.path(), 4), "a folder, expected a regular file");
        if cfg!(unix) {
            let error = refusal(Path::new("/dev/zero"), 4);
            assert_eq!(error, "a device or a pipe, expected a regular file");
        }
        File::options().write(true).open(&path).unwrap().set_len(5 << 30).unwrap();
        assert!(refusal(&path, LARGE).starts_with("5368709120 bytes"));
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
