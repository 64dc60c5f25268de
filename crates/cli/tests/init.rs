//! `attn init`: the crate that it makes is whole, and its kernel is right.

use std::path::Path;
use std::process::{Command, Output};
use std::{fs, str};

/// The kernel of the template, compiled as it stands there.
#[path = "../templates/init/lib.rs.in"]
#[expect(unreachable_pub, reason = "it is a library's root where it is made")]
mod template;

fn init(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.arg("init").arg(folder).args(more).output().expect("the program starts")
}

#[test]
fn the_kernel_of_the_template_is_right() {
    attn_check::backend(&template::mine()).cases(200).seed(1).assert();
    assert_eq!(template::backends().len(), 1);
}

#[test]
fn the_crate_is_one_that_cargo_reads_and_nothing_in_it_is_left_to_fill_in() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("my-attention");
    let output = init(&folder, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = str::from_utf8(&output.stdout).unwrap();
    assert!(said.contains("give an address"), "{said}");
    for path in [
        "README.md",
        "Cargo.toml",
        "gate.toml",
        "src/lib.rs",
        "src/main.rs",
        "tests/right.rs",
        "benches/mine.rs",
    ] {
        let text = fs::read_to_string(folder.join(path)).unwrap();
        for blank in ["{name}", "{crate}", "{attn-"] {
            assert!(!text.contains(blank), "{path}: {text}");
        }
    }
    let mut cargo = Command::new(env!("CARGO"));
    let metadata = cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata = metadata.current_dir(&folder).output().unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    assert_eq!(metadata["packages"][0]["name"], "my-attention");

    let again = init(&folder, &[]);
    let error = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{error}");
    assert!(error.contains("not empty, expected a new folder"), "{error}");
    let unnamed = init(&parent.path().join("My Kernel"), &[]);
    assert_eq!(unnamed.status.code(), Some(2));
}
