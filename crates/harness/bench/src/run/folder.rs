//! A run folder: new every time, readable at any moment, and where an interrupted run goes on.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attn_record::disk::{self, FileError};
use attn_record::{
    HEAD, Limits, Map, PARTIAL, RECORDS, ReadError, Record, Run, read_finished, read_partial,
    read_run,
};
use serde::Serialize;

/// A folder that a run writes into. Nobody else does meanwhile.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: File,
}

/// What an interrupted run left in its folder.
#[derive(Debug)]
pub struct Resumable {
    /// Its head.
    pub run: Run,
    /// Records of the cells that are finished.
    pub finished: Vec<Record>,
    /// What single processes said of other cells.
    pub partial: Vec<Record>,
}

/// Inputs of the cells that are under way.
const SCRATCH: &str = "inputs";

/// The folder could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
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
        fs::create_dir_all(root).map_err(FileError::of(root))?;
        let path = (1..)
            .map(|n| root.join(if n == 1 { name.to_string() } else { format!("{name}.{n}") }))
            .find_map(|path| match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                result => Some(result.map(|()| path.clone()).map_err(FileError::of(&path))),
            })
            .expect("the numbers do not end")?;
        let new = |name: &str| {
            let file = path.join(name);
            File::options().append(true).create_new(true).open(&file).map_err(FileError::of(&file))
        };
        new(PARTIAL)?;
        let records = new(RECORDS)?;
        Folder { path, records }.locked()
    }

    /// Opens the folder of an interrupted run, to go on with it. Half a line at the end of a file, of a
    /// process that was killed while it wrote, is cut off.
    pub fn reopen(path: &Path) -> Result<(Self, Resumable), FolderError> {
        let run = read_run(path)?;
        let (records, partial) = (path.join(RECORDS), path.join(PARTIAL));
        let file = File::options().append(true).open(&records).map_err(FileError::of(&records))?;
        let folder = Folder { path: path.into(), records: file }.locked()?;
        // A run that was finished, which nothing is left to do of, has no partial records.
        for file in [&records, &partial].into_iter().filter(|file| file.exists()) {
            cut_half_a_line(file)?;
        }
        let finished = read_finished(path)?;
        let partial = read_partial(path, &finished)?;
        Ok((folder, Resumable { run, finished, partial }))
    }

    fn locked(self) -> Result<Self, FolderError> {
        match self.records.try_lock() {
            Ok(()) => Ok(self),
            Err(TryLockError::WouldBlock) => Err(FolderError::Busy { path: self.path }),
            Err(TryLockError::Error(error)) => Err(FileError::of(&self.path)(error).into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `run.json`.
    pub fn write_run(&self, run: &Run) -> Result<(), FolderError> {
        self.write_json(HEAD, run)
    }

    /// Writes `map.json`.
    pub fn write_map(&self, map: &Map) -> Result<(), FolderError> {
        self.write_json("map.json", map)
    }

    /// Writes `limits.json`.
    pub fn write_limits(&self, limits: &Limits) -> Result<(), FolderError> {
        self.write_json("limits.json", limits)
    }

    /// Keeps the record of one process until its cell is finished.
    pub fn keep(&mut self, record: &Record) -> io::Result<()> {
        let partial = File::options().append(true).create(true).open(self.path.join(PARTIAL));
        partial?.write_all(&line(record)?)
    }

    /// Appends whole lines to [`RECORDS`], in which is what single processes said. What is known of cells that are `open`, to be
    /// tried again, is kept as that is.
    pub fn append(&mut self, records: &[Record], open: &[Record]) -> io::Result<()> {
        for record in records {
            self.records.write_all(&line(record)?)?;
        }
        let open = open.iter().map(line).collect::<io::Result<Vec<_>>>()?;
        Ok(disk::write_whole(&self.path.join(PARTIAL), &open.concat())?)
    }

    /// A folder for inputs; it goes with [`Folder::remove_scratch`].
    pub fn scratch(&self) -> Result<PathBuf, FolderError> {
        let path = self.path.join(SCRATCH);
        fs::create_dir_all(&path).map_err(FileError::of(&path))?;
        Ok(path)
    }

    /// Removes what only a run that is under way needs. Of one that is not `finished`, what single processes said
    /// stays, and with it the mark that cells are missing.
    pub fn remove_scratch(&self, finished: bool) -> Result<(), FolderError> {
        let scratch = self.path.join(SCRATCH);
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(FileError::of(&scratch))?;
        }
        let partial = self.path.join(PARTIAL);
        if finished && partial.exists() {
            fs::remove_file(&partial).map_err(FileError::of(&partial))?;
        }
        Ok(())
    }

    /// Writes `name`, whole or not at all.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut text = serde_json::to_string_pretty(value).expect("records hold finite numbers");
        text.push('\n');
        Ok(disk::write_whole(&path, text.as_bytes())?)
    }
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

fn cut_half_a_line(path: &Path) -> Result<(), FileError> {
    let bytes = disk::bytes(path, disk::LARGE)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        let file = File::options().write(true).open(path);
        file.and_then(|file| file.set_len(whole as u64)).map_err(FileError::of(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use attn_record::is_finished;

    use super::*;

    #[test]
    fn only_a_run_under_way_has_more_than_its_results() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(root.path(), "now").unwrap();
        let scratch = folder.scratch().unwrap();
        assert!(scratch.starts_with(folder.path()) && folder.path().join("partial.jsonl").exists());
        folder.append(&[], &[]).unwrap();
        folder.remove_scratch(false).unwrap();
        assert!(!scratch.exists() && !is_finished(folder.path()));
        folder.remove_scratch(true).unwrap();
        assert!(is_finished(folder.path()) && !folder.path().join("partial.jsonl").exists());
        assert!(folder.path().join("records.jsonl").exists());
    }

    #[test]
    fn a_run_without_its_records_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path(), "now").unwrap();
        let run = r#"{"schema":"attn-run/1","command":"","arguments":[],"shard":null,"preset":"quick",
            "started":"","machine":{"cpu":"","cores":1,"isa":"","arch":"","os":""},"groups":[]}"#;
        fs::write(folder.path().join("run.json"), run).unwrap();
        let path = folder.path().to_path_buf();
        folder.remove_scratch(true).unwrap();
        drop(folder);
        assert!(Folder::reopen(&path).is_ok());
        assert!(is_finished(&path), "one who looks at it does not begin it again");
        fs::remove_file(path.join("records.jsonl")).unwrap();
        let error = Folder::reopen(&path).unwrap_err().to_string();
        assert!(error.contains("records.jsonl") && !path.join("records.jsonl").exists(), "{error}");
    }

    #[test]
    fn a_second_run_of_the_same_name_gets_a_folder_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folders = [0; 3].map(|_| Folder::create(root.path(), "now").unwrap());
        let name = |folder: &Folder| folder.path.file_name().unwrap().to_str().unwrap().to_string();
        assert_eq!(folders.each_ref().map(name), ["now", "now.2", "now.3"]);
    }
}
