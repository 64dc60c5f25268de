//! Builds the case files and the tensors that they name into the program, so that it runs anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let tests = tests.canonicalize().expect("the workspace has a folder `tests`");
    let mut files = Vec::new();
    for folder in ["cases", "golden/real"] {
        println!("cargo::rerun-if-changed={}", tests.join(folder).display());
        collect(&tests.join(folder), &mut files);
    }
    files.sort();
    let mut code = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(&tests).expect("found below tests");
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
