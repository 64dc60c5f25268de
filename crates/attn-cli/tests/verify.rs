//! `attn verify` as a user meets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use attn_bench::attn_case::{AttnCase, Claim};
use attn_cli::registry::NAIVE;
use attn_core::{
    Alignment, DType, Exec, Family, Inputs, Problem, ProblemSpec, Shape, Tensor, compute,
};

fn verify(files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.arg("verify").args(files).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn problem(causal: Alignment) -> Problem {
    let shape = Shape { heads_kv: 1, len_k: 5, ..Shape::square(2, 3, 8) };
    let spec = ProblemSpec::new(shape, DType::F32);
    Problem::new(ProblemSpec { causal: Some(causal), ..spec }).unwrap()
}

fn attention(problem: &Problem, inputs: &Inputs) -> Tensor {
    compute(&NAIVE, problem, &Exec::SINGLE, inputs).unwrap().o().tensor()
}

/// A file that declares bottom-right and whose `out` was computed with `causal`.
fn dump(causal: Alignment) -> Vec<u8> {
    let declared = problem(Alignment::BottomRight);
    let inputs = Inputs::generate(&declared, Family::Normal, 1);
    let out = Some(attention(&problem(causal), &inputs));
    let claim = Claim { out, ..Claim::default() };
    let (tokens, source) = (None, None);
    AttnCase { problem: declared, inputs, claim: Some(claim), tokens, source }.to_bytes()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_right_result_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "right.safetensors", &dump(Alignment::BottomRight));
    let output = verify(&[&path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn the_wrong_alignment_is_found_with_its_worst_element() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "wrong.safetensors", &dump(Alignment::TopLeft));
    let output = verify(&[&path]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = text(&output.stdout);
    assert!(stdout.contains("out disagrees: "), "{stdout}");
    assert!(stdout.contains("worst element [b 0, h "), "{stdout}");
    let naive = stdout.lines().nth(1).unwrap();
    assert!(naive.contains("WRONG") && naive.contains("ok"), "{naive}");
}

/// One line on stderr that names the file and says what is wrong; exit 3.
fn assert_broken(name: &str, bytes: &[u8], says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "good.safetensors", &dump(Alignment::TopLeft));
    let path = write(folder.path(), name, bytes);
    let start = Instant::now();
    let output = verify(&[&good, &path]);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(3), "broken outweighs wrong");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(name) && stderr.contains(says), "{stderr}");
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    let bytes = dump(Alignment::BottomRight);
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    assert_eq!(from.len(), to.len(), "the header keeps its length");
    let mut bytes = bytes;
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn broken_files_are_named_in_one_line() {
    let good = dump(Alignment::BottomRight);
    assert_broken("short.safetensors", &good[..good.len() - 9], "not a safetensors file");
    assert_broken("empty.safetensors", &[], "not a safetensors file");
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&(2u64 << 30).to_le_bytes());
    assert_broken("huge.safetensors", &huge, "not a safetensors file");
    // The fields are inside a JSON string inside JSON: their quotes are escaped.
    assert_broken(
        "key.safetensors",
        &replaced(r#"\"softcap\""#, r#"\"softcup\""#),
        "unknown field `softcup`",
    );
    assert_broken("shape.safetensors", &replaced("[1,2,3,8]", "[1,3,2,8]"), "tensor");
    // The last four bytes are an element of v.
    let mut nan = good;
    let at = nan.len() - 4;
    nan[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_broken("nan.safetensors", &nan, "which some query reads");
    let missing = PathBuf::from("/nonexistent/x.safetensors");
    assert_eq!(verify(&[&missing]).status.code(), Some(3));
}
