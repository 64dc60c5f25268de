//! What a run survives: backends that do not return, a process that is killed, parts of a suite.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use attn_record::{Outcome, Record, UNFINISHED, read_limits, read_partial, read_records};

fn attn(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.args(args).stdout(Stdio::null());
    command
}

/// Two tiny sweeps, six cases.
fn cases(root: &Path) -> String {
    let folder = root.join("cases");
    fs::create_dir_all(&folder).unwrap();
    let toml = "analysis = 'two tiny sweeps'\naxis = 'len'\n\
        [[case]]\nname = 'full'\nshape = { len = [8, 16, 24], dim = 8 }\n\
        [[case]]\nname = 'causal'\nshape = { len = [8, 16, 24], dim = 8 }\ncausal = 'top-left'\n";
    fs::write(folder.join("tiny.toml"), toml).unwrap();
    folder.to_str().unwrap().into()
}

/// The one run folder below `out`.
fn run_in(out: &Path) -> PathBuf {
    let mut folders = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.next().expect("a run was written");
    assert!(folders.next().is_none(), "there is one run");
    folder
}

fn cells(records: &[Record]) -> Vec<(String, String)> {
    records.iter().map(|record| (record.case.clone(), record.backend.clone())).collect()
}

/// How often the limits of the machine were measured.
fn probes(run: &Path) -> usize {
    read_limits(run).unwrap().map_or(0, |limits| limits.probes.len())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_backend_that_hangs_is_stopped() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_attn"))
        .args(["measure", "-b", "naive,fault/hang", "-c", "tiny/full/n=8", "--timeout", "3"])
        .args(["--json", "--suite", &cases(root.path())])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found: Vec<_> =
        report["records"].as_array().unwrap().iter().map(|r| &r["outcome"]).collect();
    assert_eq!(found, ["ok", "timeout"]);
    assert_eq!(report["records"][1]["reason"], "no result after 3 s, the worker was killed");
}

const FAULTS: &str = "naive,fault/abort,fault/panic,fault/exit,fault/hoard,fault/error,faer";

#[test]
fn backends_that_do_not_return_cost_their_own_cells_alone() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let args = ["run", "-b", FAULTS, "-c", "tiny/full/n=8", "--memory", "1"];
    let output = attn(&args)
        .args(["--suite", &cases(root.path()), "--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let run = run_in(&out);
    let records = read_records(&run).unwrap();
    let found: Vec<_> = records.iter().map(|r| (r.backend.as_str(), r.outcome)).collect();
    let expected = [
        ("naive", Outcome::Ok),
        ("faer", Outcome::Ok),
        ("fault/abort", Outcome::Error),
        ("fault/panic", Outcome::Error),
        ("fault/exit", Outcome::Error),
        ("fault/hoard", Outcome::Error),
        ("fault/error", Outcome::Error),
    ];
    let sorted = |cells: &[(&str, Outcome)]| {
        let mut cells: Vec<_> =
            cells.iter().map(|(id, outcome)| ((*id).to_string(), *outcome)).collect();
        cells.sort();
        cells
    };
    assert_eq!(sorted(&found), sorted(&expected));
    for record in &records {
        assert_eq!(record.reason.is_none(), record.outcome == Outcome::Ok, "{:?}", record.reason);
        assert_eq!(record.median_ns().is_some(), record.outcome == Outcome::Ok);
    }
    let reason = |id: &str| {
        let record = records.iter().find(|record| record.backend == id).unwrap();
        record.reason.clone().unwrap()
    };
    assert!(reason("fault/panic").contains("the backend panics, as it is meant to"));
    assert!(reason("fault/hoard").contains("memory allocation"), "{}", reason("fault/hoard"));
    assert!(run.join("index.html").exists());
    assert_eq!(probes(&run), 2, "before the cells and after them");
}

/// A run of twelve cells that writes below `root`, and of which some processes have ended.
fn under_way(root: &Path) -> (Child, PathBuf) {
    let (cases, out) = (cases(root), root.join("out"));
    let args = ["run", "-b", "naive,ndarray", "--suite", &cases, "--out", out.to_str().unwrap()];
    let run = attn(&args).stderr(Stdio::null()).spawn().unwrap();
    let give_up = Instant::now() + Duration::from_secs(60);
    let has_processes = || {
        let runs = fs::read_dir(&out).into_iter().flatten().flatten();
        let mut files = runs.map(|run| run.path().join("partial.jsonl"));
        files.any(|file| fs::read_to_string(file).is_ok_and(|text| text.lines().count() > 4))
    };
    while !has_processes() {
        assert!(Instant::now() < give_up, "no process ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    (run, out)
}

#[test]
#[cfg(unix)]
fn a_run_that_is_asked_to_end_leaves_good_files() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let root = tempfile::tempdir().unwrap();
        let (mut run, out) = under_way(root.path());
        let kill = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let status = run.wait().unwrap();
        assert!(status.code().is_some(), "{signal}: {status}");
        let run = run_in(&out);
        assert!(read_records(&run).is_ok() && !run.join("inputs").exists(), "{signal}");
        let output = attn(&["run", "--resume", run.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal}: {}", stderr(&output));
        assert_eq!(read_records(&run).unwrap().len(), 12, "{signal}");
    }
}

#[test]
fn a_killed_run_goes_on_without_measuring_anything_twice() {
    let root = tempfile::tempdir().unwrap();
    let (mut killed, out) = under_way(root.path());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let run = run_in(&out);
    // As if it had been killed while it wrote.
    let file = run.join("partial.jsonl");
    let mut partial = fs::OpenOptions::new().append(true).open(&file).unwrap();
    partial.write_all(b"{\"schema\":\"attn-rec").unwrap();
    let said = read_partial(&run, &[]).unwrap();
    assert!(said.len() > 3);
    let page_says_so = || {
        let shown = attn(&["report", "--markdown", run.to_str().unwrap()]).status().unwrap();
        assert_eq!(shown.code(), Some(0));
        let pages =
            ["index.html", "report.md"].map(|name| fs::read_to_string(run.join(name)).unwrap());
        pages.map(|page| page.contains(UNFINISHED))
    };
    assert_eq!(page_says_so(), [true; 2]);
    let ranked = attn(&["rank", run.to_str().unwrap()]).output().unwrap();
    assert!(stderr(&ranked).contains(UNFINISHED), "{}", stderr(&ranked));

    let output = attn(&["run", "--resume", run.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = read_records(&run).unwrap();
    let cells = cells(&records);
    let distinct: BTreeSet<_> = cells.iter().collect();
    assert_eq!((cells.len(), distinct.len()), (12, 12), "none twice, none lost");
    let processes = |record: &Record| record.volatile.measurement.clone().unwrap().processes;
    for said in &said {
        let mut of_cell = records.iter().filter(|record| record.cell() == said.cell());
        let kept = processes(of_cell.next().unwrap());
        assert!(kept.contains(&processes(said)[0]), "what a process measured is kept");
        assert!((3..=9).contains(&kept.len()), "and not measured again: {}", kept.len());
    }
    assert!(!file.exists() && !run.join("inputs").exists(), "nothing is left lying about");
    assert_eq!(page_says_so(), [false; 2]);
    let measured = probes(&run);
    assert!(measured == 1 || measured == 3, "before, and around the rest if there was one");
    let file = run.join("records.jsonl");
    let after = fs::read(&file).unwrap();

    let again = attn(&["run", "--resume", run.to_str().unwrap()]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(fs::read(&file).unwrap(), after, "nothing is left to do");
    assert_eq!(probes(&run), measured, "not even to measure the machine");
    let wrong = attn(&["run", "--resume", run.to_str().unwrap(), "-b", "naive"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "a resumed run has its arguments already");

    let other = String::from_utf8(after).unwrap().replacen("\"code\":\"", "\"code\":\"0", 1);
    fs::write(&file, &other).unwrap();
    let refused = attn(&["run", "--resume", run.to_str().unwrap()]).output().unwrap();
    let message = stderr(&refused);
    assert_eq!((refused.status.code(), fs::read_to_string(&file).unwrap()), (Some(3), other));
    let message = message.lines().last().unwrap();
    assert!(
        message.starts_with("attn: the run was made by attn ")
            && message.contains(", and this is attn ")
    );
}

/// A run of twelve cells below `root`, none of whose files may grow beyond so many blocks of 512 bytes, as on a full disk.
#[cfg(unix)]
fn cramped(root: &Path, blocks: usize) -> (Output, PathBuf) {
    let (cases, out) = (cases(root), root.join(blocks.to_string()));
    // With the signal ignored, what exceeds the limit is an error of the write.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let args = ["run", "-b", "naive,ndarray", "--suite", &cases, "--out", out.to_str().unwrap()];
    let output = Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_attn")])
        .args(args)
        .output()
        .unwrap();
    (output, run_in(&out))
}

#[test]
#[cfg(unix)]
fn what_a_full_disk_ended_is_tried_again() {
    for blocks in [4, 12, 40, 120] {
        let root = tempfile::tempdir().unwrap();
        let (output, run) = cramped(root.path(), blocks);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{blocks}: {said}");
        let hint = format!("run --resume {}", run.display());
        assert!(said.contains(&hint) && said.contains("File too large"), "{blocks}: {said}");
        assert!(!said.contains("panicked") && !run.join("inputs").exists(), "{blocks}: {said}");
        let before = fs::read_to_string(run.join("records.jsonl")).unwrap();
        let whole = before.rfind('\n').map_or(0, |at| at + 1);
        for outcome in ["error", "timeout"] {
            assert!(!before.contains(&format!("\"outcome\":\"{outcome}\"")), "{blocks}: {before}");
        }
        let output = attn(&["run", "--resume", run.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{blocks}: {}", stderr(&output));
        let records = read_records(&run).unwrap();
        assert_eq!(records.len(), 12, "{blocks}");
        assert!(records.iter().all(|record| record.outcome == Outcome::Ok), "{blocks}");
        let after = fs::read_to_string(run.join("records.jsonl")).unwrap();
        assert!(after.starts_with(&before[..whole]), "what was finished stays: {blocks}");
        assert!(!run.join("partial.jsonl").exists(), "{blocks}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_leaves_no_worker_behind() {
    let root = tempfile::tempdir().unwrap();
    let args = ["measure", "-b", "fault/hang", "-c", "tiny/full/n=8", "--timeout", "600"];
    let mut killed = attn(&args).args(["--suite", &cases(root.path())]).spawn().unwrap();
    let until = |happened: &dyn Fn() -> bool, what: &str| {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !happened() {
            assert!(Instant::now() < give_up, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let harness = killed.id();
    until(&|| !asleep(harness).is_empty(), "a worker hangs");
    let workers = asleep(harness);
    killed.kill().unwrap();
    killed.wait().unwrap();
    until(
        &|| workers.iter().all(|pid| state(pid).is_none_or(|(state, _)| state == 'Z')),
        "they ended",
    );
}

/// The workers of `harness` that are asleep: one that has only just been started is not.
#[cfg(target_os = "linux")]
fn asleep(harness: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| state(pid).is_some_and(|found| found == ('S', harness))).collect()
}

/// The state of a process and its parent; `None` once it is gone.
#[cfg(target_os = "linux")]
fn state(pid: &str) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
    Some((after_name.next()?.parse().ok()?, after_name.next()?.parse().ok()?))
}

#[test]
fn shards_merge_into_the_whole_suite() {
    let root = tempfile::tempdir().unwrap();
    let cases = cases(root.path());
    let mut runs = Vec::new();
    for shard in ["1/2", "2/2"] {
        let out = root.path().join(shard.replace('/', "-"));
        let args = ["run", "-b", "naive", "--suite", &cases, "--shard", shard];
        let output = attn(&args).args(["--out", out.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        runs.push(run_in(&out).to_str().unwrap().to_string());
    }
    let out = root.path().join("merged");
    let merge = |parts: &[&str]| {
        attn(&["merge", "--out", out.to_str().unwrap()]).args(parts).output().unwrap()
    };
    let output = merge(&[&runs[0], &runs[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let merged = run_in(&out);
    assert_eq!(probes(&merged), 4, "those of both parts");
    let records = read_records(&merged).unwrap();
    let cases: Vec<_> = records.iter().map(|record| record.case.as_str()).collect();
    let expected =
        ["causal/n=8", "causal/n=16", "causal/n=24", "full/n=8", "full/n=16", "full/n=24"];
    assert_eq!(cases, expected.map(|case| format!("tiny/{case}")));

    let resumed = attn(&["run", "--resume", merged.to_str().unwrap()]).output().unwrap();
    assert_eq!(resumed.status.code(), Some(3));
    assert!(stderr(&resumed).contains("not a run of its own"), "{}", stderr(&resumed));

    let twice = merge(&[&runs[0], &runs[0]]);
    assert_eq!(twice.status.code(), Some(3));
    assert!(stderr(&twice).contains("a merged run has each cell once per machine and build"));
    assert_eq!(attn(&["run", "--shard", "3/2"]).output().unwrap().status.code(), Some(2));
}

/// The run of one shard of the tiny sweeps, in a folder of its own below `root`.
fn shard_run(root: &Path, shard: &str) -> PathBuf {
    shard_of(root, "naive", shard)
}

fn shard_of(root: &Path, backend: &str, shard: &str) -> PathBuf {
    let out = root.join(format!("{backend}-{}", shard.replace('/', "-of-")));
    let cases = cases(root);
    let args = ["run", "-b", backend, "--suite", &cases, "--shard", shard, "--out"];
    let output = attn(&args).arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    run_in(&out)
}

#[test]
fn shards_that_are_missing_or_died_are_named() {
    let root = tempfile::tempdir().unwrap();
    let [first, second, third] = ["1/4", "2/4", "3/4"].map(|shard| shard_run(root.path(), shard));
    let merge = |name: &str, parts: &[&Path]| {
        let out = root.path().join(name);
        let output = attn(&["merge", "--out"]).arg(&out).args(parts).output().unwrap();
        (output.status.code(), stderr(&output), run_in(&out))
    };
    let (code, said, merged) = merge("without-two", &[&third, &first]);
    assert_eq!(code, Some(3), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, shard) in lines.iter().zip(["2/4", "4/4"]) {
        assert!(line.starts_with(&format!("attn: shard {shard} is missing: ")), "{said}");
        assert!(line.contains(&format!("run --shard {shard} ")), "{said}");
    }
    let ranked = attn(&["rank", merged.to_str().unwrap()]).output().unwrap();
    assert!(stderr(&ranked).contains(UNFINISHED), "{}", stderr(&ranked));

    // As a process leaves it that is killed.
    fs::write(second.join("partial.jsonl"), "").unwrap();
    let fourth = shard_run(root.path(), "4/4");
    let all: [&Path; 4] = [&first, &second, &third, &fourth];
    let (code, said, _) = merge("with-one-that-died", &all);
    let resume =
        format!("go on with {} run --resume {}", env!("CARGO_BIN_EXE_attn"), second.display());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(UNFINISHED) && said.contains(&resume), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    let resumed = attn(&["run", "--resume", second.to_str().unwrap()]).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    let (code, said, merged) = merge("whole", &all);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let cells = cells(&read_records(&merged).unwrap());
    assert_eq!((cells.len(), cells.iter().collect::<BTreeSet<_>>().len()), (6, 6));
    let (code, said, _) = merge("of-a-merged-run", &[&merged]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "what it consists of is not asked");
}

#[test]
fn shards_that_measured_something_else_are_named() {
    let root = tempfile::tempdir().unwrap();
    let [first, second] =
        [("naive", "1/2"), ("faer", "2/2")].map(|(name, shard)| shard_of(root.path(), name, shard));
    let mut merge = attn(&["merge", "--out"]);
    let output = merge.arg(root.path().join("merged")).args([&first, &second]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.starts_with(&format!("attn: {} is of `", second.display())), "{said}");
    assert!(said.contains("run -b faer ") && said.contains("run -b naive "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn machines_and_builds_that_merge_stay_apart() {
    let root = tempfile::tempdir().unwrap();
    let cases = cases(root.path());
    let out = root.path().join("here");
    let args = ["run", "-b", "naive", "--suite", &cases, "--out", out.to_str().unwrap()];
    assert_eq!(attn(&args).output().unwrap().status.code(), Some(0));
    let here = run_in(&out);
    let first = read_records(&here).unwrap().remove(0);
    let cpu = format!("\"{}\"", first.machine.cpu);
    let code = first.build.code.expect("this program can be read");
    // The same run as another machine would have made it, and another build.
    let made = [("there", cpu, "\"Another CPU\""), ("then", code, "a0b1c2d3e4")].map(
        |(name, old, new)| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            for name in ["run.json", "records.jsonl", "limits.json"] {
                let text = fs::read_to_string(here.join(name)).unwrap();
                fs::write(folder.join(name), text.replace(&old, new)).unwrap();
            }
            folder
        },
    );
    let out = root.path().join("merged");
    let parts = [here.to_str().unwrap(), made[0].to_str().unwrap(), made[1].to_str().unwrap()];
    let output = attn(&["merge", "--out", out.to_str().unwrap()]).args(parts).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let merged = run_in(&out);
    assert_eq!(read_records(&merged).unwrap().len(), 18);
    let page = fs::read_to_string(merged.join("index.html")).unwrap();
    assert!(page.contains("18 records from 3 machines or builds."), "one page for all");
    let head = "<h2 id=\"machine-2\" class=\"place\">Another CPU";
    assert!(page.contains(head), "a part of its own for each");
    assert!(page.contains("code a0b1c2d3)</h2>"), "whose title tells builds apart");
    let said = |args: &[&str]| {
        let output = attn(args).stdout(Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let ranking = said(&["rank", merged.to_str().unwrap(), "--json"]);
    let ranking: serde_json::Value = serde_json::from_str(&ranking).unwrap();
    assert_eq!(ranking["rankings"].as_array().unwrap().len(), 3, "{ranking}");
    let diff = said(&["diff", parts[0], parts[2]]);
    let one_line = diff.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        one_line.contains("The builds differ.") && one_line.contains("code a0b1c2d3"),
        "{diff}"
    );
}
