//! Results that others computed: the ONNX conformance cases, PyTorch's attention, Keras' layers, a trained
//! model.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use attn_bench::attn_case::AttnCase;
use attn_bench::verify::{Jury, Verified, verify};
use attn_cli::registry;
use attn_core::{Backend, Exec};
use attn_oracle::Effort;
use attn_record::Outcome;

fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
}

fn judge(file: &Path) -> Result<Verified, String> {
    let case = AttnCase::parse(&fs::read(file).unwrap()).map_err(|error| error.to_string())?;
    let entries = registry::in_process(None);
    let backends: Vec<&dyn Backend> = entries.iter().map(|entry| entry.backend.as_ref()).collect();
    // Another number of threads for each file, the same in every run.
    let threads = 1 + file.as_os_str().len() % 4;
    let jury = Jury {
        backends: &backends,
        naive: &registry::NAIVE,
        exec: Exec { threads: NonZeroUsize::new(threads).unwrap() },
        effort: Effort { threads, ..Effort::SINGLE },
        all_rows: true,
        max_flops: u64::MAX,
    };
    verify(&case, &jury).map_err(|error| error.to_string())
}

/// Every result in the file and of every backend is right, or refused; naive refuses nothing.
fn assert_agrees(file: &Path) {
    let verified = judge(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for judged in verified.out.iter().chain(&verified.backends) {
        let fine = match judged.outcome {
            Outcome::Ok => true,
            Outcome::Unavailable => judged.name.starts_with("flash/avx"),
            Outcome::Unsupported => judged.name != "naive" && judged.reason.is_some(),
            _ => false,
        };
        assert!(fine, "{}: {}: {:?}", file.display(), judged.name, judged.reason);
    }
}

#[test]
fn all_93_onnx_cases() {
    let files = files("onnx");
    assert_eq!(files.len(), 93);
    for file in files {
        assert_agrees(&file);
        assert!(judge(&file).unwrap().out.is_some(), "{}", file.display());
    }
}

/// Rows of nothing but the lowest finite number: every score is absorbed by the mask, so there is no
/// result that rounding would not change.
const UNDETERMINED: &str = "mask-float-lowest-rows";

#[test]
fn pytorch_in_f64_and_f32() {
    let files = files("torch");
    assert_eq!(files.len(), 124);
    for file in &files {
        assert_agrees(file);
        let out = judge(file).unwrap().out.expect("a result of PyTorch");
        let undetermined = out.verdict.expect("a verdict").undetermined;
        let expected = file.to_string_lossy().contains(UNDETERMINED);
        assert_eq!(undetermined > 0, expected, "{}: {undetermined} rows", file.display());
    }
}

#[test]
fn keras_with_additive_general_and_dot_scores() {
    let files = files("keras");
    assert_eq!(files.len(), 10);
    for file in &files {
        assert_agrees(file);
        assert!(judge(file).unwrap().out.is_some(), "{}", file.display());
    }
}

#[test]
fn a_trained_model() {
    let files = files("real");
    assert_eq!(files.len(), 21);
    for file in &files {
        assert_agrees(file);
    }
}
