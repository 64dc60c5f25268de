//! The invariants of the workspace, read from `cargo metadata` and the sources.

mod attacks;
mod fetched;
mod links;
mod packages;
mod size;
mod source;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::refusals::backends_here;

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

/// The folders of `crates`, and the packages in each, without `attn-`; those without folders of their own are packages themselves.
const FOLDERS: [(&str, &[&str]); 11] = [
    ("core", &[]),
    ("oracle", &[]),
    ("check", &[]),
    (
        "backends",
        &[
            "additive", "candle", "engines", "example", "faer", "flash", "host", "mutants",
            "naive", "ndarray",
        ],
    ),
    ("harness", &["bench", "record", "sys"]),
    ("results", &["analysis", "report"]),
    ("gate", &[]),
    ("notes", &["claims", "head", "model"]),
    ("cli", &[]),
    ("cuda", &[]),
    ("docs", &[]),
];

#[test]
fn folders_are_the_layers() {
    let metadata = metadata();
    let mut expected = set(["tests/"]);
    for (folder, packages) in FOLDERS {
        let own = [format!("crates/{folder}/attn-{folder}")];
        let inside = packages.iter().map(|name| format!("crates/{folder}/{name}/attn-{name}"));
        expected.extend(if packages.is_empty() { own.to_vec() } else { inside.collect() });
    }
    let root = &metadata.workspace_root;
    let found = metadata.workspace_packages().into_iter().map(|package| {
        let folder = package.manifest_path.parent().expect("a manifest is in a folder");
        let folder = folder.strip_prefix(root).expect("in the workspace");
        let name = if folder == "tests" { "" } else { package.name.as_str() };
        format!("{folder}/{name}")
    });
    assert_eq!(found.collect::<BTreeSet<String>>(), expected);
    let folders = fs::read_dir(root.join("crates")).expect("it is there").flatten();
    let folders = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert_eq!(folders.collect::<BTreeSet<String>>(), set(FOLDERS.map(|(folder, _)| folder)));
}

#[test]
fn crates_depend_only_on_what_their_layer_may_know() {
    let metadata = metadata();
    let ruled = RefCell::new(set(["attn-docs", "attn-tests"]));
    let of = |name: &str| {
        ruled.borrow_mut().insert(name.to_string());
        depends_on(&metadata, name)
    };
    assert_eq!(of("attn-core"), set([]));
    assert_eq!(of("attn-sys"), set([]));
    for name in ["attn-oracle", "attn-record", "attn-head"] {
        assert_eq!(of(name), set(["attn-core"]), "{name}");
    }
    // What asks a device's driver, with the feature `cuda`.
    assert_eq!(of("attn-candle"), set(["attn-core", "attn-sys"]));
    for name in ["attn-host", "attn-engines"] {
        assert_eq!(of(name), set(["attn-core", "attn-sys"]), "{name}");
    }
    for name in ["attn-naive", "attn-ndarray", "attn-faer", "attn-additive", "attn-mutants"] {
        assert_eq!(of(name), set(["attn-core", "attn-host"]), "{name}");
    }
    // The mutants are a feature, for tests of tests; the harness knows them not.
    assert_eq!(of("attn-check"), set(["attn-core", "attn-mutants", "attn-oracle"]));
    assert_eq!(of("attn-flash"), set(["attn-core", "attn-host", "attn-sys"]));
    let bench = ["attn-check", "attn-core", "attn-oracle", "attn-record", "attn-sys"];
    assert_eq!(of("attn-bench"), set(bench));
    assert_eq!(of("attn-model"), set(["attn-core", "attn-head", "attn-record"]));
    assert_eq!(
        of("attn-claims"),
        set(["attn-bench", "attn-core", "attn-head", "attn-oracle", "attn-record"])
    );
    assert_eq!(of("attn-analysis"), set(["attn-core", "attn-record"]));
    assert_eq!(of("attn-report"), set(["attn-analysis", "attn-core", "attn-record"]));
    let gate = ["attn-bench", "attn-core", "attn-record", "attn-report"];
    assert_eq!(of("attn-gate"), set(gate));
    // A program of one backend.
    let cuda = ["attn-bench", "attn-candle", "attn-core", "attn-record", "attn-sys"];
    assert_eq!(of("attn-cuda"), set(cuda));
    assert_eq!(of("attn-example"), set(["attn-cli", "attn-core", "attn-host", "attn-sys"]));
    // The command knows every library, and nobody but it knows the notes and the gate.
    let all: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    // What CPU backends share it gets through them.
    let others = [
        "attn-check",
        "attn-cli",
        "attn-cuda",
        "attn-docs",
        "attn-example",
        "attn-host",
        "attn-tests",
    ];
    assert_eq!(of("attn-cli"), &all - &set(others));
    // Documents and tests may know all; every other crate has its rule above.
    let packages = metadata.workspace_packages();
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    assert_eq!(ruled.into_inner(), names);
}

#[test]
fn what_commands_share_knows_no_command() {
    let cli = metadata().workspace_root.join("crates/cli/src");
    for entry in fs::read_dir(&cli).expect("it is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && !["cmd.rs", "lib.rs"].contains(&name.as_str()) {
            let code = source::code(&read(entry.path()));
            assert!(!code.contains("crate::cmd"), "{name}");
        }
    }
    assert!(read(cli.join("lib.rs")).contains("cmd::"), "the name that is looked for");
}

/// Markup of pages, pictures, Markdown and terminals in the code of a file.
fn markup(text: &str) -> Option<&'static str> {
    const MARKUP: [&str; 6] = ["</", "<svg", "<br", "\"**", "|-", "\\u{1b}"];
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.collect();
    MARKUP.into_iter().find(|mark| code.contains(mark))
}

#[test]
fn figures_are_found_in_one_crate_and_shown_by_another() {
    let metadata = metadata();
    let sources = sources(&metadata, "src").into_iter();
    let files: Vec<PathBuf> = sources
        .filter_map(|(package, path)| (package == "attn-analysis").then_some(path))
        .collect();
    assert!(files.len() > 15, "its files were found: {}", files.len());
    for path in files {
        assert_eq!(markup(&read(&path)), None, "{}: text is the report's", path.display());
    }
    let page = metadata.workspace_root.join("crates/results/report/src/page/html.rs");
    assert!(markup(&read(page)).is_some(), "what is looked for");
}

/// Rust files of the workspace's crates below `folder` of each, which is `src` or all of it.
fn sources(metadata: &Metadata, folder: &str) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    for package in metadata.workspace_packages() {
        let root = package.manifest_path.parent().expect("a manifest is in a folder");
        collect(root.join(folder).as_std_path(), &package.name, &mut files);
    }
    assert!(files.len() > 200, "the sources were found: {}", files.len());
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

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a source file is readable")
}

/// What the code of a file uses that only the programs may, tests aside.
fn surroundings(text: &str) -> Option<&'static str> {
    const FORBIDDEN: [&str; 12] = [
        "env::var",
        "env::args",
        "env::current_dir",
        "env::set_var",
        "use std::env",
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "dbg!",
        "stdout()",
        "stderr()",
    ];
    let code = source::without_tests(&source::code(text));
    FORBIDDEN.into_iter().find(|word| code.contains(word))
}

#[test]
fn only_the_cli_reads_its_surroundings_or_prints() {
    for (package, path) in sources(&metadata(), "src") {
        if ["attn-cli", "attn-cuda"].contains(&package.as_str()) {
            continue;
        }
        // A worker answers its harness there.
        let answers = path.ends_with("harness/sys/src/stdio.rs");
        let used = surroundings(&read(&path)).filter(|&word| !(answers && word == "stdout()"));
        assert_eq!(used, None, "{}", path.display());
    }
    let planted = "#[cfg(test)]\nmod tests;\nfn f() { std::env::var_os(\"HOME\"); }";
    assert_eq!(surroundings(planted), Some("env::var"), "below a test module too");
}

/// The crates that may contain unsafe code.
const UNSAFE: [&str; 2] = ["attn-flash", "attn-sys"];

#[test]
fn only_two_crates_may_contain_unsafe_code_and_they_say_where() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = read(&package.manifest_path);
        if UNSAFE.contains(&package.name.as_str()) {
            let denies = ["\nunsafe_code = \"deny\"", "\nundocumented_unsafe_blocks = \"deny\""];
            assert!(denies.iter().all(|deny| manifest.contains(deny)), "{}", package.name);
        } else {
            let forbids = manifest.contains("[lints]\nworkspace = true");
            assert!(forbids, "{} opts out", package.name);
        }
    }
    let root = read(metadata.workspace_root.join("Cargo.toml"));
    assert!(root.contains("\nunsafe_code = \"forbid\""));
    let mut with_unsafe = BTreeSet::new();
    for (package, path) in sources(&metadata, "") {
        let text = read(&path);
        let lines = source::undeclared_unsafe(&text);
        assert_eq!(lines, [0; 0], "lines of {}: unsafe, and not declared", path.display());
        if !source::words(&source::code(&text), "unsafe").is_empty() {
            assert!(UNSAFE.contains(&package.as_str()), "{} has unsafe code", path.display());
            with_unsafe.insert(package);
        }
    }
    assert_eq!(with_unsafe, set(UNSAFE), "the crates that may and need not");
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

/// A backend states the version of the library that is linked, not of one that once was.
#[test]
fn receipts_name_the_versions_in_the_lock_file() {
    let lock = metadata().workspace_root.join("Cargo.lock");
    let lock = fs::read_to_string(lock).expect("the lock file is readable");
    for entry in backends_here() {
        let info = entry.backend.probe().expect("it runs here");
        for library in info.library.split(", ") {
            let (name, version) = library.split_once(' ').expect("`name version`");
            let linked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&linked), "{library} is not in Cargo.lock");
        }
    }
}
