//! Samples that criterion saved become a run; `tests/golden/criterion` was written by criterion 0.8.2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attn_record::{Outcome, Timing, read_records};

fn import(folder: &Path, out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.arg("import-criterion").arg(folder).arg("--out").arg(out);
    command.output().expect("the program starts")
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/criterion")
}

/// A copy of the golden samples, its benchmark.
fn copy(root: &Path) -> PathBuf {
    let new = root.join("sweep_seq-len_full/naive/n=64/new");
    fs::create_dir_all(&new).unwrap();
    for name in ["benchmark.json", "sample.json"] {
        let from = golden().join("sweep_seq-len_full/naive/n=64/new").join(name);
        fs::copy(from, new.join(name)).unwrap();
    }
    new
}

#[test]
fn samples_become_records_that_other_commands_read() {
    let root = tempfile::tempdir().unwrap();
    let output = import(&golden(), root.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let run = fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
    let records = read_records(&run).unwrap();
    let names: Vec<_> =
        records.iter().map(|r| (r.case.as_str(), r.backend.as_str(), r.threads)).collect();
    assert_eq!(names, [("sweep/seq-len/full/n=64", "naive", 1)]);
    let record = &records[0];
    assert_eq!((record.outcome, record.timing), (Outcome::Ok, Some(Timing::Kernel)));
    let checks = [&record.check, &record.recheck];
    assert!(checks.iter().all(|check| check.as_ref().is_some_and(attn_core::Verdict::agrees)));

    // The median by hand, from the file.
    let sample = golden().join("sweep_seq-len_full/naive/n=64/new/sample.json");
    let sample: serde_json::Value = serde_json::from_slice(&fs::read(sample).unwrap()).unwrap();
    let numbers = |key: &str| sample[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
    let mut per_call: Vec<f64> =
        numbers("times").zip(numbers("iters")).map(|(t, n)| t / n).collect();
    per_call.sort_by(f64::total_cmp);
    let middle = per_call.len() / 2;
    let median = f64::midpoint(per_call[(per_call.len() - 1) / 2], per_call[middle]);
    assert!((record.median_ns().unwrap() / median - 1.0).abs() < 1e-4);

    assert!(run.join("index.html").exists());
    let args = ["cmp", "-b", "naive", run.to_str().unwrap()];
    let cmp = Command::new(env!("CARGO_BIN_EXE_attn")).args(args).output().unwrap();
    assert_eq!(cmp.status.code(), Some(0), "{}", String::from_utf8_lossy(&cmp.stderr));
}

#[test]
fn what_is_no_cell_or_broken_is_named_in_one_line() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let message = |folder: &Path| {
        let output = import(folder, &out);
        assert_eq!(output.status.code(), Some(3));
        assert!(!out.exists(), "nothing is written");
        String::from_utf8(output.stderr).unwrap()
    };
    let folder = root.path().join("criterion");
    let missing = message(&folder);
    assert!(missing.contains("criterion: ") && missing.lines().count() == 1, "{missing}");

    let new = copy(&folder);
    fs::write(new.join("sample.json"), r#"{"iterations":[1]}"#).unwrap();
    let broken = message(&folder);
    assert!(
        broken.contains("sample.json: expected `iters` and `times`, as criterion 0.8"),
        "{broken}"
    );
    assert_eq!(broken.lines().count(), 1, "{broken}");

    copy(&folder);
    let benchmark = r#"{"group_id":"somebody","function_id":"elses","value_str":"1"}"#;
    fs::write(new.join("benchmark.json"), benchmark).unwrap();
    let unknown = message(&folder);
    let words = ["skipped, no cell is `somebody/1` on `elses`", "no samples of any cell"];
    assert!(words.iter().all(|word| unknown.contains(word)), "{unknown}");
}
