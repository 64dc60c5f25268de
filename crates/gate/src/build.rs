//! Programs of revisions: exported, built and kept, without touching anybody's checkout.
//!
//! Both revisions are built **at the same path**, one after the other: cargo's hashes depend on the path of a
//! workspace, and so would the order of functions. A revision is exported through an index file of its own
//! (`git read-tree -u`), which rewrites only the files that differ. So the user's repository gets no
//! worktree, no index entry and no lock, and a crash leaves nothing behind in it.
//!
//! ```text
//! CACHE/lock               one gate at a time
//! CACHE/index, source/     the revision that was exported last
//! CACHE/target/            cargo's
//! CACHE/programs/NAME      finished programs: name = revision, toolchain and flags
//! CACHE/build.log          what cargo said
//! ```

mod cache;
mod cargo;
mod git;

pub use cache::{Built, Cache};
pub use cargo::{CONFIGURATION, Cargo, Environment};
pub use git::{Commit, GitError, Repository};

use std::path::{Path, PathBuf};

use attn_record::disk::FileError;

/// Makes a program from sources.
pub trait Build {
    /// Everything beside the files in `source` that the program depends on.
    fn key(&self, source: &Path) -> Result<String, BuildError>;

    /// Builds what is in `source`; files that may be kept are in `target`, what the compiler says goes to
    /// `log`. Returns the path of the program.
    fn build(&self, source: &Path, target: &Path, log: &Path) -> Result<PathBuf, BuildError>;
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The compiler refuses.
    #[error("does not build: {error}; all of it is in {}", log.display())]
    Compiler {
        /// Its first error.
        error: String,
        /// The rest.
        log: PathBuf,
    },
    /// The compiler cannot be started, or a file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Cargo names no program.
    #[error(
        "cargo built no program `{bin}` of package `{package}`: name them in [build] of gate.toml"
    )]
    NoProgram {
        /// The package.
        package: String,
        /// Its binary.
        bin: String,
    },
    /// The revision cannot be exported.
    #[error(transparent)]
    Git(#[from] GitError),
}
