//! `scripts/fleet`: a suite in shards is the suite, whatever died in between.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use attn_record::{Outcome, read_records};

const ATTN: &str = env!("CARGO_BIN_EXE_attn");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A script of the folder, called from the root of the repository as its users do.
fn fleet(script: &str) -> Command {
    let mut command = Command::new(Path::new("scripts/fleet").join(script));
    command.current_dir(repository()).env("ATTN", ATTN).stdout(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The arguments of a run of six cells, of which a shell would read one otherwise than it stands.
fn suite(root: &Path) -> [String; 6] {
    let cases = root.join("with a blank");
    fs::create_dir_all(&cases).unwrap();
    let toml = "[[case]]\nname = 'a'\nshape = { len = [8, 16, 24, 32, 40, 48], dim = 8 }\n";
    fs::write(cases.join("tiny.toml"), toml).unwrap();
    ["-b", "naive", "-c", "tiny/*", "--suite", cases.to_str().unwrap()].map(String::from)
}

/// The only run below `out`.
fn run_in(out: &Path) -> PathBuf {
    let runs: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// The names of the cells, each of which is there once and right.
fn cells(run: &Path) -> BTreeSet<String> {
    let records = read_records(run).unwrap();
    assert!(records.iter().all(|record| record.outcome == Outcome::Ok));
    let names: Vec<_> = records.iter().map(|record| record.case.clone()).collect();
    let distinct: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(distinct.len(), names.len(), "a cell is there twice: {names:?}");
    distinct
}

/// The cells of the suite in one run.
fn whole(root: &Path) -> BTreeSet<String> {
    let out = root.join("one");
    let mut run = Command::new(ATTN);
    run.arg("run").args(suite(root)).arg("--out").arg(&out).stdout(Stdio::null());
    assert!(run.output().unwrap().status.success());
    let cells = cells(&run_in(&out));
    assert_eq!(cells.len(), 6);
    cells
}

#[test]
fn a_shard_that_died_is_named_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("fleet");
    let shard = |k: usize| {
        let mut command = fleet("shard");
        command.arg(format!("{k}/4")).arg(&dir).args(suite(root.path())).stderr(Stdio::piped());
        command
    };
    for k in [1, 4] {
        assert_eq!(shard(k).output().unwrap().status.code(), Some(0));
    }
    let mut died = shard(2).spawn().unwrap();
    let begun = dir.join("2-of-4");
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_under_way = || {
        let runs = fs::read_dir(&begun).into_iter().flatten().flatten();
        runs.map(|run| run.path()).any(|run| run.join("run.json").exists())
    };
    while !is_under_way() {
        assert!(Instant::now() < deadline, "the shard begins");
        std::thread::sleep(Duration::from_millis(2));
    }
    died.kill().unwrap();
    died.wait().unwrap();

    let merge = || fleet("merge").arg(&dir).output().unwrap();
    let (said, run) = (merge(), run_in(&begun));
    assert_eq!(said.status.code(), Some(3), "{}", stderr(&said));
    let name = run.file_name().unwrap().to_str().unwrap();
    let said = stderr(&said).replace(ATTN, "attn").replace(name, "2026-01-31T12-00-00Z");
    let said = said.replace(dir.to_str().unwrap(), "fleet");
    let page = fs::read_to_string(repository().join("crates/docs/FLEETS.md")).unwrap();
    assert!(page.contains(&format!("```text\n{said}```")), "{said}");

    for (k, expected) in [(1, "is finished"), (2, "going on"), (3, ""), (4, "is finished")] {
        let output = shard(k).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{k}: {}", stderr(&output));
    }
    assert_eq!(run_in(&begun), run, "the run that died went on");
    fs::remove_dir_all(dir.join("merged")).unwrap();
    let output = merge();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(cells(&run_in(&dir.join("merged"))), whole(root.path()));
}

#[test]
fn slurm_runs_the_shard_of_its_task() {
    let root = tempfile::tempdir().unwrap();
    let slurm = |task: Option<&str>| {
        let mut command = fleet("slurm");
        command.env_remove("SLURM_ARRAY_TASK_ID").arg("3").arg(root.path());
        command.args(suite(root.path())).envs(task.map(|task| ("SLURM_ARRAY_TASK_ID", task)));
        command.output().unwrap()
    };
    let output = slurm(None);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(slurm(Some("2")).status.code(), Some(0));
    let expected = ["tiny/a/n=16", "tiny/a/n=40"].map(String::from);
    assert_eq!(cells(&run_in(&root.path().join("2-of-3"))), expected.into());
}

#[test]
fn gnu_parallel_measures_the_suite() {
    if Command::new("parallel").arg("--version").output().is_err() {
        let skipped = "skipped: scripts/fleet/parallel needs GNU parallel";
        writeln!(std::io::stderr(), "{skipped}").expect("stderr can be written");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("fleet");
    let run = || {
        let mut command = fleet("parallel");
        command.arg("4").arg(&dir).args(suite(root.path())).output().unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(cells(&run_in(&dir.join("merged"))), whole(root.path()));
    // A shard that cannot go on is named by its number, and so is what is missing.
    let lost = run_in(&dir.join("3-of-4"));
    fs::rename(&lost, root.path().join("lost")).unwrap();
    fs::create_dir(&lost).unwrap();
    fs::write(lost.join("run.json"), "{}").unwrap();
    fs::write(lost.join("partial.jsonl"), "").unwrap();
    let output = run();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("fleet: shard 3 ended with exit code 3, signal 0"), "{said}");
}

#[test]
fn what_makes_no_sense_is_one_line() {
    for (script, arguments, expected) in [
        ("shard", &["4", "dir"][..], "expected K/N DIR"),
        ("parallel", &["dir", "4"], "expected N DIR"),
        ("slurm", &["4", "dir"], "in a job array: sbatch --array=1-N"),
        ("merge", &[], "expected DIR, the folder of the shards"),
        ("merge", &["/nowhere"], "/nowhere: no run in any K-of-N"),
    ] {
        let output = fleet(script).args(arguments).output().unwrap();
        let said = stderr(&output);
        assert!(said.contains(expected) && said.lines().count() == 1, "{script}: {said}");
        assert!([Some(2), Some(3)].contains(&output.status.code()), "{script}");
    }
}
