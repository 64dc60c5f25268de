//! Programs are built once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attn_core::text::hex;
use attn_record::disk::FileError;
use sha2::{Digest as _, Sha256};

use super::{Build, BuildError, Commit, Repository};

/// Programs that are kept.
const KEPT: usize = 12;

/// A folder for sources, builds and programs. It must lie outside of the repository: cargo would read the
/// configuration of parent folders.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A program, and whether it was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub program: PathBuf,
    /// Whether an earlier gate built it.
    pub cached: bool,
}

impl Cache {
    /// In `folder`, which is made if it is missing.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        let programs = folder.join("programs");
        fs::create_dir_all(&programs).map_err(FileError::of(&programs))?;
        let folder = folder.canonicalize().map_err(FileError::of(folder))?;
        Ok(Cache { folder })
    }

    /// The program of `commit`, built by `build` unless it is there.
    pub fn program(
        &self,
        repository: &Repository,
        commit: &Commit,
        build: &dyn Build,
    ) -> Result<Built, BuildError> {
        // Two gates at once build one after the other; the lock ends with the process, however it ends.
        let lock = self.folder.join("lock");
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _locked = locked.map_err(FileError::of(&lock))?;
        let source = self.export(repository, commit)?;
        let name = name(repository, commit, &build.key(&source)?);
        let program = self.folder.join("programs").join(name);
        let cached = program.exists();
        if cached {
            let now = SystemTime::now();
            let touch =
                File::options().append(true).open(&program).and_then(|f| f.set_modified(now));
            touch.map_err(FileError::of(&program))?;
        } else {
            self.make(&source, build, &program)?;
        }
        self.prune();
        Ok(Built { program, cached })
    }

    /// The folder with the files of `commit`.
    fn export(&self, repository: &Repository, commit: &Commit) -> Result<PathBuf, BuildError> {
        let source = self.folder.join("source");
        fs::create_dir_all(&source).map_err(FileError::of(&source))?;
        // Half an index is one that a crash left: git would refuse it for ever.
        let _ = fs::remove_file(self.folder.join("index.lock"));
        repository.export(commit, &source, &self.folder.join("index"))?;
        Ok(source)
    }

    fn make(&self, source: &Path, build: &dyn Build, program: &Path) -> Result<(), BuildError> {
        let target = self.folder.join("target");
        fs::create_dir_all(&target).map_err(FileError::of(&target))?;
        let built = build.build(source, &target, &self.folder.join("build.log"))?;
        // Whole or not at all.
        let part = self.folder.join("programs").join("part");
        fs::copy(&built, &part).map_err(FileError::of(&built))?;
        Ok(fs::rename(&part, program).map_err(FileError::of(program))?)
    }

    /// Removes all but the programs that were used last. What cannot be removed may stay.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(self.folder.join("programs")) else {
            return;
        };
        let age = |entry: &fs::DirEntry| entry.metadata().and_then(|data| data.modified()).ok();
        let mut programs: Vec<fs::DirEntry> = entries.flatten().collect();
        programs.sort_by_key(|entry| std::cmp::Reverse(age(entry)));
        for entry in programs.into_iter().skip(KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Revision, and everything else that the program depends on; and the repository, as a cache may be shared.
fn name(repository: &Repository, commit: &Commit, key: &str) -> String {
    let key = format!("{} {} {key}", repository.root().display(), commit.hash());
    let digest = Sha256::digest(key.as_bytes());
    format!("{}-{}", commit.short(), hex(&digest[..6]))
}
