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
        if action.starts_with("./") {
            return true;
        }
        let digest = action.split_once('@').is_some_and(|(_, digest)| is_digest(digest, 40));
        digest && action.contains(" # v")
    };
    uses.filter(|action| !fixed(action)).collect()
}

/// Every file below `.github` that GitHub runs.
fn workflows() -> Vec<(String, String)> {
    let root = metadata().workspace_root.join(".github");
    let below = |folder: &str| fs::read_dir(root.join(folder)).expect("it is there").flatten();
    let actions = below("actions").map(|entry| entry.path().join("action.yml"));
    let files = below("workflows").map(|entry| entry.path()).chain(actions);
    files.map(|path| (path.display().to_string(), read(path))).collect()
}

#[test]
fn workflows_use_actions_by_commit() {
    let mut actions = 0;
    for (path, workflow) in workflows() {
        actions += workflow.matches("uses: ").count();
        assert_eq!(movable(&workflow), [""; 0], "{path}");
    }
    assert!(actions > 0, "actions were found");
    let commit = "0057852bfaa89a56745cba8c7296529d2fc39830";
    assert!(movable(&format!("- uses: a/b@{commit} # v4.3.0")).is_empty());
    assert!(movable("- uses: ./.github/actions/gate").is_empty(), "of this commit");
    for action in ["a/b@v4".into(), format!("a/b@{commit}"), format!("a/b@{} # v4", &commit[1..])] {
        assert_eq!(movable(&format!("  - uses: {action}\n")), [action]);
    }
}

/// A job that may write neither checks out nor builds what others have written.
#[test]
fn jobs_that_may_write_run_nothing_of_others() {
    let mut writing = 0;
    for (path, workflow) in workflows() {
        let Some((head, jobs)) = workflow.split_once("\njobs:\n") else {
            continue;
        };
        assert!(head.contains("\npermissions: {}\n"), "{path}: no job has what it does not name");
        assert_eq!(
            jobs.matches("actions/checkout@").count(),
            jobs.matches("persist-credentials: false").count(),
            "{path}"
        );
        // A job begins with a name in its first column.
        let starts = |line: &str| {
            line.starts_with("  ") && line.chars().nth(2).is_some_and(char::is_alphabetic)
        };
        let mut job = String::new();
        for line in jobs.lines().chain(["  end:"]) {
            if starts(line) {
                let writes = job.contains(": write");
                writing += usize::from(writes);
                for word in ["checkout@", "cargo", "cache@", "uses: ./"] {
                    assert!(!writes || !job.contains(word), "{path}: {word} in {job}");
                }
                job.clear();
            }
            job.push_str(line);
            job.push('\n');
        }
    }
    assert_eq!(writing, 2, "the comment and the release");
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
