//! A run folder: new every time, readable at any moment, and where a run that was cut short goes on.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attn_record::{Limits, Map, ReadError, Record, Run, read_records, read_run};
use serde::Serialize;

/// A folder that a run writes into. Nobody else does meanwhile.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: File,
}

/// The folder could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another process writes into it.
    #[error("{}: another run is writing into this folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
}

impl Folder {
    /// Creates `root/name`, or `root/name.2` and so on where that exists: nothing is overwritten.
    pub fn create(root: &Path, name: &str) -> Result<Self, FolderError> {
        fs::create_dir_all(root).map_err(io_error(root))?;
        let path = (1..)
            .map(|n| root.join(if n == 1 { name.to_string() } else { format!("{name}.{n}") }))
            .find_map(|path| match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                result => Some(result.map(|()| path.clone()).map_err(io_error(&path))),
            })
            .expect("the numbers do not end")?;
        let file = path.join("records.jsonl");
        let records = File::create_new(&file).map_err(io_error(&file))?;
        Folder { path, records }.locked()
    }

    /// Opens the folder of a run that was cut short, to go on with it: its head and its records. Half a
    /// line at the end, of a process that was killed while it wrote, is cut off.
    pub fn reopen(path: &Path) -> Result<(Self, Run, Vec<Record>), FolderError> {
        let run = read_run(path)?;
        let file = path.join("records.jsonl");
        let records =
            File::options().append(true).read(true).open(&file).map_err(io_error(&file))?;
        let folder = Folder { path: path.into(), records }.locked()?;
        let bytes = fs::read(&file).map_err(io_error(&file))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            folder.records.set_len(whole as u64).map_err(io_error(&file))?;
        }
        let records = read_records(path)?;
        Ok((folder, run, records))
    }

    fn locked(self) -> Result<Self, FolderError> {
        match self.records.try_lock() {
            Ok(()) => Ok(self),
            Err(TryLockError::WouldBlock) => Err(FolderError::Busy { path: self.path }),
            Err(TryLockError::Error(source)) => Err(FolderError::Io { path: self.path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `run.json`.
    pub fn write_run(&self, run: &Run) -> Result<(), FolderError> {
        self.write_json("run.json", run)
    }

    /// Writes `map.json`.
    pub fn write_map(&self, map: &Map) -> Result<(), FolderError> {
        self.write_json("map.json", map)
    }

    /// Writes `limits.json`.
    pub fn write_limits(&self, limits: &Limits) -> Result<(), FolderError> {
        self.write_json("limits.json", limits)
    }

    /// Appends one whole line to `records.jsonl`.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.records.write_all(&line)
    }

    /// Writes `name`, whole or not at all.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_string_pretty(value).expect("records hold finite numbers");
        text.push('\n');
        write_whole(&path, text.as_bytes()).map_err(io_error(&path))
    }
}

/// Writes a neighbour of `path` and renames it, so that nobody ever sees half a file.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.tmp", std::process::id()));
    fs::write(&neighbour, content).and_then(|()| fs::rename(&neighbour, path))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_path_buf();
    |source| FolderError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_of_the_same_name_gets_a_folder_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folders = [0; 3].map(|_| Folder::create(root.path(), "now").unwrap());
        let name = |folder: &Folder| folder.path.file_name().unwrap().to_str().unwrap().to_string();
        assert_eq!(folders.each_ref().map(name), ["now", "now.2", "now.3"]);
    }
}
