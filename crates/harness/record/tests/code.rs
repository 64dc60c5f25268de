//! Programs that the compiler makes: which of them are the same?

use std::path::Path;
use std::process::Command;

use attn_record::code;

/// Two functions behind a table, a static, a constant and some places where it may panic.
const SOURCE: &str = r#"
use std::sync::atomic::{AtomicU32, Ordering};
static SLOW: AtomicU32 = AtomicU32::new(1);
const NAMES: [&str; 2] = ["first", "second"];
fn add(x: u32) -> u32 { x.checked_add(1).expect("small") }
fn double(x: u32) -> u32 { x.checked_mul(2).expect("small") }
static TABLE: [fn(u32) -> u32; 2] = [add, double];
fn main() {
    let given: Vec<u32> = std::env::args().map(|text| text.len() as u32).collect();
    let at = given.len() % 2;
    println!("{} {}", NAMES[at], TABLE[at](given[at]) + SLOW.load(Ordering::Relaxed));
}
"#;

/// The identity of `source`, compiled in `folder`.
fn compiled(folder: &Path, source: &str) -> String {
    let (file, program) = (folder.join("main.rs"), folder.join("program"));
    std::fs::write(&file, source).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition=2024", "-Copt-level=2", "-Cdebuginfo=line-tables-only", "-o"]);
    let output = command.arg(&program).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    code(&program).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_comment_moves_is_the_same_and_what_runs_otherwise_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let of = |from: &str, to: &str| {
        assert!(SOURCE.contains(from), "{from}");
        compiled(folder.path(), &SOURCE.replace(from, to))
    };
    let one = of("", "");
    assert_eq!(one, of("fn main", "// A line more,\n// and another.\nfn main"), "a comment");
    for (from, to) in [
        ("new(1)", "new(31)"),
        ("[add, double]", "[double, add]"),
        ("\"second\"", "\"zweite\""),
        ("x.checked_add(1)", "x.checked_add(2)"),
    ] {
        assert_ne!(one, of(from, to), "{from} -> {to}");
    }
}
