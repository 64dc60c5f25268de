//! The two programs that are compared: given, or built.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use attn_bench::worker::Launcher;
use attn_gate::build::{CONFIGURATION, Cache, Cargo, Commit, Environment, GitError, Repository};
use attn_gate::config::Target;
use attn_gate::result::Side;
use attn_gate::run::Program;
use attn_record::code;

use super::ProgramArgs;
use crate::exit::Failure;
use crate::registry;

/// The longest wait for one answer of a worker.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Base and HEAD, and what is to be said of how they were built.
pub(super) fn programs(
    args: &ProgramArgs,
    target: &Target,
) -> Result<([Program; 2], Vec<String>), Failure> {
    if let (Some(base), Some(head)) = (&args.base_bin, &args.head_bin) {
        return Ok(([given(base)?, given(head)?], Vec::new()));
    }
    let repository = Repository::open(Path::new(".")).map_err(failure)?;
    repository.must_be_clean().map_err(failure)?;
    let head = repository.commit("HEAD").map_err(failure)?;
    let base = match &args.base {
        Some(revision) => repository.commit(revision),
        None => repository.default_base(),
    };
    let base = base.map_err(failure)?;
    let folder = cache_folder(args)?;
    if folder.starts_with(repository.root()) {
        let folder = folder.display();
        return Err(Failure::usage(anyhow!(
            "--cache {folder}: inside of the repository, whose cargo configuration would be read twice; \
             choose a folder outside"
        )));
    }
    let cache = Cache::open(&folder)?;
    let cargo = Cargo::new(target.clone(), repository.root(), environment())?;
    let build = |name: &str, commit: &Commit| -> Result<Program, Failure> {
        note!(
            "{name} is {}: building unless that is done, in {}",
            commit.short(),
            folder.display()
        );
        let built = cache
            .program(&repository, commit, &cargo)
            .with_context(|| format!("{name} {}", commit.short()))?;
        Ok(program(&built.program, commit.short().into()))
    };
    let programs = [build("base", &base)?, build("HEAD", &head)?];
    let changed = repository.differing(&base, &head, &CONFIGURATION).map_err(failure)?;
    let note = |file: String| {
        format!(
            "HEAD changes {file}: the gate builds both programs with the same rustflags and target, whatever it says of them"
        )
    };
    Ok((programs, changed.into_iter().map(note).collect()))
}

/// A changed checkout and an unknown revision are the user's; all else is the environment's.
fn failure(error: GitError) -> Failure {
    match error {
        GitError::Dirty { .. } | GitError::Unknown(_) => Failure::usage(error),
        error => error.into(),
    }
}

/// This program, on either side.
pub(in crate::cmd) fn this_program() -> Result<Program, Failure> {
    given(&env::current_exe().context("the path of this program is unknown")?)
}

fn given(path: &Path) -> Result<Program, Failure> {
    // A bare name would be looked for in PATH.
    let path = path.canonicalize().with_context(|| path.display().to_string())?;
    Ok(program(&path, path.display().to_string()))
}

fn program(path: &Path, name: String) -> Program {
    let start = Launcher::new(path, &registry::THREAD_VARIABLES, TIMEOUT);
    Program { start, side: Side { name, code: code(path) } }
}

/// What cargo reads beside the checkout.
fn environment() -> Environment {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
    Environment { variables: env::vars_os().collect(), cargo_home }
}

/// `--cache`, or `attn-gate` in the user's cache folder. Programs are run from there, so it is no folder that others could make first.
fn cache_folder(args: &ProgramArgs) -> Result<PathBuf, Failure> {
    let user = || env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let default = || user().or_else(home).map(|folder| folder.join("attn-gate"));
    let folder = args.cache.clone().or_else(default);
    let missing = "neither XDG_CACHE_HOME nor HOME says where programs may be kept: name a folder of your own with --cache DIR";
    let folder = folder.ok_or_else(|| Failure::usage(anyhow!(missing)))?;
    Ok(std::path::absolute(&folder).with_context(|| folder.display().to_string())?)
}
