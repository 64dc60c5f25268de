//! What the gate asks git: which revision, and its files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a checkout.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    git_dir: PathBuf,
}

/// A revision that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit(String);

impl Commit {
    /// The whole hash.
    pub fn hash(&self) -> &str {
        &self.0
    }

    /// Its first twelve digits.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

/// Why git has no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The command is not there.
    #[error("git is not on PATH: install it, or name two programs with --base-bin and --head-bin")]
    NoGit,
    /// Files of other repositories would be missing.
    #[error(
        "{commit} has the submodule {path}, which the gate does not export: name two programs with --base-bin and --head-bin"
    )]
    Submodule {
        /// The revision.
        commit: String,
        /// Its first submodule.
        path: String,
    },
    /// Not inside a checkout.
    #[error("{}: not inside a git checkout", .0.display())]
    NoRepository(PathBuf),
    /// Tracked files are changed.
    #[error(
        "{first}{}: uncommitted changes; the gate compares HEAD as it is committed: commit or stash them",
        and_more(*more)
    )]
    Dirty {
        /// The first changed file.
        first: String,
        /// How many others.
        more: usize,
    },
    /// There is no such revision.
    #[error("`{0}` is no revision of this repository; for one of a remote, `git fetch` it first")]
    Unknown(String),
    /// The history ends before the revision.
    #[error(
        "{0}, and this is a shallow clone: `git fetch --unshallow`, or `fetch-depth: 0` in actions/checkout"
    )]
    Shallow(String),
    /// No default base.
    #[error(
        "HEAD and origin/main have no common commit here: name the base with --base REV, or `git fetch origin main`"
    )]
    NoBase,
    /// Git failed.
    #[error("git {command}: {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// What it said.
        message: String,
    },
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" and {more} more") }
}

impl Repository {
    /// The repository whose checkout holds `folder`.
    pub fn open(folder: &Path) -> Result<Self, GitError> {
        let ask = |what| git(Command::new("git").arg("-C").arg(folder).args(["rev-parse", what]));
        let root = ask("--show-toplevel").map_err(|error| match error {
            GitError::Failed { .. } => GitError::NoRepository(folder.into()),
            error => error,
        })?;
        let git_dir = ask("--absolute-git-dir")?;
        Ok(Repository { root: root.into(), git_dir: git_dir.into() })
    }

    /// The top of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn git(&self, args: &[&str]) -> Result<String, GitError> {
        git(Command::new("git").arg("-C").arg(&self.root).args(args))
    }

    /// An error if tracked files are changed: what is committed is gated, and a user who forgot to commit
    /// would take the answer for one about the files that they see. Untracked files do not matter.
    pub fn must_be_clean(&self) -> Result<(), GitError> {
        // Without --no-optional-locks git would refresh the index of the checkout.
        let status =
            self.git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])?;
        let mut changed = status.lines().map(|line| line.get(2..).unwrap_or(line).trim());
        match changed.next() {
            None => Ok(()),
            Some(first) => Err(GitError::Dirty { first: first.into(), more: changed.count() }),
        }
    }

    /// The commit that `revision` names.
    pub fn commit(&self, revision: &str) -> Result<Commit, GitError> {
        let name = format!("{revision}^{{commit}}");
        let hash = self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
        match hash {
            Ok(hash) => Ok(Commit(hash)),
            Err(_) if self.is_shallow() => {
                Err(GitError::Shallow(format!("`{revision}` is not in this repository")))
            }
            Err(_) => Err(GitError::Unknown(revision.into())),
        }
    }

    /// Where HEAD left `origin/main`; if there is no such branch, where it left `main`.
    pub fn default_base(&self) -> Result<Commit, GitError> {
        for main in ["origin/main", "main"] {
            if let Ok(hash) = self.git(&["merge-base", main, "HEAD"]) {
                return Ok(Commit(hash));
            }
        }
        if self.is_shallow() {
            let what = "HEAD and origin/main have no common commit here";
            return Err(GitError::Shallow(what.into()));
        }
        Err(GitError::NoBase)
    }

    fn is_shallow(&self) -> bool {
        self.git(&["rev-parse", "--is-shallow-repository"]).is_ok_and(|answer| answer == "true")
    }

    /// The files below `paths` in which `base` and `head` differ.
    pub fn differing(
        &self,
        base: &Commit,
        head: &Commit,
        paths: &[&str],
    ) -> Result<Vec<String>, GitError> {
        let revisions = ["diff", "--name-only", base.hash(), head.hash(), "--"];
        Ok(self.git(&[&revisions[..], paths].concat())?.lines().map(String::from).collect())
    }

    /// Makes `source` hold the files of `commit` and nothing else, with an index of its own. Files that are the
    /// same keep their time, so that cargo builds only what differs.
    pub(super) fn export(
        &self,
        commit: &Commit,
        source: &Path,
        index: &Path,
    ) -> Result<(), GitError> {
        const SUBMODULE: &str = "160000 ";
        let tree = self.git(&["ls-tree", "-r", commit.hash()])?;
        if let Some(line) = tree.lines().find(|line| line.starts_with(SUBMODULE)) {
            let path = line.split('\t').nth(1).unwrap_or_default().into();
            return Err(GitError::Submodule { commit: commit.short().into(), path });
        }
        let run = |args: &[&str]| {
            let mut command = Command::new("git");
            // The checkout may leave files out; a build needs all.
            command.args(["-c", "core.sparseCheckout=false"]);
            command.arg("--git-dir").arg(&self.git_dir).arg("--work-tree").arg(source);
            command.args(args).current_dir(source).env("GIT_INDEX_FILE", index);
            git(&mut command)
        };
        run(&["read-tree", "--reset", "-u", commit.hash()])?;
        // What a crash left half written, or somebody changed, is written again.
        run(&["checkout-index", "--all", "--force", "--quiet"])?;
        // Files that an export wrote which was killed before its index: cargo takes `build.rs` and `src/bin` by their names.
        run(&["clean", "-ffdxq"])?;
        Ok(())
    }
}

/// What git says, without the blanks at the ends.
fn git(command: &mut Command) -> Result<String, GitError> {
    // A hook that runs the gate has these set for its own purposes.
    if !command.get_envs().any(|(name, _)| name == "GIT_INDEX_FILE") {
        command.env_remove("GIT_INDEX_FILE").env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    }
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    let args = args.collect::<Vec<_>>().join(" ");
    let failed = |message: String| GitError::Failed { command: args.clone(), message };
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitError::NoGit,
        _ => failed(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_string());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(failed(message.lines().next().unwrap_or("failed").to_string()))
}
