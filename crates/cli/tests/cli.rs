//! The command as a user meets it: exit codes, messages, JSON, files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::Value;

fn attn(args: &[&str]) -> Output {
    attn_in(Path::new("."), args)
}

fn attn_in(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    command.args(args).current_dir(folder).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

fn case_folder(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), toml).unwrap();
    folder
}

const TINY: &str = "analysis = 'two tiny sweeps'\naxis = 'len'\n\
    [[case]]\nname = 'full'\nshape = { len = [8, 16], dim = 8 }\n\
    [[case]]\nname = 'causal'\nshape = { len = [8, 16], dim = 8 }\ncausal = 'top-left'\n";

#[test]
fn a_reader_that_has_gone_ends_nothing() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.args(["list"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_in_one_line() {
    for args in [&["list"][..], &["list", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
        let output = command.args(args).stdout(full).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.starts_with("attn: standard output: ") && message.lines().count() == 1);
    }
}

#[test]
fn the_help_has_commands_in_groups_and_the_nearest_one_for_what_is_misspelt() {
    let help = text(&attn(&["--help"]).stdout);
    for part in
        ["\nStart:\n  run ", "\nJudge:\n  check ", "\nOptions:\n", "\nExit codes: 0 success"]
    {
        assert!(help.contains(part), "{part} in {help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100) && !help.contains("worker "));
    for (given, nearest) in [("rnu", "run"), ("chekc", "check"), ("diffs", "diff")] {
        let output = attn(&[given]);
        assert_eq!(output.status.code(), Some(2));
        let message = text(&output.stderr);
        assert!(
            message.contains(&format!("a similar subcommand exists: '{nearest}'")),
            "{message}"
        );
    }
    for args in [&["completions", "bash"][..], &["completions", "zsh"], &["man"]] {
        let output = attn(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("import-criterion"), "{args:?}");
    }
    let manual = text(&attn(&["man"]).stdout);
    assert!(manual.contains("\\fBattn import\\-criterion\\fR"), "{manual}");
    // Paragraphs are broken once, where the width ends, and not where the source breaks them.
    let help = text(&attn(&["rank", "--help"]).stdout);
    let last: Vec<&str> = help.trim_end().lines().rev().take_while(|l| !l.is_empty()).collect();
    assert_eq!(last.len(), 2, "{last:?}");
    assert!(last[1].starts_with("One timing is ranked at a time") && last[1].len() > 80);
}

#[test]
fn a_model_without_weights_says_where_they_are() {
    for args in [&["model", "--json"][..], &["map", "--text", "a cat"]] {
        let output = attn(args);
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), String::new()));
        assert!(message.contains("pip download") && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn what_a_budget_has_no_time_for_is_skipped_also_within_a_group() {
    let cases = case_folder(
        "axis = 'len'\n[[case]]\nname = 'many'\n\
         shape = { len = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], dim = 8 }\n",
    );
    let suite = cases.path().to_str().unwrap();
    let start = Instant::now();
    let run = ["run", "--budget", "1s", "--suite", suite, "--timing", "kernel", "--json"];
    let output = attn_in(cases.path(), &[&run[..], &["-b", "naive,ndarray,faer"]].concat());
    let records = json(&output)["records"].as_array().unwrap().clone();
    let over = |record: &&Value| {
        record["outcome"] == "skipped" && record["reason"] == "the budget of 1 s was over"
    };
    let skipped = records.iter().filter(over).count();
    assert_eq!(records.len(), 48);
    assert!((1..48).contains(&skipped), "{skipped} in {:?}", start.elapsed());
}

#[test]
fn a_problem_is_stated_where_it_is_asked_for() {
    let shapes = ["--shape", "N7 D5 causal", "--shape", "H4/2 N1x9 D8 bf16 window:3,*"];
    let output = attn(&[&["check", "-b", "naive,faer", "--json"][..], &shapes].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let records = json(&output)["records"].as_array().unwrap().clone();
    let of = |at: usize| (records[at]["case"].clone(), records[at]["outcome"].clone());
    assert_eq!(of(0), ("shape/B1-H1-N7-D5-f32-causal:top-left".into(), "ok".into()));
    assert_eq!(of(3), ("shape/B1-H4x2-N1x9-D8-bf16-window:3-all".into(), "ok".into()));
    for (shape, says) in [("N7", "expected at least N and D"), ("H3/2 N7 D5", "heads")] {
        let output = attn(&["check", "--shape", shape]);
        assert_eq!(output.status.code(), Some(2), "{shape}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn filters_and_budgets_of_nothing_are_usage_errors_and_too_many_threads_are_warned_of() {
    for (args, says) in [
        (&["check", "-c", ","][..], "the filter is empty"),
        (&["list", "-c", "zzzz"], "no case matches `zzzz`: `"),
        (&["run", "--budget", "0s"], "nothing can be done in no time"),
        (&["report", "--url", "example.org"], "expected an address with its scheme"),
        (&["check", "--mutants", "--csv"], "cannot be used with"),
    ] {
        let output = attn(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let more = (cores + 1).to_string();
    let many = attn(&["check", "-b", "naive", "-c", "edge/shapes/len", "-t", &more]);
    let said = format!("attn: {more} threads on {cores} core");
    assert!(text(&many.stderr).contains(&said), "{}", text(&many.stderr));
}

#[test]
fn a_misspelt_backend_is_named_with_the_nearest_ones() {
    let output = attn(&["check", "--backend", "Niave"]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.starts_with("attn: no backend matches `Niave`, nearest: `naive`"), "{message}");
    assert_eq!(message.lines().count(), 1);
    assert!(output.stdout.is_empty());
}

#[test]
fn names_of_cases_are_printable_and_not_too_long() {
    for name in ["\\u001b[2J", "a\\u0000b", &"x".repeat(1100)] {
        let folder = case_folder(&format!(
            "analysis = 'a'\n[[case]]\nname = \"{name}\"\nshape = {{ len = 8, dim = 8 }}\n"
        ));
        let output = attn(&["list", "--suite", folder.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3));
        let message = text(&output.stderr);
        assert!(
            message.contains("expected a name of printable characters, 1000 bytes"),
            "{message}"
        );
        assert!(message.trim_end().chars().all(|c| !c.is_control()) && message.len() < 400);
    }
}

#[test]
#[cfg(unix)]
fn arguments_that_are_not_unicode_end_no_command_in_a_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
    for args in [
        &["run", "-c", "sweep/seq-len/full/n=64", "-b", "naive", "--threads", "1", "--out"][..],
        &["merge", "--out"],
        &["import-criterion"],
        &["verify", "--json"],
        &["report"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
        let output = command.args(args).arg(&odd).current_dir(&folder).output().unwrap();
        let (code, message) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(code, Some(0..=3)), "{args:?}: {code:?} {message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn a_given_head_needs_a_given_base() {
    let output = attn(&["gate", "--base", "HEAD", "--head-bin", "/bin/true"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_misspelt_key_in_a_case_file_is_named_with_file_and_line() {
    let folder = case_folder("analysis = 'a'\n[[case]]\nname = 'x'\nshap = { len = 8, dim = 8 }\n");
    let output = attn(&["check", "--suite", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let message = text(&output.stderr);
    assert!(message.contains("mine.toml:4: unknown field `shap`, nearest: `shape`"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn usage_errors_and_missing_folders_have_their_own_codes() {
    assert_eq!(attn(&["check", "--nonsense"]).status.code(), Some(2));
    assert_eq!(attn(&["check", "-t", "0"]).status.code(), Some(2));
    assert_eq!(attn(&["check", "--suite", "/nonexistent"]).status.code(), Some(3));
    assert_eq!(attn(&["report", "/nonexistent"]).status.code(), Some(3));
    assert_eq!(attn(&["check", "-c", "nope"]).status.code(), Some(2));
    let help = attn(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Exit codes"));
}

#[test]
fn list_check_and_measure_print_json_on_stdout_alone() {
    let list = json(&attn(&["list", "--json"]));
    assert!(list["backends"].as_array().unwrap().iter().any(|b| b["id"] == "naive"));
    assert!(list["cases"].as_array().unwrap().len() > 50);

    let check = attn(&["check", "--json", "-c", "real/purr", "-b", "naive"]);
    assert_eq!(check.status.code(), Some(0));
    let records = json(&check)["records"].as_array().unwrap().clone();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|r| r["outcome"] == "ok" && r["model"].is_null()));

    let check = attn(&["check", "--csv", "-c", "real/purr", "-b", "naive"]);
    let csv = text(&check.stdout);
    assert!(csv.starts_with("case,backend,timing,threads,outcome,scratch,"), "{csv}");
    assert_eq!(csv.matches(",naive,,1,ok,").count(), 6, "{csv}");

    let measure = attn(&["measure", "--json", "-c", "sweep/seq-len/full/n=64", "-b", "naive"]);
    assert_eq!(measure.status.code(), Some(0));
    let disturbance = json(&measure)["summary"]["disturbance"].clone();
    assert_eq!(disturbance["samples"].is_u64(), cfg!(target_os = "linux"), "{disturbance}");
    let record = json(&measure)["records"][0].clone();
    let process = &record["volatile"]["measurement"]["processes"][0];
    let count = |of: &str| process[of].as_array().unwrap().len();
    assert!(count("samples_ns") >= 5);
    assert_eq!(count("pace_ns"), count("samples_ns") + 1, "every sample is between two paces");
    assert!(record["check"]["metrics"]["bound_share"].as_f64().unwrap() < 1.0);
    assert!(record["recheck"]["findings"].as_array().unwrap().is_empty());
}

#[test]
fn records_name_the_code_that_ran_and_the_commit_it_was_built_from() {
    let program = Path::new(env!("CARGO_BIN_EXE_attn"));
    let check = json(&attn(&["check", "--json", "-c", "real/purr", "-b", "naive"]));
    let build = check["records"][0]["build"].clone();
    let hash = attn_record::code(program).expect("this program can be read");
    assert_eq!(build["code"], hash);
    let Some(revision) = build["revision"].as_str() else {
        return; // Not built from a checkout.
    };
    // The same code, built from another commit: only the revision's bytes differ, and they do not count.
    let mut bytes = fs::read(program).unwrap();
    let places: Vec<usize> =
        (0..bytes.len()).filter(|&at| bytes[at..].starts_with(revision.as_bytes())).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + revision.len()].fill(b'0');
    }
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("attn");
    fs::write(&other, bytes).unwrap();
    assert_eq!(attn_record::code(&other), Some(hash));
}

/// The records of a run, the volatile field of each removed.
fn stable_records(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("records.jsonl")).unwrap();
    let records = text.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let volatile = record.as_object_mut().unwrap().remove("volatile").unwrap();
        assert!(volatile["wall_ns"].is_u64());
        record
    });
    records.collect()
}

#[test]
fn two_runs_differ_in_nothing_but_their_volatile_fields() {
    let (cases, home) = (case_folder(TINY), tempfile::tempdir().unwrap());
    let (cases, home) = (cases.path().to_str().unwrap(), home.path());
    let none = attn_in(home, &["cmp"]);
    assert_eq!(none.status.code(), Some(2));
    let message = text(&none.stderr);
    assert!(message.starts_with("attn: bench-results/runs: 0 finished runs, expected 1: "));
    for _ in 0..2 {
        let output = attn_in(home, &["run", "--suite", cases]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let overview = text(&output.stdout);
        let page = overview.lines().find_map(|line| line.strip_prefix("PAGE "));
        assert!(page.is_some_and(|page| home.join(page.trim()).is_file()), "{overview}");
        assert!(overview.lines().count() <= 30 && overview.contains("\nRIGHT "), "{overview}");
    }
    let out = home.join("bench-results/runs");
    let mut runs: Vec<_> = fs::read_dir(out).unwrap().map(|e| e.unwrap().path()).collect();
    runs.sort();
    let [first, second] = &runs[..] else { panic!("two runs, two folders: {runs:?}") };
    assert_eq!(stable_records(first), stable_records(second));
    let bytes = |run: &Path| serde_json::to_string(&stable_records(run)).unwrap();
    assert_eq!(bytes(first), bytes(second));
    assert!(stable_records(first).len() >= 4);

    let [first, second] = [first, second].map(|run| run.to_str().unwrap());
    for args in [&["cmp"][..], &["rank"], &["scaling"], &["report"], &["diff"], &["diff", first]] {
        let output = attn_in(home, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        let newest = Path::new(second).file_name().unwrap().to_str().unwrap();
        assert!(text(&output.stderr).contains(newest), "{args:?} says which run it reads");
    }
    assert!(text(&attn_in(home, &["cmp", "latest"]).stdout).contains("naive"));
    let quiet = attn_in(home, &["-q", "cmp"]);
    assert_eq!(quiet.status.code(), Some(0));
    assert!(!text(&quiet.stderr).contains("the latest run"), "{}", text(&quiet.stderr));
    let opened = text(&attn_in(home, &["open"]).stdout);
    assert!(home.join(opened.trim()).is_file(), "{opened}");
    let resumed = attn_in(home, &["run", "--resume", "latest"]);
    let said = text(&resumed.stdout);
    assert_eq!((resumed.status.code(), said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.contains("is finished"), "{said}");
    let report = attn(&["report", "--markdown", first]);
    assert_eq!(report.status.code(), Some(0), "{}", text(&report.stderr));
    assert!(text(&report.stdout).contains("report.md"));
    compare(first, second);
}

/// Every comparison answers about two runs of the same cells, in all its forms.
fn compare(first: &str, second: &str) {
    for args in [
        &["cmp", first][..],
        &["rank", first, second],
        &["diff", first, second],
        &["scaling", "-b", "naive,faer", first],
    ] {
        for form in ["--json", "--csv", "--markdown", "--threads=1"] {
            let output = attn(&[args, &[form]].concat());
            assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
            match form {
                "--json" => assert!(json(&output).is_object()),
                "--csv" => {
                    let csv = text(&output.stdout);
                    assert!(csv.starts_with("table,") && csv.contains("naive"), "{csv}");
                }
                _ => assert!(text(&output.stdout).contains("naive")),
            }
        }
        let refused = attn(&[args, &["--case", "nope"]].concat());
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
    }
    let diff = json(&attn(&["diff", "--json", first, first]));
    assert!(diff["notes"].as_array().unwrap().is_empty());
    assert!(diff["machines"][0]["changes"].as_array().unwrap().len() >= 4);
    assert!(diff["machines"][0]["changes"][0]["ratio"] == 1.0);
    let ranking = json(&attn(&["rank", "--json", first]))["rankings"][0].clone();
    assert_eq!(ranking["model"], "kernel");
    assert_eq!(attn(&["diff", first, "/nonexistent"]).status.code(), Some(3));
}

#[test]
fn a_selection_in_which_nothing_can_run_is_an_error() {
    let cases = case_folder(
        "analysis = 'a'\n[[case]]\nname = 'x'\ntier = 'full'\nshape = { len = 8, dim = 8 }\n",
    );
    let output = attn(&["check", "--suite", cases.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_wrong_result_is_written_as_a_file_that_repeats_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attn"));
        command.args(args).current_dir(folder.path()).output().expect("the program starts")
    };
    let case = "semantics/small/grouped-heads";
    let output = run(&["check", "-b", "mutant/scale-missing", "-c", case]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let repeat = stderr.lines().find_map(|line| line.strip_prefix("  ")?.split_once(" verify "));
    let (_, repeat) = repeat.unwrap_or_else(|| panic!("a command to repeat it: {stderr}"));
    let words: Vec<_> = ["verify"].into_iter().chain(repeat.split(' ')).collect();
    let again = run(&words);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("the worst ["), "{}", text(&again.stdout));
    let list = text(&attn(&["list"]).stdout);
    assert!(!list.contains("mutant/"), "mutants are in no list");
}

#[test]
fn a_run_with_a_wrong_result_ends_with_the_command_that_judges_it_again() {
    let home = tempfile::tempdir().unwrap();
    let case = "semantics/small/grouped-heads";
    let backends = "naive,mutant/scale-missing,mutant/scale-twice";
    let output = attn_in(home.path(), &["-q", "run", "-b", backends, "-c", case]);
    let (said, notes) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{notes}");
    assert!(said.contains("\nWRONG    2 of 3 results disagree"), "{said}");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("; 2 problems kept in bench-results/failures"), "{said}");
    assert!(said.contains(" verify -b mutant/scale-missing bench-results/failures/"), "{said}");
    assert!(!notes.contains("kept in"), "not said twice: {notes}");
    assert!(said.lines().count() + notes.lines().count() <= 30, "{said}{notes}");
}

#[test]
fn what_is_a_table_is_printed_as_values_too() {
    let onnx = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/onnx");
    for (args, head) in [
        (&["support"][..], "question,problem,backend,answer,reason\n"),
        (&["params"], "table,parameters of,count,formula\n"),
        (&["engine", "list"], "engine,backends,state,\"download, MB\",\"disk, MB\",kernel,ours\n"),
        (&["doctor", "--quick"], "table,"),
        (
            &["verify", "-b", "naive", onnx],
            "file,result of,outcome,share of the bound,reason,place,hint\n",
        ),
        (&["list"], "table,backend,what would run here\n"),
        (&["check", "-c", "semantics/small/grouped-heads"], "case,backend,timing,threads,outcome,"),
    ] {
        let output = attn(&[args, &["--csv"]].concat());
        let values = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        assert!(values.starts_with(head) && values.lines().count() > 3, "{args:?}: {values}");
        let markdown = text(&attn(&[args, &["--markdown"]].concat()).stdout);
        assert!(markdown.contains(" | ") && markdown.contains("| :-"), "{args:?}: {markdown}");
    }
}

#[test]
fn what_is_wider_than_a_terminal_goes_on_below() {
    for args in [&["support"][..], &["verify", "--shape", "H2 N7 D5 causal"]] {
        let printed = text(&attn(args).stdout);
        assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
        assert!(printed.contains("avx2") && printed.contains("additive"), "{printed}");
    }
}

/// Both sides are this very program, so that nothing has to be timed.
#[test]
fn the_gate_passes_a_program_against_itself_and_leaves_its_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_attn");
    let out = folder.path().to_str().unwrap();
    let gate = ["gate", "-b", "naive,faer", "--base-bin", program, "--head-bin", program];
    let gate = attn(&[&gate[..], &["--out", out]].concat());
    assert_eq!(gate.status.code(), Some(0), "{}", text(&gate.stderr));
    let table = text(&gate.stdout);
    assert!(table.contains("PASS") && table.contains("faer:gate/prefill"), "{table}");
    for name in ["gate.json", "gate.md", "junit.xml", "index.html", "replicates.jsonl"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let explained = attn(&["gate", "explain", "naive:gate/decode", "--from", out]);
    assert_eq!(explained.status.code(), Some(0));
    assert!(text(&explained.stdout).contains("reason code: identical"));
    assert_eq!(attn(&["gate", "explain", "nope", "--from", out]).status.code(), Some(2));
}

#[test]
fn the_gate_refuses_what_it_cannot_compare_in_one_line() {
    let one_line = |output: &Output, code: i32, part: &str| {
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        // Tests beside this one may be measuring, which is said too.
        let lines = message.lines().filter(|line| !line.contains("another attn is measuring"));
        let lines: Vec<&str> = lines.collect();
        assert!(matches!(lines[..], [line] if line.contains(part)), "{message}");
    };
    let program = env!("CARGO_BIN_EXE_attn");
    let gate = |args: &[&str]| attn(&[&["gate"], args].concat());
    one_line(
        &gate(&["--base-bin", "/nonexistent", "--head-bin", program]),
        3,
        "/nonexistent: No such file",
    );
    one_line(&gate(&["-b", "nope"]), 2, "no backend matches `nope`");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gate.toml");
    fs::write(&config, "schema = 1\nalhpa = 2\n").unwrap();
    one_line(&gate(&["--config", config.to_str().unwrap()]), 3, "gate.toml:2: unknown field");
    // A program that is no worker of the gate.
    let out = folder.path().join("out");
    let old = ["--base-bin", "/bin/false", "--head-bin", program, "--out", out.to_str().unwrap()];
    one_line(&gate(&old), 3, "expected a worker that speaks attn-worker/1");
    // Where nothing can be written is said before anything is measured.
    let no_folder = ["--base-bin", program, "--head-bin", program, "--out", "/dev/null/out"];
    one_line(&gate(&no_folder), 3, "/dev/null/out: ");
    let outside = |args: &[&str]| {
        Command::new(program).args(args).current_dir(folder.path()).output().unwrap()
    };
    fs::remove_file(&config).unwrap();
    one_line(&outside(&["gate"]), 3, "not inside a git checkout");
}

#[test]
fn doctor_measures_and_names_what_is_there_and_what_is_missing() {
    let output = attn(&["doctor", "--quick", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("attn: measuring the limits of the machine\n"));
    let found = json(&output);
    let peaks = found["limits"]["fma"].as_array().unwrap();
    let rates = peaks.iter().map(|peak| peak["gflops"]["best"].as_f64().unwrap());
    assert!(rates.min_by(f64::total_cmp).unwrap() > 0.0);
    assert!(found["smallest_differences"][0]["share"].as_f64().unwrap() >= 0.0);
    let backends = found["backends"].as_array().unwrap();
    assert!(backends.len() > 3);
    for backend in backends {
        let (info, missing) = (&backend["receipt"], &backend["unavailable"]);
        assert!(info.is_null() != missing.is_null(), "{backend}: there or missing, with a reason");
    }
    assert!(found["warnings"].is_array());
}

#[test]
#[cfg(target_os = "linux")]
fn records_say_on_which_processors_the_threads_stayed() {
    let cases = case_folder(TINY);
    let output = attn(&[
        "measure",
        "--backend=faer",
        "--case=mine/full/n=8",
        "--threads=1,2",
        "--timing=kernel",
        "--json",
        "--suite",
        cases.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let cpus = attn_sys::affinity::allowed();
    let last = &cpus[cpus.len().saturating_sub(2)..];
    for record in json(&output)["records"].as_array().unwrap() {
        for process in record["volatile"]["measurement"]["processes"].as_array().unwrap() {
            let alone = record["threads"] == 1;
            assert_eq!(
                process["cpu"].as_u64(),
                last.last().copied().map(u64::from).filter(|_| alone)
            );
            let spread = if alone { Value::Null } else { last.into() };
            assert_eq!(process["spread"], spread);
        }
    }
}

#[test]
fn kernels_that_cheat_the_clock_have_no_time() {
    let cheats =
        "fault/memo-per-load,fault/work-in-store,fault/reads-scratch,fault/forged-reply-fd";
    let case = "sweep/seq-len/full/n=64";
    let output = attn(&["measure", "-b", cheats, "-c", case, "--timing=kernel", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let report = json(&output);
    let records = report["records"].as_array().unwrap();
    let outcomes = records.iter().map(|record| record["outcome"].as_str().unwrap());
    let outcomes: Vec<&str> = outcomes.collect();
    assert_eq!(outcomes, ["implausible", "implausible", "implausible", "error"]);
    // What cheats is as hidden as what fails.
    assert!(!text(&attn(&["list"]).stdout).contains("fault/"));
}

#[test]
fn wrong_kernels_in_files_are_refused_or_named() {
    let output = attn(&["check", "--limits", "--up-to", "64", "--dtype", "f32", "--json"]);
    let limits = json(&output);
    let count = |key: &str| limits["limits"][0][key].as_u64().unwrap();
    let survivors = limits["survivors"].as_array().unwrap();
    assert_eq!(count("visible") - count("visible_refused"), survivors.len() as u64);
    assert_eq!(limits["false_positives"], serde_json::json!([]), "honest results are accepted");
    assert_eq!(output.status.code(), Some(i32::from(!survivors.is_empty())));
    // Everything else shows on some statement.
    let unseen = limits["unseen"].as_array().unwrap().iter();
    let unseen: Vec<_> = unseen.map(|unseen| unseen["mutant"].as_str().unwrap()).collect();
    assert_eq!(
        unseen,
        ["mutant/f64-in-f32", "mutant/accumulator-in-storage", "mutant/one-past-the-end"]
    );

    let text = text(&attn(&["check", "--limits", "--up-to", "64", "--dtype", "f32"]).stdout);
    assert_eq!(text.matches("\n- ACCEPTED: mutant/").count(), survivors.len(), "{text}");
    assert!(text.contains("\nRefused "), "{text}");
    assert_eq!(attn(&["check", "--up-to", "64"]).status.code(), Some(2));
    assert_eq!(attn(&["check", "--limits", "--up-to", "63"]).status.code(), Some(2));
}

#[test]
fn a_soak_counts_how_many_wrong_files_are_refused() {
    let output = attn(&["soak", "--claims", "--mutants", "--cases", "3", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output);
    assert!(report["by_mutant"].as_array().unwrap().len() > 100);
    let all = &report["mutants"];
    assert!(
        all["visible"].as_u64().unwrap() > 50 && all["share"].as_f64().unwrap() > 0.95,
        "{all}"
    );
    assert_eq!(attn(&["soak", "--mutants"]).status.code(), Some(2));
}

#[test]
fn a_duel_answers_for_every_case_and_names_what_is_wrong() {
    let duel = |first: &str, second: &str, more: &[&str]| {
        attn(&[&["duel", first, second, "--precision", "100"], more].concat())
    };
    let shapes = ["--shape", "H1 N16 D8 f32", "--shape", "H2 N8 D4 f32 causal:top-left", "--json"];
    let output = duel("naive", "ndarray", &shapes);
    assert!([Some(0), Some(4)].contains(&output.status.code()), "{}", text(&output.stderr));
    let report = json(&output);
    assert_eq!((&report["first"], &report["second"]), (&"naive".into(), &"ndarray".into()));
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let [low, high] = [0, 1].map(|end| case["interval"][end].as_f64().unwrap());
        let ratio = case["ratio"].as_f64().unwrap();
        assert!(0.0 < low && low <= ratio && ratio <= high, "{case}");
        assert!(case["replicates"].as_u64().unwrap() >= 5 && case["verdict"].is_string());
    }
    let output = duel("naive", "fault/error", &shapes[..2]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("fault/error: "), "{}", text(&output.stdout));
    for (first, second, said) in [
        ("naive", "flash/*", "expected one backend"),
        ("naive", "no-such", "no backend matches"),
        ("naive", "additive", "both backends support none of the cases"),
    ] {
        let output = duel(first, second, &shapes[..2]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.lines().any(|line| line.contains(said)), "{message}");
    }
}
