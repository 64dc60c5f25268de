//! Builds every file below `engines` into the program, so that an installed `attn` can install engines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("engines");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut code = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(&root).expect("found below it");
        let name = name.to_str().expect("file names are ASCII").replace('\\', "/");
        // `Cargo.toml.in` is installed as `Cargo.toml`: cargo leaves every folder with a Cargo.toml out of a package.
        let name = name.strip_suffix(".in").unwrap_or(&name);
        writeln!(
            code,
            "    ({name:?}, include_str!({:?})),",
            file.to_str().expect("a path is UTF-8")
        )
        .expect("memory");
    }
    code.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("files.rs"), code).expect("OUT_DIR is writable");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder exists").flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
