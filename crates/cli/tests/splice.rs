//! `attn splice` as a user meets it.

use std::fs;
use std::process::{Command, Output};

fn splice(args: &[&str], file: &std::path::Path) -> Output {
    let program = env!("CARGO_BIN_EXE_attn");
    Command::new(program).arg("splice").args(args).arg(file).output().expect("the program starts")
}

fn document(content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
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
            "page.md:2: `attn run`: expected one of check --intervals, cmp",
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
