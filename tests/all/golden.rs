//! Results that others computed: the ONNX conformance cases, PyTorch's attention, Keras' layers, a trained
//! model.

use std::fs;
use std::path::{Path, PathBuf};

use attn_bench::attn_case::AttnCase;
use attn_bench::verify::{Jury, Verified, verify};
use attn_cli::registry;
use attn_core::Backend;
use attn_oracle::Effort;
use attn_record::Outcome;

use crate::refusals::Tally;
use crate::threads;

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
    let name = file.file_stem().unwrap().to_string_lossy();
    let exec = threads::drawn(&name);
    let jury = Jury {
        backends: &backends,
        naive: &registry::NAIVE,
        exec,
        effort: Effort { threads: exec.threads.get(), ..Effort::SINGLE },
        all_rows: true,
        max_flops: u64::MAX,
    };
    verify(&case, &jury).map_err(|error| error.to_string())
}

/// Every result in the file and of every backend is right, or refused; naive refuses nothing.
///
/// True if the file holds a result.
fn assert_agrees(file: &Path, tally: &mut Tally) -> bool {
    let verified = judge(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for judged in verified.out.iter().chain(&verified.backends) {
        let fine = match judged.outcome {
            Outcome::Ok => true,
            Outcome::Unavailable => judged.name.starts_with("flash/a"),
            Outcome::Unsupported => judged.name != "naive" && judged.reason.is_some(),
            _ => false,
        };
        assert!(fine, "{}: {}: {:?}", file.display(), judged.name, judged.reason);
    }
    for judged in &verified.backends {
        match judged.outcome {
            Outcome::Unsupported => tally.refused(&judged.name),
            _ => tally.computed(&judged.name),
        }
    }
    verified.out.is_some()
}

/// All `files` agree, and each backend refuses as many of them as `refused` says. Returns how many hold a result.
fn assert_all_agree(files: &[PathBuf], refused: &[(&str, usize)]) -> usize {
    let mut tally = Tally::default();
    let results = files.iter().filter(|file| assert_agrees(file, &mut tally)).count();
    tally.assert_known(files.len(), refused);
    results
}

/// Backends whose scores are products refuse the rest.
const FLASH: [&str; 6] =
    ["flash/scalar", "flash/tiled", "flash/avx2", "flash/avx512", "flash/avx512bf16", "flash/amx"];

#[test]
fn all_93_onnx_cases() {
    let files = files("onnx");
    assert_eq!(files.len(), 93);
    let refused = [("candle/fused", 70), ("additive", 93)];
    assert_eq!(assert_all_agree(&files, &refused), 93);
}

/// Rows of nothing but the lowest finite number: every score is absorbed by the mask, so there is no
/// result that rounding would not change.
const UNDETERMINED: &str = "mask-float-lowest-rows";

#[test]
fn pytorch_in_f64_and_f32() {
    let files = files("torch");
    assert_eq!(files.len(), 124);
    let refused = [("candle/fused", 124), ("additive", 124)];
    assert_eq!(assert_all_agree(&files, &refused), 124);
    for file in &files {
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
    let products = FLASH.into_iter().chain(["candle/fused"]).map(|id| (id, 10));
    let refused: Vec<_> = products.chain([("additive", 4)]).collect();
    assert_eq!(assert_all_agree(&files, &refused), 10);
}

#[test]
fn a_trained_model() {
    let files = files("../../crates/cli/cases/real");
    assert_eq!(files.len(), 21);
    let results = assert_all_agree(&files, &[("additive", 21)]);
    assert_eq!(results, 0, "queries, keys and values alone: the oracle knows the result");
}

/// Files that earlier versions of the checker misjudged: how each must end, and whether rows are undetermined.
#[test]
fn results_that_fooled_the_checker() {
    let files = files("checker");
    assert_eq!(files.len(), 10);
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let verified = judge(&file);
        if name.starts_with("v-longer-than-k") {
            let error = verified.unwrap_err();
            assert_eq!(error, "tensor `v` is f32 [1, 1, 6, 8], expected f32 [1, 1, 5, 8]");
            continue;
        }
        let out = verified.unwrap().out.unwrap();
        let wrong =
            ["--zeros", "--half-the-keys", "--one-key-less", "--batch-0-wrong-by-tolerance"];
        let expected = if wrong.iter().any(|end| name.ends_with(end)) {
            Outcome::Disagrees
        } else {
            Outcome::Ok
        };
        assert_eq!(out.outcome, expected, "{name}: {:?}", out.reason);
        let undetermined = name.starts_with("hf-left-padded");
        let said = out.undetermined.unwrap_or_default();
        assert_eq!(
            said.contains("2 rows are undetermined (batch 1"),
            undetermined,
            "{name}: {said}"
        );
        let hint = match &name[..] {
            "long-f16-2048-amp1--zeros" => Some("out is 0 everywhere"),
            "long-f16-2048-amp1--half-the-keys" => {
                Some("agrees if the second half of the keys is left out")
            }
            "long-window-bf16-4096--one-key-less" => {
                Some("agrees if the window reaches one key less to the left")
            }
            _ => None,
        };
        assert_eq!(out.hint.as_deref(), hint, "{name}");
    }
}
