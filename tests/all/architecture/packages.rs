//! What would be published is complete: `cargo package --workspace --no-verify` makes it, and `cargo publish --workspace` sends it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, Package};

use super::{metadata, read, set};

/// Packages that are of use in a checkout alone: the others are what `attn-check` and `attn-cli` consist of.
const OWN: [&str; 4] = ["attn-cuda", "attn-docs", "attn-example", "attn-tests"];

/// Bytes of a package before it is compressed, at most: the registry takes 10 MB after.
const LARGEST: u64 = 8 << 20;

fn published(metadata: &Metadata) -> Vec<&Package> {
    let mut packages = metadata.workspace_packages();
    packages.retain(|package| package.publish.is_none());
    packages
}

/// Paths of the files in a package, below its folder, as cargo chooses them.
fn files(package: &Package) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--offline", "--allow-dirty", "--manifest-path"]);
    let output = cargo.arg(&package.manifest_path).output().expect("cargo runs this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", package.name);
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.replace('\\', "/")).collect()
}

#[test]
fn packages_say_what_the_registry_asks_for() {
    let metadata = metadata();
    let all = metadata.workspace_packages().into_iter().map(|package| package.name.to_string());
    let packages = published(&metadata);
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    assert_eq!(&all.collect::<BTreeSet<_>>() - &set(OWN), names);
    for package in packages {
        let name = &package.name;
        assert!(name.starts_with("attn-"), "{name}: `attn` is taken");
        assert!(package.description.as_ref().is_some_and(|text| !text.is_empty()), "{name}");
        assert!((1..=5).contains(&package.keywords.len()), "{name}: {:?}", package.keywords);
        assert!((1..=5).contains(&package.categories.len()), "{name}: {:?}", package.categories);
        assert!(package.license.is_some() && package.readme.is_some(), "{name}");
        // A package in the registry depends on others there, by version; those of tests may stay here.
        let needed = package.dependencies.iter().filter(|d| d.path.is_some());
        for dependency in needed {
            let other = &dependency.name;
            let own = dependency.kind == DependencyKind::Development && !names.contains(other);
            assert!(own || names.contains(other), "{name} needs {other}, which is not published");
            assert!(own || dependency.req.to_string() != "*", "{name}: {other} without a version");
        }
    }
}

#[test]
fn packages_hold_what_they_are_built_from_and_nothing_of_the_tests() {
    let metadata = metadata();
    for package in published(&metadata) {
        let (name, files) = (&package.name, files(package));
        let folder = package.manifest_path.parent().expect("a manifest is in a folder");
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(files.contains(licence), "{name}: {licence}");
            let root = metadata.workspace_root.join(licence);
            assert_eq!(read(folder.join(licence)), read(root), "{name}: {licence}");
        }
        let tests =
            files.iter().filter(|path| path.contains("golden") || path.starts_with("tests/"));
        assert_eq!(tests.collect::<Vec<_>>(), [""; 0], "{name}");
        let sizes = files.iter().filter_map(|path| folder.join(path).metadata().ok());
        let bytes: u64 = sizes.map(|metadata| metadata.len()).sum();
        assert!(bytes <= LARGEST, "{name}: {bytes} bytes");
        let is_code = |path: &&String| Path::new(path).extension().is_some_and(|end| end == "rs");
        for path in files.iter().filter(is_code) {
            for included in included(&read(folder.join(path))) {
                let path = below(path, &included);
                assert!(files.contains(&path), "{name}: {path} is built in but not packaged");
            }
        }
    }
    let cli = published(&metadata).into_iter().find(|package| package.name == "attn-cli");
    let files = files(cli.expect("it is published"));
    for path in
        ["cases/real.toml", "cases/real/purr/layer-0.safetensors", "cases/sweep/scores.toml"]
    {
        assert!(files.contains(path), "{path}: see build.rs");
    }
}

/// Paths that `include_str!` and its kind name.
fn included(text: &str) -> Vec<String> {
    let after = ["include_str!(\"", "include_bytes!(\"", "include!(\""];
    let paths = after.iter().flat_map(|start| text.split(start).skip(1));
    paths.filter_map(|rest| Some(rest.split_once('"')?.0.to_string())).collect()
}

/// `path` seen from the folder of `file`, without `..` where that is below the root.
fn below(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        if part != ".." || parts.pop().is_none() {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn what_is_built_in_is_found() {
    let text = "const A: &str = include_str!(\"../a.txt\"); [include_bytes!(\"b.ttf\")]";
    assert_eq!(included(text), ["../a.txt", "b.ttf"]);
    assert_eq!(below("src/page/mod.rs", "../../assets/a.css"), "assets/a.css");
    assert_eq!(below("src/lib.rs", "../../tests/a"), "../tests/a");
}

/// Whether the crate's own documentation holds a block of code that is compiled.
fn shows_code(text: &str) -> bool {
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    let fences: Vec<&str> = lines.filter_map(|line| line.strip_prefix("//! ```")).collect();
    fences.iter().step_by(2).any(|opening| ["", "no_run"].contains(opening))
}

#[test]
fn front_pages_of_crates_show_code() {
    for package in published(&metadata()) {
        let page = package.manifest_path.parent().expect("a manifest is in a folder");
        assert!(shows_code(&read(page.join("src/lib.rs"))), "{}: no example", package.name);
    }
    assert!(!shows_code("//! Words.\n//! ```text\n//! o = P V\n//! ```\n"), "no code");
}
