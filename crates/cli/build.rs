//! Builds the case files and the tensors that they name into the program, so that it runs anywhere, and the revision of
//! its source, so that records name it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    // Not `env!`: two checkouts may share a target folder, and with it this program.
    let here = &PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    builtin(here);
    // What cargo packages has the manifest a second time, as it was written.
    let published = here.join("Cargo.toml.orig").is_file();
    let revision = if published { stamp_of_package(here) } else { stamp(&here.join("../..")) };
    println!("cargo::rustc-env=ATTN_REVISION={revision}");
    println!("cargo::rustc-env=ATTN_SOURCE={}", if published { "registry" } else { "folder" });
}

fn builtin(here: &Path) {
    let mut files = Vec::new();
    println!("cargo::rerun-if-changed={}", here.join("cases").display());
    collect(&here.join("cases"), &mut files);
    files.sort();
    let mut code = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(here).expect("found below it");
        let name = name.to_str().expect("file names are ASCII").replace('\\', "/");
        let path = file.to_str().expect("the path of the workspace is UTF-8");
        writeln!(code, "    ({name:?}, include_bytes!({path:?}).as_slice()),").expect("memory");
    }
    code.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("builtin.rs"), code).expect("OUT_DIR is writable");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder exists").flatten() {
        let path = entry.path();
        let wanted = path.extension().is_some_and(|e| e == "toml" || e == "safetensors");
        if path.is_dir() {
            collect(&path, files);
        } else if wanted {
            files.push(path);
        }
    }
}

/// What a program is made from, below the workspace.
const SOURCES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "crates/*/Cargo.toml",
    "crates/*/build.rs",
    "crates/*/src",
    "crates/*/assets",
    "crates/*/cases",
    "crates/*/engines",
    "crates/*/templates",
];

/// The commit that is checked out at `root`, with dots behind it up to 64 characters, and `+` if [`SOURCES`] are others than
/// its; dots alone where there is no checkout.
///
/// Neither can be stale: cargo runs this again whenever one of the sources, or what is checked out, changes.
fn stamp(root: &Path) -> String {
    let root = &root.canonicalize().expect("this crate is two folders below the workspace");
    let git = |args: &[&str]| git(root, args);
    // The workspace may be a folder, unpacked or exported, somewhere inside of another repository.
    let top = git(&["rev-parse", "--show-toplevel"]).and_then(|top| fs::canonicalize(top).ok());
    let commit = git(&["rev-parse", "--verify", "HEAD"]).filter(|_| top.as_ref() == Some(root));
    let Some(commit) = commit else {
        return padded("", false);
    };
    watch(root, git(&["rev-parse", "--git-path", "logs/HEAD"]));
    let status = [&["--no-optional-locks", "status", "--porcelain", "--"][..], &SOURCES].concat();
    let dirty = git(&status).is_none_or(|changed| !changed.is_empty());
    padded(&commit, dirty)
}

fn padded(commit: &str, dirty: bool) -> String {
    format!("{commit:.<64}{}", if dirty { '+' } else { '.' })
}

/// The commit that a published package was made of, which cargo writes beside its manifest; the same form.
fn stamp_of_package(here: &Path) -> String {
    let vcs = fs::read_to_string(here.join(".cargo_vcs_info.json")).unwrap_or_default();
    let commit = vcs.split_once("\"sha1\": \"").and_then(|(_, rest)| rest.split_once('"'));
    padded(commit.map_or("", |(commit, _)| commit), vcs.contains("\"dirty\": true"))
}

/// Has cargo look at the [`SOURCES`] and at git's `log` of what was checked out, to which every commit adds a line.
fn watch(root: &Path, log: Option<String>) {
    let folders = |of: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(of).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    // A crate, or a group of crates.
    let mut crates = folders(&root.join("crates"));
    crates.extend(crates.clone().iter().flat_map(|group| folders(group)));
    let sources = SOURCES.iter().flat_map(|source| match source.strip_prefix("crates/*/") {
        Some(part) => crates.iter().map(|folder| folder.join(part)).collect(),
        None => vec![root.join(source)],
    });
    // What is not there would make cargo run this every time: so without a log, which somebody may have switched off.
    let log = root.join(log.unwrap_or_default());
    for path in sources.filter(|source| source.exists()).chain([log]) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// What git says; `None` if it fails or is not there.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // A hook that builds has these set for its own purposes.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.arg("-C").arg(root).args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim_end().to_string())
}
