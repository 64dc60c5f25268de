//! What is fetched and run from elsewhere is named by its digest, so that nobody can put something else in its place.

use std::fs;

use super::{metadata, read};

/// Whether `text` begins with `digits` lower-case hexadecimal digits and then a blank or nothing.
fn is_digest(text: &str, digits: usize) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.len() == digits && word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// The lines of a workflow that use an action by a name that may move, or do not say its version.
fn movable(workflow: &str) -> Vec<&str> {
    let uses = workflow.lines().filter_map(|line| Some(line.split_once("uses: ")?.1.trim()));
    let fixed = |action: &str| {
        let digest = action.split_once('@').is_some_and(|(_, digest)| is_digest(digest, 40));
        digest && action.contains(" # v")
    };
    uses.filter(|action| !fixed(action)).collect()
}

#[test]
fn workflows_use_actions_by_commit() {
    let folder = metadata().workspace_root.join(".github/workflows");
    let mut actions = 0;
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let workflow = read(entry.path());
        actions += workflow.matches("uses: ").count();
        assert_eq!(movable(&workflow), [""; 0], "{}", entry.path().display());
    }
    assert!(actions > 0, "actions were found");
    let commit = "0057852bfaa89a56745cba8c7296529d2fc39830";
    assert!(movable(&format!("- uses: a/b@{commit} # v4.3.0")).is_empty());
    for action in ["a/b@v4".into(), format!("a/b@{commit}"), format!("a/b@{} # v4", &commit[1..])] {
        assert_eq!(movable(&format!("  - uses: {action}\n")), [action]);
    }
}

/// A job that may write neither checks out nor builds what others have written.
#[test]
fn jobs_that_may_write_run_nothing_of_a_pull_request() {
    let workflow = read(metadata().workspace_root.join(".github/workflows/gate.yml"));
    let (head, jobs) = workflow.split_once("\njobs:\n").expect("it has jobs");
    assert!(head.contains("\npermissions: {}\n"), "no job has what it does not name");
    assert_eq!(
        jobs.matches("actions/checkout@").count(),
        jobs.matches("persist-credentials: false").count()
    );
    // A name in the first column of jobs.
    let starts = |line: &&str| {
        line.starts_with("  ") && line.chars().nth(2).is_some_and(char::is_alphabetic)
    };
    assert_eq!(jobs.lines().filter(starts).count(), 2);
    let (runs, writes) = jobs.split_once("\n  comment:\n").expect("the job that writes");
    assert!(runs.contains("cargo run") && !runs.contains(": write"), "{runs}");
    assert!(writes.contains(": write"), "{writes}");
    for word in ["checkout@", "cargo", "cache@"] {
        assert!(!writes.contains(word), "{word}");
    }
}

#[test]
fn packages_of_the_cuda_toolkit_have_versions_and_digests() {
    let list = read(metadata().workspace_root.join("scripts/cuda-toolkit.txt"));
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let (mut packages, mut digests) = (0, 0);
    for line in lines {
        let line = line.trim_end_matches('\\').trim();
        if let Some(digest) = line.strip_prefix("--hash=sha256:") {
            digests += 1;
            assert!(is_digest(digest, 64), "{line}");
        } else {
            assert!(packages == 0 || digests > 0, "no digest before {line}");
            (packages, digests) = (packages + 1, 0);
            let version = line.split_once("==").expect("name==version").1;
            assert!(version.chars().all(|c| c.is_ascii_digit() || c == '.'), "{line}");
        }
    }
    assert!(packages > 0 && digests > 0);
    let script = read(metadata().workspace_root.join("scripts/cuda-toolkit"));
    assert!(script.contains("--only-binary :all: --require-hashes"));
    assert_eq!(script.matches("pip\" install").count(), 1);
}
