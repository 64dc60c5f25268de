//! The invariants of the workspace, read from `cargo metadata` and the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    // The workspace alone: its dependencies' packages for other platforms may not be on this machine.
    let mut command = MetadataCommand::new();
    command.manifest_path(root).no_deps().other_options(vec!["--offline".into()]);
    command.exec().expect("the workspace is valid")
}

/// Workspace crates that `name` depends on, tests and build scripts aside.
fn depends_on(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let package = metadata.workspace_packages().into_iter().find(|package| package.name == name);
    let package = package.unwrap_or_else(|| panic!("no crate `{name}` in the workspace"));
    let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
    normal.map(|d| d.name.clone()).filter(|name| name.starts_with("attn-")).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(String::from).into()
}

#[test]
fn crates_depend_only_on_what_their_layer_may_know() {
    let metadata = metadata();
    let of = |name| depends_on(&metadata, name);
    assert_eq!(of("attn-core"), set([]));
    assert_eq!(of("attn-sys"), set([]));
    for name in ["attn-oracle", "attn-record", "attn-head"] {
        assert_eq!(of(name), set(["attn-core"]), "{name}");
    }
    // What asks a device's driver, with the feature `cuda`.
    assert_eq!(of("attn-candle"), set(["attn-core", "attn-sys"]));
    assert_eq!(of("attn-host"), set(["attn-core", "attn-sys"]));
    for name in ["attn-naive", "attn-ndarray", "attn-faer", "attn-additive", "attn-mutants"] {
        assert_eq!(of(name), set(["attn-core", "attn-host"]), "{name}");
    }
    assert_eq!(of("attn-flash"), set(["attn-core", "attn-host", "attn-sys"]));
    assert_eq!(of("attn-bench"), set(["attn-core", "attn-oracle", "attn-record", "attn-sys"]));
    assert_eq!(of("attn-model"), set(["attn-core", "attn-head"]));
    assert_eq!(
        of("attn-claims"),
        set(["attn-bench", "attn-core", "attn-head", "attn-oracle", "attn-record"])
    );
    assert_eq!(of("attn-report"), set(["attn-core", "attn-record"]));
    let gate = ["attn-bench", "attn-core", "attn-record", "attn-report"];
    assert_eq!(of("attn-gate"), set(gate));
}

/// Rust files of the workspace's crates, benches and build scripts included, tests excluded.
fn sources(metadata: &Metadata) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().expect("a manifest is in a folder");
        collect(folder.join("src").as_std_path(), &package.name, &mut files);
    }
    assert!(files.len() > 30, "the sources were found");
    files
}

fn collect(folder: &Path, package: &str, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, package, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((package.to_string(), path));
        }
    }
}

/// The code of a file: comments dropped, and everything from the first test module on.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file is readable");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_string();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn only_the_cli_reads_its_surroundings_or_prints() {
    let forbidden = ["env::var", "env::args", "println!", "eprintln!", "print!(", "eprint!("];
    for (package, path) in sources(&metadata()) {
        if ["attn-cli", "attn-cuda"].contains(&package.as_str()) {
            continue;
        }
        let code = code(&path);
        for word in forbidden {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn only_two_crates_may_contain_unsafe_code_and_they_say_where() {
    let metadata = metadata();
    let may = |package: &str| ["attn-sys", "attn-flash"].contains(&package);
    for package in metadata.workspace_packages() {
        if may(&package.name) {
            continue;
        }
        let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest is readable");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} opts out", package.name);
    }
    let root = metadata.workspace_root.join("Cargo.toml");
    let root = fs::read_to_string(root).expect("the manifest is readable");
    assert!(root.contains("unsafe_code = \"forbid\""));
    for (package, path) in sources(&metadata) {
        let code = code(&path);
        let excused = code.contains("#![expect(unsafe_code, reason = ");
        assert!(may(&package) || !excused, "{} excuses unsafe code", path.display());
    }
}

#[test]
fn the_top_level_is_fixed() {
    let root = metadata().workspace_root;
    let allowed =
        ["crates", "bench-results", "scripts", "tests", "target", "README.md", "Cargo.toml"];
    for entry in fs::read_dir(root).expect("the root is readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = allowed.contains(&name.as_str()) || name.starts_with('.');
        assert!(known || name == "Cargo.lock" || name.starts_with("LICENSE"), "{name}");
    }
}

/// A receipt states the version of the library that is linked, not of one that once was.
#[test]
fn receipts_name_the_versions_in_the_lock_file() {
    let lock = metadata().workspace_root.join("Cargo.lock");
    let lock = fs::read_to_string(lock).expect("the lock file is readable");
    for entry in attn_cli::registry::entries() {
        let Ok(receipt) = entry.backend.probe() else {
            continue;
        };
        for library in receipt.library.split(", ") {
            let (name, version) = library.split_once(' ').expect("`name version`");
            let linked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&linked), "{library} is not in Cargo.lock");
        }
    }
}
