//! Where case files and tensors are read from: a folder, or what is built into the program.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use attn_record::disk::{self, FileError};

use super::SuiteError;
use crate::attn_case::{self, AttnCase};

/// A set of files.
pub trait Files: Send + Sync {
    /// All case files (`*.toml`), sorted by path.
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError>;

    /// The content of a file that a case file names; `path` is as [`resolve`] makes it.
    fn read(&self, path: &str) -> std::io::Result<Cow<'static, [u8]>>;
}

/// One case file.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// Path, as messages name it.
    pub path: String,
    /// What the paths of its cases begin with: the path below the root, without `.toml`.
    pub prefix: String,
    /// The text.
    pub text: String,
}

/// The path of `relative` seen from the folder that holds the file `from`, without `.` and `..`
/// where they can be resolved.
pub fn resolve(from: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|&last| !last.is_empty() && last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// No file at all.
pub(super) struct NoFiles;

impl Files for NoFiles {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        Ok(Vec::new())
    }

    fn read(&self, _: &str) -> std::io::Result<Cow<'static, [u8]>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// The files below a folder.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Files for Directory {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        let mut files = Vec::new();
        collect(&self.0, &self.0, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn read(&self, path: &str) -> std::io::Result<Cow<'static, [u8]>> {
        attn_case::read(Path::new(path)).map(Cow::Owned)
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<CaseFile>) -> Result<(), SuiteError> {
    for entry in std::fs::read_dir(folder).map_err(FileError::of(folder))? {
        let path = entry.map_err(FileError::of(folder))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.display().to_string();
            let text = disk::text(&path, disk::SMALL)?;
            let below = path.strip_prefix(root).expect("found below root").with_extension("");
            let prefix = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>();
            files.push(CaseFile { path: name, prefix: prefix.join("/"), text });
        }
    }
    Ok(())
}

/// Reads and parses the attn-case file at `path`.
pub(super) fn read_attn_case(files: &dyn Files, path: &str) -> Result<AttnCase, SuiteError> {
    let bytes = files.read(path).map_err(FileError::of(Path::new(path)))?;
    AttnCase::parse(&bytes).map_err(|source| SuiteError::Tensors { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_from_the_file_that_names_them() {
        assert_eq!(resolve("cases/real.toml", "../golden/a.st"), "golden/a.st");
        assert_eq!(resolve("cases/x/real.toml", "./a.st"), "cases/x/a.st");
        assert_eq!(resolve("real.toml", "../../a.st"), "../../a.st");
        assert_eq!(resolve("/abs/cases/real.toml", "../a.st"), "/abs/a.st");
    }
}
