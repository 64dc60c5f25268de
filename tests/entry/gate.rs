//! The folder of a gate.

use attn_gate::output::explain;
use attn_gate::result::{self, Gate};

use super::Folder;

/// A file of the folder of a gate: taken as `gate.json` and as `replicates.jsonl`.
pub fn gate_folder(bytes: &[u8]) -> bool {
    const GATE: &[u8] = include_bytes!("../fuzz/corpus/gate_folder/gate.json");
    const REPLICATES: &[u8] = include_bytes!("../fuzz/corpus/gate_folder/replicates.jsonl");
    let as_gate = explained(bytes, REPLICATES);
    explained(GATE, bytes) || as_gate
}

/// Explains every case; false if a file is refused, or empty.
fn explained(gate: &[u8], replicates: &[u8]) -> bool {
    let folder = Folder::new();
    folder.write("gate.json", gate);
    folder.write("replicates.jsonl", replicates);
    let Ok(gate) = result::read(folder.path()) else { return false };
    let Ok(taken) = result::read_replicates(folder.path()) else { return false };
    for case in &gate.cases {
        assert!(!explain(&gate, case, &taken, true).is_empty());
    }
    Gate::exit_of(&gate.cases);
    gate.summary();
    let text = serde_json::to_string_pretty(&gate).expect("a gate is JSON");
    folder.write("gate.json", text.as_bytes());
    assert_eq!(result::read(folder.path()).expect("what is written is read"), gate);
    let line = |taken| serde_json::to_string(taken).expect("a replicate is JSON") + "\n";
    let lines: String = taken.iter().map(line).collect();
    folder.write("replicates.jsonl", lines.as_bytes());
    assert_eq!(result::read_replicates(folder.path()).expect("what is written is read"), taken);
    !taken.is_empty()
}
