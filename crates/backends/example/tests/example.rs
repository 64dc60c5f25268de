//! What a registered kernel gets.

use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_attn-example");

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

#[test]
fn it_is_listed_beside_the_others() {
    let list = json(&run(&["list", "--json"]));
    let ids: Vec<&str> =
        list["backends"].as_array().unwrap().iter().map(|b| b["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"mine") && ids.contains(&"faer"), "{ids:?}");
}

#[test]
fn it_is_right_on_every_case_that_it_supports() {
    let check = run(&["check", "--json", "-b", "mine", "-c", "semantics"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    let records = json(&check)["records"].as_array().unwrap().clone();
    let ok = records.iter().filter(|record| record["outcome"] == "ok").count();
    assert!(ok > 10, "{ok} of {}", records.len());
}

/// Both sides are this very program, so that nothing has to be timed.
#[test]
fn it_is_gated() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let gate = run(&[
        "gate",
        "--json",
        "-b",
        "mine",
        "--base-bin",
        PROGRAM,
        "--head-bin",
        PROGRAM,
        "--out",
        folder,
    ]);
    assert_eq!(gate.status.code(), Some(0), "{}", String::from_utf8_lossy(&gate.stderr));
    let result = json(&gate);
    assert_eq!(result["identical"], true);
    let cases = result["cases"].as_array().unwrap();
    assert!(cases.len() >= 3 && cases.iter().all(|case| case["verdict"] == "pass"), "{result}");
}
