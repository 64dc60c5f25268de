//! What a wrong result leaves behind: a file for each backend, and the command that judges it again.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_attn-example");

/// What the program is called here.
const CALLED: &str = "./my-attn";

/// Runs the program in `folder`, and returns the commands that it prints for what is wrong.
fn printed(folder: &Path, args: &[&str]) -> Vec<String> {
    symlink(PROGRAM, folder.join(CALLED)).unwrap();
    let mut command = Command::new(PROGRAM);
    let output =
        command.arg0(CALLED).args(args).current_dir(folder).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let commands = said.lines().filter_map(|line| line.strip_prefix("  "));
    commands.filter(|line| line.contains(" verify ")).map(String::from).collect()
}

/// Names of the files that were written for what is wrong.
fn failures(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder.join("bench-results/failures")).expect("files are written");
    let mut names: Vec<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_wrong_is_judged_again_by_the_printed_command() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "mine,mutant/scale-missing,mutant/causal-ignored";
    let args = ["check", "-b", wrong, "-c", "semantics/small/causal-offset"];
    let commands = printed(folder.path(), &args);
    assert!(commands.len() >= 2, "{commands:?}");
    for command in &commands {
        assert!(command.starts_with("./my-attn verify -b mutant/"), "{command}");
        let judged =
            Command::new("sh").args(["-c", command]).current_dir(folder.path()).output().unwrap();
        let table = String::from_utf8_lossy(&judged.stdout);
        assert_eq!(judged.status.code(), Some(1), "{command}: {table}");
        assert!(table.contains("WRONG"), "{command}: {table}");
    }
}

/// One is wrong from the beginning, the other when it is called again.
#[test]
fn backends_that_are_wrong_on_different_inputs_of_a_case_leave_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    fs::create_dir(&cases).unwrap();
    let toml = "analysis = 'one tiny case'\n[[case]]\nname = 'a-b'\nshape = { len = 8, dim = 8 }\n";
    fs::write(cases.join("tiny.toml"), toml).unwrap();
    let wrong = "mutant/scale-missing,mutant/right-on-the-first-call-only";
    let args = ["measure", "-b", wrong, "--suite", "cases", "-c", "tiny", "--timing", "kernel"];
    let commands = printed(folder.path(), &args);
    let files = failures(folder.path());
    let expected = [
        "tiny.a-b@mutant.right-on-the-first-call-only@inputs-b.safetensors",
        "tiny.a-b@mutant.scale-missing@inputs-a.safetensors",
    ];
    assert_eq!(files, expected);
    for file in files {
        assert!(commands.iter().any(|command| command.ends_with(&file)), "{commands:?}");
    }
}
