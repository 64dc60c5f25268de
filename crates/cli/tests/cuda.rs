//! What `attn` says of CUDA where there is none: the program that computes it is missing, does not start, or
//! (played by a script) answers.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ATTN: &str = env!("CARGO_BIN_EXE_attn");

/// Runs `attn` from a folder in which `runner` is the script `attn-cuda`.
fn attn(runner: Option<&str>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("attn");
    // A link, where the file system allows: the program is large.
    fs::hard_link(ATTN, &program).or_else(|_| fs::copy(ATTN, &program).map(|_| ())).unwrap();
    if let Some(script) = runner {
        install(&folder.path().join("attn-cuda"), script);
    }
    Command::new(program).args(arguments).output().unwrap()
}

/// Written by another process: a file that this one has open for writing may be inherited by what another test
/// starts, and then cannot be executed.
fn install(path: &Path, script: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(path).arg(script).status();
    assert!(status.unwrap().success());
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const BUILD: &str = "built without CUDA: scripts/cuda-toolkit build";
const NO_DRIVER: &str = "echo 'attn-cuda: error while loading shared libraries: libcuda.so.1: cannot open \
                         shared object file: No such file or directory' >&2; exit 127";

#[test]
fn without_the_program_support_and_list_have_a_row_that_says_how_to_build_it() {
    for command in [["support", "-b", "candle/cuda"], ["list", "-b", "candle/cuda"]] {
        let output = attn(None, &command);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains(BUILD), "{}", stdout(&output));
    }
}

#[test]
fn a_run_with_other_backends_succeeds_without_a_driver() {
    let arguments = ["check", "-b", "naive,candle/cuda", "-c", "edge/*", "--json"];
    let output = attn(Some(NO_DRIVER), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let records = report["records"].as_array().unwrap();
    let of = |backend: &str| -> Vec<_> {
        records.iter().filter(|record| record["backend"] == backend).collect()
    };
    let (cuda, naive) = (of("candle/cuda"), of("naive"));
    assert!(!naive.is_empty() && cuda.len() == naive.len(), "a cell each");
    for record in cuda {
        assert_eq!(record["outcome"], "unavailable");
        assert_eq!(record["reason"], "no CUDA driver (libcuda.so.1)");
    }
}

#[test]
fn a_program_that_dies_is_unavailable_and_named() {
    let output = attn(Some("exit 9"), &["support", "-b", "candle/cuda"]);
    assert_eq!(output.status.code(), Some(0));
    let words = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("attn-cuda ended (exit status: 9) without an answer"), "{words}");
}

/// A device that computes `NaN` would be caught; this one answers every request with its own words.
fn fake() -> String {
    let info = r#"{"Ok":{"library":"candle-core 0.11.1","device":"Fake GPU","isa":"none","threads":"device","arithmetic":{"scores":"at-least-f32","weights":"at-least-f32","sums":"at-least-f32","order":"sequential","online":false}}}"#;
    let hello = r#"{"hello":{"protocol":"attn-worker/1"}}"#;
    let answer = r#"{"failed":{"outcome":"error","reason":"asked the fake device"}}"#;
    format!(
        r#"case $1 in probe) echo '{info}';; limits) echo '{{"Err":"fakes have none"}}';;
        worker) read line; n=${{line#*:\"}}; n=${{n%\"*}}
        say() {{ echo "{{\"nonce\":\"$n\",\"answer\":$1}}"; }}
        say '{hello}'; read line; case $line in
        *'"backend":"candle/cuda"'*'"memory_limit":null'*) say '{answer}';; esac;; esac"#
    )
}

#[test]
fn cells_are_computed_by_the_program_that_answered() {
    let script = fake();
    let listed = attn(Some(&script), &["list", "-b", "candle/cuda", "-c", "edge", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&stdout(&listed)).unwrap();
    assert_eq!(listed["backends"][0]["receipt"]["device"], "Fake GPU");
    let output = attn(Some(&script), &["check", "-b", "candle/cuda", "-c", "edge", "--json"]);
    assert_eq!(output.status.code(), Some(3), "an error is not a success");
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let records = report["records"].as_array().unwrap();
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record["reason"], "asked the fake device");
    }
}

#[test]
fn a_device_computes_with_one_number_of_threads() {
    let arguments =
        ["check", "-b", "naive,candle/cuda", "-c", "edge/shapes/len", "-t", "2,1", "--json"];
    let output = attn(Some(&fake()), &arguments);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let records = report["records"].as_array().unwrap();
    let threads = |backend: &str| -> Vec<u64> {
        let of = records.iter().filter(|record| record["backend"] == backend);
        of.map(|record| record["threads"].as_u64().unwrap()).collect()
    };
    let (naive, cuda) = (threads("naive"), threads("candle/cuda"));
    assert!(!cuda.is_empty() && naive.len() == 2 * cuda.len(), "{naive:?} {cuda:?}");
    assert!(cuda.iter().all(|&threads| threads == 2), "{cuda:?}");
}

const FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/onnx/attention_4d.safetensors");

#[test]
fn a_file_is_computed_by_the_program_that_answered() {
    let output = attn(Some(&fake()), &["verify", "-b", "naive,candle/cuda", FILE]);
    assert_eq!(output.status.code(), Some(3), "an error is not a success");
    assert!(stdout(&output).contains("candle/cuda error: asked the fake device"));
    // Who does not ask for a device that is not there is not bothered with it.
    let output = attn(None, &["verify", FILE]);
    assert!(!stdout(&output).contains("cuda"), "{}", stdout(&output));
    let output = attn(None, &["verify", "-b", "candle/cuda,naive", FILE]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains(&format!("unavailable candle/cuda: {BUILD}")));
}

#[test]
fn commands_of_one_process_say_that_a_device_is_not_theirs() {
    for command in [&["soak", "-b", "candle/cuda"][..], &["gate", "-b", "candle/cuda"]] {
        let output = attn(Some(&fake()), command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("candle/cuda is computed by another program"), "{said}");
    }
}

#[test]
fn a_run_says_that_a_devices_limits_are_unknown() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let arguments = ["run", "-b", "candle/cuda", "-c", "sweep/seq-len/full/n=64", "-o", folder];
    let output = attn(Some(&fake()), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "attn: the limits of the CUDA device are unknown: fakes have none";
    assert!(said.contains(expected), "{said}");
}
