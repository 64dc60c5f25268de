//! Every reader of what others write, as a function over bytes.
//!
//! Each says whether it read the bytes as what they should be. What it reads is looked at as commands do, and written again where
//! there is a writer: it must read back as the same. Whatever else a reader does but refuse, the function panics.

mod cases;
mod gate;
mod run;
mod worker;

use std::fs;
use std::path::Path;

use attn_bench::attn_case::AttnCase;
use attn_bench::criterion::Saved;
use attn_gate::config::{Config, What};
use tempfile::TempDir;

pub use cases::case_file;
pub use gate::gate_folder;
pub use run::run_folder;
pub use worker::{worker_answer, worker_request};

/// A reader, and the name of its target and of the folder of its seeds.
#[derive(Clone, Copy)]
pub struct Reader {
    /// As in `fuzz/corpus`.
    pub name: &'static str,
    /// Whether the bytes are what they should be.
    pub read: fn(&[u8]) -> bool,
}

/// All of them.
pub const READERS: [Reader; 8] = [
    Reader { name: "attn_case", read: attn_case },
    Reader { name: "case_file", read: case_file },
    Reader { name: "run_folder", read: run_folder },
    Reader { name: "gate_toml", read: gate_toml },
    Reader { name: "gate_folder", read: gate_folder },
    Reader { name: "criterion", read: criterion },
    Reader { name: "worker_answer", read: worker_answer },
    Reader { name: "worker_request", read: worker_request },
];

/// An attn-case file.
pub fn attn_case(bytes: &[u8]) -> bool {
    let Ok(case) = AttnCase::parse(bytes) else { return false };
    let written = case.to_bytes();
    let again = AttnCase::parse(&written).expect("what is written is read");
    // Elements may be NaN, which is not equal to itself.
    assert!(again.to_bytes() == written, "the file reads back as another one");
    assert_eq!((&again.problem, &again.tokens), (&case.problem, &case.tokens));
    assert_eq!(again.inputs.digest(), case.inputs.digest());
    assert!(!case.problem.statement().is_empty() && !case.problem.to_string().is_empty());
    true
}

/// `gate.toml`.
pub fn gate_toml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(config) = Config::parse(text, "gate.toml") else { return false };
    let (rule, choice) = (config.rule(), config.choice());
    assert!(rule.detect.is_finite() && rule.tolerate < rule.detect && choice.cases.is_some());
    let cell = cases::cell("gate/prefill");
    for what in [What::Time, What::Removed] {
        config.excuse(&cell, what, 1.0, "2026-01-31");
    }
    config.expired("2026-01-31").count();
    true
}

/// A benchmark of criterion: its `benchmark.json` up to the first line feed, the rest is its `sample.json`.
pub fn criterion(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (benchmark, sample) = (&bytes[..end], &bytes[(end + 1).min(bytes.len())..]);
    let folder = Folder::new();
    folder.write("benchmark.json", benchmark);
    folder.write("sample.json", sample);
    let Ok(Some(saved)) = Saved::read(folder.path()) else { return false };
    assert!(saved.threads > 0);
    run::is_kept(saved.process, 20);
    true
}

/// A folder for files that readers ask for by path, in memory where the system has such a place.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Folder(folder.expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).expect("a file in a temporary folder");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("a file that was written");
    }
}
