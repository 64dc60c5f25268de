//! `ATTACKS.md` beside the tests that it names.

use super::{metadata, read, sources};

#[test]
fn every_attack_names_tests_that_are_there() {
    let metadata = metadata();
    let document = read(metadata.workspace_root.join("crates/docs/ATTACKS.md"));
    let all: String = sources(&metadata, "").into_iter().map(|(_, path)| read(path)).collect();
    let rows =
        document.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"));
    let mut named = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            assert!(all.contains(&format!("fn {test}(")), "{test} is in no file");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
