//! `attn engine`, as a user runs it: without Python, with a program of one's own, and with one that does not do what it should.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const HELLO: &str = r#"{"hello":{"protocol":"attn-engine/1","library":"mine 1.0","isa":"none"}}"#;

fn attn(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.args(args).env("ATTN_ENGINES", home.join("engines")).current_dir(home);
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with an engine that greets and then does what the lines of a shell say.
fn mine(home: &Path, lines: &str) -> PathBuf {
    let folder = home.join("mine");
    fs::create_dir_all(&folder).unwrap();
    let script = format!("read -r line\necho '{HELLO}'\n{lines}\n");
    fs::write(folder.join("mine.sh"), script).unwrap();
    let definition = r#"
name = "mine"
kind = "program"
command = ["sh", "mine.sh"]
kernel = "me"
ours = "nothing"
[[backend]]
id = "mine"
gflops = 1.0
dtypes = ["f32"]
arithmetic = { scores = "at-least-f32", weights = "at-least-f32", sums = "at-least-f32", order = "sequential", online = false }
"#;
    fs::write(folder.join("engine.toml"), definition).unwrap();
    folder
}

/// What became of both backends of a check: the outcome and the reason of `mine`, the outcome of `naive`.
fn checked(home: &Path, more: &[&str]) -> (String, String, String) {
    let args = ["check", "-b", "mine,naive", "--shape", "B1 H2 N8 D4 f32", "--json"];
    let output = attn(home, &[&args[..], more].concat());
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let records = report["records"].as_array().unwrap();
    let of = |name: &str| records.iter().find(|record| record["backend"] == name).unwrap();
    let text = |name: &str, field: &str| of(name)[field].as_str().unwrap_or_default().to_string();
    (text("mine", "outcome"), text("mine", "reason"), text("naive", "outcome"))
}

#[test]
fn what_is_not_installed_is_in_no_way_and_says_how_to_get_it() {
    let home = tempfile::tempdir().unwrap();
    let listed = stdout(&attn(home.path(), &["list"]));
    assert!(!listed.contains("torch"), "{listed}");
    let listed = stdout(&attn(home.path(), &["engine", "list"]));
    assert!(
        listed.contains("not installed: attn engine install torch, which downloads 2"),
        "{listed}"
    );
    let output = attn(home.path(), &["check", "-b", "torch", "--shape", "B1 H1 N4 D4 f32"]);
    assert!(stdout(&output).contains("attn engine install torch"), "{}", stdout(&output));
    assert!(!home.path().join("engines").exists(), "nothing is made unasked");
    let output = attn(home.path(), &["engine", "install", "troch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no engine `troch`, expected one of"), "{}", stderr(&output));
}

#[test]
fn without_python_one_line_says_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.args(["engine", "install", "openvino"]).env("PATH", home.path());
    let output = command.env("ATTN_ENGINES", home.path().join("engines")).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        stderr(&output),
        "attn: openvino: needs Python 3.11 or later as `python3`, which is not there: install it, then run this again\n"
    );
}

#[test]
fn a_program_of_ones_own_is_installed_listed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = mine(home.path(), "read -r line");
    let output = attn(home.path(), &["engine", "install", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "mine: installed, mine 1.0\n");
    assert!(
        stdout(&attn(home.path(), &["engine", "list"])).contains("mine         mine 1.0, none")
    );
    let doctor = attn(home.path(), &["engine", "doctor"]);
    assert_eq!(doctor.status.code(), Some(3));
    assert!(stdout(&doctor).contains("does not work: mine: the engine's process ended"));
    let removed = attn(home.path(), &["engine", "remove", "mine"]);
    assert_eq!(stderr(&removed), "mine: removed\n");
    assert!(!home.path().join("engines/mine").exists());
}

#[test]
fn an_engine_that_dies_hangs_or_is_gone_costs_its_own_cells() {
    let home = tempfile::tempdir().unwrap();
    let dies = "read -r line\necho out of luck >&2\nexit 7";
    let folder = mine(home.path(), dies);
    attn(home.path(), &["engine", "install", folder.to_str().unwrap()]);
    let (outcome, reason, other) = checked(home.path(), &[]);
    assert_eq!((outcome.as_str(), other.as_str()), ("error", "ok"));
    assert!(reason.contains("ended (exit status: 7): out of luck"), "{reason}");
    mine(home.path(), "exec sleep 600");
    let (outcome, _, other) = checked(home.path(), &["--timeout", "2"]);
    assert_eq!((outcome.as_str(), other.as_str()), ("timeout", "ok"));
    // A broken environment: what was installed is no longer there.
    fs::remove_file(folder.join("mine.sh")).unwrap();
    let (outcome, reason, other) = checked(home.path(), &[]);
    assert_eq!((outcome.as_str(), other.as_str()), ("error", "ok"));
    assert!(reason.contains("see `attn engine doctor mine`"), "{reason}");
}
