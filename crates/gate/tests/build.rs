//! Programs of revisions, from small repositories that are made on the spot.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use attn_gate::build::{
    Build, BuildError, CONFIGURATION, Cache, Cargo, Environment, GitError, Repository,
};
use attn_gate::config::Target;

/// A repository in a folder of its own.
struct Repo(tempfile::TempDir);

impl Repo {
    fn new() -> Self {
        let repo = Repo(tempfile::tempdir().unwrap());
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    fn git(&self, args: &[&str]) -> String {
        let who =
            ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").arg("-C").arg(self.0.path()).args(who).args(args).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, content) in files {
            fs::write(self.0.path().join(name), content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn open(&self) -> Repository {
        Repository::open(self.0.path()).unwrap()
    }
}

/// Copies `main.txt` and lists what lies beside it; refuses a program that says so.
struct Copy {
    key: &'static str,
    built: Cell<usize>,
}

impl Copy {
    fn new(key: &'static str) -> Self {
        Copy { key, built: Cell::new(0) }
    }
}

impl Build for Copy {
    fn key(&self, _: &Path) -> Result<String, BuildError> {
        Ok(self.key.into())
    }

    fn build(&self, source: &Path, target: &Path, log: &Path) -> Result<PathBuf, BuildError> {
        self.built.set(self.built.get() + 1);
        let text = fs::read_to_string(source.join("main.txt")).unwrap();
        if text.contains("broken") {
            let error = "error: broken (main.txt:1)".into();
            return Err(BuildError::Compiler { error, log: log.into() });
        }
        let mut names: Vec<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let path = target.join("program");
        fs::write(&path, format!("{text} {names:?}")).unwrap();
        Ok(path)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn revisions_are_exported_one_over_the_other_and_the_checkout_is_not_touched() {
    let repo = Repo::new();
    let first = repo.commit(&[("main.txt", "one"), ("old.txt", "")]);
    fs::remove_file(repo.0.path().join("old.txt")).unwrap();
    let second = repo.commit(&[("main.txt", "two"), ("new.txt", "")]);
    let index = fs::read(repo.0.path().join(".git/index")).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let (cache, build, open) = (Cache::open(cache.path()).unwrap(), Copy::new("k"), repo.open());
    let program = |revision: &str| {
        let commit = open.commit(revision).unwrap();
        cache.program(&open, &commit, &build).unwrap()
    };
    assert_eq!(read(&program(&second).program), "two [\"main.txt\", \"new.txt\"]");
    assert_eq!(read(&program(&first).program), "one [\"main.txt\", \"old.txt\"]");
    assert!(program(&second).cached);
    assert_eq!(build.built.get(), 2);
    assert_eq!(fs::read(repo.0.path().join(".git/index")).unwrap(), index);
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn another_compiler_builds_again() {
    let repo = Repo::new();
    repo.commit(&[("main.txt", "one")]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, open) = (Cache::open(folder.path()).unwrap(), repo.open());
    let head = open.commit("HEAD").unwrap();
    let first = cache.program(&open, &head, &Copy::new("rustc 1")).unwrap();
    let second = cache.program(&open, &head, &Copy::new("rustc 2")).unwrap();
    assert!(!second.cached && first.program != second.program);
}

#[test]
fn what_a_crash_left_does_not_matter() {
    let repo = Repo::new();
    let first = repo.commit(&[("main.txt", "one")]);
    let second = repo.commit(&[("main.txt", "two")]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, build, open) = (Cache::open(folder.path()).unwrap(), Copy::new("k"), repo.open());
    cache.program(&open, &open.commit(&first).unwrap(), &build).unwrap();
    fs::write(folder.path().join("index.lock"), "").unwrap();
    fs::write(folder.path().join("programs/part"), "half").unwrap();
    fs::write(folder.path().join("source/main.txt"), "half").unwrap();
    // Of another revision, whose export was killed before it wrote its index.
    fs::create_dir_all(folder.path().join("source/src/bin")).unwrap();
    fs::write(folder.path().join("source/src/bin/other.rs"), "").unwrap();
    fs::write(folder.path().join("source/build.rs"), "").unwrap();
    let built = cache.program(&open, &open.commit(&second).unwrap(), &build).unwrap();
    assert_eq!(read(&built.program), "two [\"main.txt\"]");
}

#[test]
fn a_base_that_does_not_build_is_told_in_one_line() {
    let repo = Repo::new();
    repo.commit(&[("main.txt", "broken")]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, open) = (Cache::open(folder.path()).unwrap(), repo.open());
    let error = cache.program(&open, &open.commit("HEAD").unwrap(), &Copy::new("k")).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("does not build: error: broken (main.txt:1); all of it is in "));
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn only_committed_changes_are_gated() {
    let repo = Repo::new();
    repo.commit(&[("main.txt", "one"), ("b.txt", "")]);
    fs::write(repo.0.path().join("untracked.txt"), "").unwrap();
    repo.open().must_be_clean().unwrap();
    fs::write(repo.0.path().join("main.txt"), "changed").unwrap();
    fs::write(repo.0.path().join("b.txt"), "changed").unwrap();
    let error = repo.open().must_be_clean().unwrap_err();
    assert!(matches!(&error, GitError::Dirty { first, more: 1 } if first == "b.txt"), "{error}");
}

#[test]
fn revisions_that_are_not_there_are_told_apart() {
    let repo = Repo::new();
    repo.commit(&[("main.txt", "one")]);
    let tip = repo.commit(&[("main.txt", "two")]);
    assert!(matches!(repo.open().commit("nope"), Err(GitError::Unknown(_))));
    assert!(matches!(repo.open().commit("--help"), Err(GitError::Unknown(_))));
    let outside = tempfile::tempdir().unwrap();
    assert!(matches!(Repository::open(outside.path()), Err(GitError::NoRepository(_))));
    // A clone of one commit, as CI systems make it.
    let clone = outside.path().join("clone");
    let url = format!("file://{}", repo.0.path().display());
    let to = clone.display().to_string();
    repo.git(&["clone", "--quiet", "--depth=1", &url, &to]);
    let shallow = Repository::open(&clone).unwrap();
    let error = shallow.commit("HEAD~1").unwrap_err().to_string();
    assert!(error.contains("shallow clone: `git fetch --unshallow`"), "{error}");
    assert_eq!(shallow.commit("HEAD").unwrap().hash(), tip);
    assert_eq!(shallow.default_base().unwrap().hash(), tip);
}

#[test]
fn the_default_base_is_where_head_left_main() {
    let repo = Repo::new();
    let fork = repo.commit(&[("main.txt", "one")]);
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.commit(&[("main.txt", "two")]);
    assert_eq!(repo.open().default_base().unwrap().hash(), fork);
    let lonely = Repo::new();
    lonely.commit(&[("main.txt", "one")]);
    lonely.git(&["branch", "-m", "trunk"]);
    assert!(matches!(lonely.open().default_base(), Err(GitError::NoBase)));
}

#[test]
fn submodules_are_refused_and_sparse_checkouts_are_built_whole() {
    let repo = Repo::new();
    let whole = repo.commit(&[("main.txt", "one"), ("other.txt", "")]);
    repo.git(&["sparse-checkout", "set", "--no-cone", "/main.txt"]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, open, build) = (Cache::open(folder.path()).unwrap(), repo.open(), Copy::new("k"));
    let built = cache.program(&open, &open.commit(&whole).unwrap(), &build).unwrap();
    assert_eq!(read(&built.program), "one [\"main.txt\", \"other.txt\"]");
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{whole},vendored")]);
    repo.git(&["commit", "--quiet", "-m", "a submodule"]);
    let error =
        cache.program(&open, &open.commit("HEAD").unwrap(), &build).unwrap_err().to_string();
    assert!(
        error.contains("has the submodule vendored, which the gate does not export"),
        "{error}"
    );
}

#[test]
fn changes_of_how_cargo_builds_are_found() {
    let repo = Repo::new();
    let first = repo.commit(&[("main.txt", "one")]);
    let second = repo.commit(&[("rust-toolchain.toml", "[toolchain]\nchannel = 'stable'\n")]);
    let open = repo.open();
    let [first, second] = [first, second].map(|commit| open.commit(&commit).unwrap());
    let differing = |a, b| open.differing(a, b, &CONFIGURATION).unwrap();
    assert_eq!(differing(&first, &second), ["rust-toolchain.toml"]);
    assert_eq!(differing(&second, &second), [""; 0]);
}

/// A package without dependencies whose program prints `text`.
fn package(repo: &Repo, text: &str, more: &[(&str, &str)]) -> String {
    for folder in ["src", ".cargo"] {
        fs::create_dir_all(repo.0.path().join(folder)).unwrap();
    }
    let manifest = "[package]\nname = 'tiny'\nversion = '0.1.0'\nedition = '2024'\n[workspace]\n";
    let lock = "version = 4\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n";
    let main = format!("fn main() {{ println!(\"{text}\"); }}\n");
    let files = [("Cargo.toml", manifest), ("Cargo.lock", lock), ("src/main.rs", &main)];
    repo.commit(&[&files[..], more].concat())
}

/// What the program says that is built of `revision`.
fn says(cache: &Cache, open: &Repository, revision: &str) -> String {
    let target = Target { package: "tiny".into(), bin: "tiny".into(), features: Vec::new() };
    let cargo = Cargo::new(target, open.root(), Environment::default()).unwrap();
    let built = cache.program(open, &open.commit(revision).unwrap(), &cargo).unwrap();
    // While another thread starts a process, that holds what this one has just written open.
    let output = loop {
        match Command::new(&built.program).output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => break output.unwrap(),
        }
    };
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_target_in_the_configuration_does_not_make_an_old_program_the_new_one() {
    let repo = Repo::new();
    let base = package(&repo, "base", &[]);
    let elsewhere = "[build]\ntarget = 'wasm32-unknown-unknown'\ntarget-dir = 'elsewhere'\n";
    let head = package(&repo, "head", &[(".cargo/config.toml", elsewhere)]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, open) = (Cache::open(folder.path()).unwrap(), repo.open());
    assert_eq!([&base, &head].map(|commit| says(&cache, &open, commit)), ["base\n", "head\n"]);
}

#[test]
fn a_binary_that_is_not_there_is_an_error() {
    let repo = Repo::new();
    package(&repo, "base", &[]);
    let folder = tempfile::tempdir().unwrap();
    let (cache, open) = (Cache::open(folder.path()).unwrap(), repo.open());
    let target = Target { package: "tiny".into(), bin: "other".into(), features: Vec::new() };
    let cargo = Cargo::new(target, open.root(), Environment::default()).unwrap();
    let error = cache.program(&open, &open.commit("HEAD").unwrap(), &cargo).unwrap_err();
    assert!(error.to_string().contains("no bin target named `other`"), "{error}");
}
