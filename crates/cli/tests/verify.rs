//! `attn verify` as a user meets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use attn_bench::attn_case::{AttnCase, Claim};
use attn_cli::registry::NAIVE;
use attn_core::{
    Alignment, DType, Exec, InputDistribution, Inputs, Problem, ProblemSpec, Shape, Tensor, compute,
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
    let inputs = Inputs::generate(&declared, InputDistribution::Normal, 1);
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
    assert!(stdout.contains("the worst [b 0, h "), "{stdout}");
    let naive = stdout.lines().nth(1).unwrap();
    assert!(naive.contains("WRONG") && naive.contains("ok"), "{naive}");
}

#[test]
fn a_wrong_result_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "wrong.safetensors", &dump(Alignment::TopLeft));
    let stdout = text(&verify(&[&path]).stdout);
    for says in [
        "problem B1 H2/1 N3x5 D8 f32, causal bottom-right, scale 1/sqrt(8)",
        "hint: agrees if causal = \"top-left\"; did the file forget to say so?",
    ] {
        assert!(stdout.contains(says), "{stdout}");
    }
}

#[test]
fn a_folder_stands_for_its_files_and_names_tell_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (inner, causal) in [("a", Alignment::BottomRight), ("b", Alignment::TopLeft)] {
        fs::create_dir(folder.path().join(inner)).unwrap();
        write(&folder.path().join(inner), "same.safetensors", &dump(causal));
    }
    write(&folder.path().join("b"), "notes.txt", b"not a case");
    let output = verify(&[folder.path()]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains(" a/same  ") && stdout.contains(" b/same  "), "{stdout}");
    assert!(stdout.contains("2 files: 1 without a wrong result, 1 with one, 0 broken"), "{stdout}");
    let empty = tempfile::tempdir().unwrap();
    let output = verify(&[empty.path()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("a folder without any .safetensors file"));
}

#[test]
fn a_file_without_a_result_needs_a_backend() {
    let folder = tempfile::tempdir().unwrap();
    let mut case = AttnCase::parse(&dump(Alignment::TopLeft)).unwrap();
    case.claim = None;
    let path = write(folder.path(), "inputs.safetensors", &case.to_bytes());
    assert_eq!(verify(&[&path]).status.code(), Some(0));
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    let output = command.args(["verify", "--no-backends"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("holds neither `out` nor `lse`"));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf8_loses_no_result() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"odd-\xff.safetensors");
    let path = folder.path().join(name);
    fs::write(&path, dump(Alignment::BottomRight)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    let output = command.args(["verify", "--json", "--no-backends"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["out"]["outcome"], "ok");
}

#[test]
fn a_log_sum_exp_alone_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape::square(2, 7, 8);
    let spec = ProblemSpec { lse: true, ..ProblemSpec::new(shape, DType::F32) };
    let problem = Problem::new(spec).unwrap();
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let out = compute(&NAIVE, &problem, &Exec::SINGLE, &inputs).unwrap();
    let lse = out.lse().unwrap().tensor();
    let codes = [false, true].map(|base_two| {
        let claim = Claim { lse: Some(lse.clone()), lse_base_two: base_two, ..Claim::default() };
        let (problem, inputs) = (problem.clone(), inputs.clone());
        let case = AttnCase { problem, inputs, claim: Some(claim), tokens: None, source: None };
        let path = write(folder.path(), "lse.safetensors", &case.to_bytes());
        verify(&[&path]).status.code()
    });
    assert_eq!(codes, [Some(0), Some(1)], "natural logarithms, and said to be in base 2");
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
    let stdout = text(&output.stdout);
    assert!(stdout.contains("2 files: 0 without a wrong result, 1 with one, 1 broken"), "{stdout}");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(name) && stderr.contains(says), "{stderr}");
    let (_, reason) = stderr.trim_end().split_once(&format!("{name}: ")).unwrap();
    assert_eq!(stderr.matches(reason).count(), 1, "the reason once: {stderr}");
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
    let missing = verify(&[&PathBuf::from("/nonexistent/x.safetensors")]);
    assert_eq!(missing.status.code(), Some(3));
    let said = text(&missing.stderr);
    assert!(said.contains("x.safetensors: no such file, expected an attn-case file"), "{said}");
    assert_eq!(text(&missing.stdout), "", "of nothing there is no table");
}

#[test]
fn a_problem_without_a_file_is_computed_by_backends_and_saved_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let todo = folder.path().join("todo");
    let attn = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_attn")).arg("verify").args(args).output().unwrap()
    };
    let (shape, backends) = (["--shape", "H2 N7 D5 causal"], ["-b", "naive,additive"]);
    let output = attn(&[&backends[..], &shape, &["--save", todo.to_str().unwrap()]].concat());
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    assert!(
        printed.contains("shape/B1-H2-N7-D5-f32-causal:top-left    -     ok   unsupp."),
        "{printed}"
    );
    // What is right is added, as another program would, and the file is right.
    let path = fs::read_dir(&todo).unwrap().next().unwrap().unwrap().path();
    let mut case = AttnCase::parse(&fs::read(&path).unwrap()).unwrap();
    let out = Some(attention(&case.problem, &case.inputs));
    case.claim = Some(Claim { out, ..Claim::default() });
    fs::write(&path, case.to_bytes()).unwrap();
    assert_eq!(attn(&["--no-backends", path.to_str().unwrap()]).status.code(), Some(0));
    for (args, says) in [
        (&["--shape", "N7"][..], "expected at least N and D"),
        (&["--no-backends", "--shape", "N7 D5"], "cannot be used with"),
        (&["--save", "todo", "x.safetensors"], "--shape"),
        (&[], "FILE|DIR"),
    ] {
        let output = attn(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "{args:?}: {}", text(&output.stderr));
    }
}
