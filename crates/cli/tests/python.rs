//! The Python package `scripts/attn-case`, whose tests run where there is a Python that can.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// What the tests cannot do without; PyTorch and others only some of them, which are then skipped.
const NEEDED: &str = "import sys, numpy, pytest; assert sys.version_info >= (3, 11)";

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/attn-case")
}

/// What `python` answers to `arguments` in the folder of the package; `None` if there is no such program.
fn python(arguments: &[&str]) -> Option<Output> {
    let program = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(package());
    // Nothing is left behind in the tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("ATTN", env!("CARGO_BIN_EXE_attn"));
    command.output().ok()
}

/// Past the test harness, which keeps to itself what a successful test prints.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("stderr can be written");
}

#[test]
fn the_tests_and_the_examples_of_the_python_package_pass() {
    if !python(&["-c", NEEDED]).is_some_and(|output| output.status.success()) {
        say(
            "skipped: the tests of scripts/attn-case need Python 3.11 with numpy and pytest: set PYTHON to one",
        );
        return;
    }
    let output = python(&["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in said.lines().filter(|line| line.contains("SKIPPED") || line.contains(" passed")) {
        say(&format!("scripts/attn-case: {line}"));
    }
}

#[test]
fn the_python_package_has_the_version_of_the_program() {
    let text = fs::read_to_string(package().join("pyproject.toml")).unwrap();
    let version = format!("\nversion = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
}
