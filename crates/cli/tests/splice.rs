//! `attn splice` as a user meets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn splice(args: &[&str], file: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_attn");
    Command::new(program).arg("splice").args(args).arg(file).output().expect("the program starts")
}

fn document(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.md");
    fs::write(&file, content).unwrap();
    (folder, file)
}

const PAGE: &str = "before\n<!-- attn list --json -->\nold\n<!-- end -->\nafter\n";

#[test]
fn a_stale_block_is_found_then_renewed_then_up_to_date() {
    let (_folder, file) = document(PAGE);
    let check = splice(&["--check"], &file);
    assert_eq!(check.status.code(), Some(1));
    let message = String::from_utf8(check.stdout).unwrap();
    assert!(message.contains("page.md:2: stale: attn list --json\nRenew"));
    assert_eq!(fs::read_to_string(&file).unwrap(), PAGE, "--check changes nothing");

    assert_eq!(splice(&[], &file).status.code(), Some(0));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("before\n<!-- attn list --json -->\n\n{"), "{text}");
    assert!(text.ends_with("}\n\n<!-- end -->\nafter\n") && text.contains("\"naive\""), "{text}");
    assert_eq!(splice(&["--check"], &file).status.code(), Some(0));
}

#[test]
fn what_cannot_be_spliced_is_one_line_and_loses_nothing() {
    for (content, expected) in [
        ("<!-- attn list -->\n", "page.md:1: expected `<!-- end -->` after this command"),
        (
            "\n<!-- attn run -->\n<!-- end -->\n",
            "page.md:2: `attn run`: does more than read; expected cmp, diff, list",
        ),
        (
            "<!-- attn nothing -->\n<!-- end -->\n",
            "page.md:1: `attn nothing`: unrecognized subcommand 'nothing'; expected cmp",
        ),
        (
            "<!-- attn rank -->\n<!-- end -->\n",
            "page.md:1: `attn rank` failed: attn: bench-results/runs: 0 finished runs, expected 1: ",
        ),
        (
            "<!-- attn rank --help -->\n<!-- end -->\n",
            "`attn rank --help`: only explains itself; expected",
        ),
        ("<!-- attn rank /nowhere -->\n<!-- end -->\n", "page.md:1: `attn rank /nowhere` failed: "),
    ] {
        let (_folder, file) = document(content);
        let output = splice(&[], &file);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.contains(expected) && message.lines().count() == 1, "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

/// Files below `folder`, with what they hold.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// A folder that `attn report` and `attn gate calibrate` accept.
fn results() -> tempfile::TempDir {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-results");
    let folder = tempfile::tempdir().unwrap();
    for name in ["reference/run.json", "reference/records.jsonl", "calibration/calibration.jsonl"] {
        let name = Path::new(name);
        let to = folder.path().join(name.file_name().unwrap());
        fs::copy(Path::new(reference).join(name), to).unwrap();
    }
    folder
}

#[test]
fn commands_that_write_are_refused_and_nothing_is_run() {
    let results = results();
    let before = files(results.path());
    let folder = results.path().display();
    for command in [
        format!("report {folder}"),
        format!("gate calibrate --budget 0s --out {folder}"),
        format!("gate calibrate --budget=0s --out={folder}"),
        format!("merge {folder} --out {folder}"),
        format!("soak --cases 1 --out {folder}"),
    ] {
        // The command before it would fail, if it were run.
        let content = format!(
            "<!-- attn rank /nowhere -->\n<!-- end -->\n<!-- attn {command} -->\n<!-- end -->\n"
        );
        let (_folder, file) = document(&content);
        for mode in [&["--check"][..], &[]] {
            let output = splice(mode, &file);
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{message}");
            let expected =
                format!("page.md:3: `attn {command}`: does more than read; expected cmp, ");
            assert!(message.contains(&expected) && message.lines().count() == 1, "{message}");
            assert!(message.contains("nothing was run"), "{message}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
        assert_eq!(files(results.path()), before, "{command}");
    }
    // What it prints can be had without writing.
    let content = format!("<!-- attn gate calibrate --from {folder} -->\n<!-- end -->\n");
    let (_folder, file) = document(&content);
    assert_eq!(splice(&[], &file).status.code(), Some(0));
    assert!(fs::read_to_string(&file).unwrap().contains("| planted | replicates |"));
    assert_eq!(files(results.path()), before);
}

#[test]
fn nothing_is_run_for_any_document_if_one_has_a_command_that_writes() {
    let (folder, good) = document(PAGE);
    let bad = folder.path().join("bad.md");
    fs::write(&bad, "<!-- attn run -->\n<!-- end -->\n").unwrap();
    let output = splice(&[good.to_str().unwrap()], &bad);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(fs::read_to_string(&good).unwrap(), PAGE, "the other document is left as it was");
}
