//! A run folder: new every time, readable at any moment.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attn_record::{Map, Record, Run};
use serde::Serialize;

/// A folder that a run writes into.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: File,
}

/// The folder could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FolderError {
    /// The file or folder.
    pub path: PathBuf,
    /// The operating system's words.
    pub source: io::Error,
}

impl Folder {
    /// Creates `root/name`, or `root/name.2` and so on where that exists: nothing is overwritten.
    pub fn create(root: &Path, name: &str) -> Result<Self, FolderError> {
        let failed = |path: &Path, source| FolderError { path: path.into(), source };
        fs::create_dir_all(root).map_err(|source| failed(root, source))?;
        let path = (1..)
            .map(|n| root.join(if n == 1 { name.to_string() } else { format!("{name}.{n}") }))
            .find_map(|path| match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                result => Some(result.map(|()| path.clone()).map_err(|e| failed(&path, e))),
            })
            .expect("the numbers do not end")?;
        let file = path.join("records.jsonl");
        let records = File::create_new(&file).map_err(|source| failed(&file, source))?;
        Ok(Folder { path, records })
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

    /// Appends one whole line to `records.jsonl`.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.records.write_all(&line)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_string_pretty(value).expect("records hold finite numbers");
        text.push('\n');
        fs::write(&path, text).map_err(|source| FolderError { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_of_the_same_name_gets_a_folder_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let paths = [0; 3].map(|_| Folder::create(root.path(), "now").unwrap().path);
        let names = paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_string());
        assert_eq!(names, ["now", "now.2", "now.3"]);
    }
}
