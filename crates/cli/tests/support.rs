//! `attn support` says what the committed table says: nobody begins to refuse a part of the semantics unnoticed.

use std::fs;
use std::path::Path;
use std::process::Command;

use attn_cli::registry;

/// A table with its footnotes in place: a backend's answer is `yes` or the reason why not.
#[derive(Debug, PartialEq)]
struct Table {
    backends: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    fn parse(markdown: &str) -> Self {
        let text = markdown.replace('\\', "");
        let reasons: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
        let answer = |cell: &str| match cell.strip_prefix("no ") {
            None => cell.to_string(),
            Some(number) => {
                let found = reasons.iter().find_map(|reason| reason.strip_prefix(number));
                found.unwrap_or_else(|| panic!("no reason {number}")).trim().to_string()
            }
        };
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let rows = rows.map(|row| row.split(" | ").map(|cell| cell.trim().to_string()));
        let mut rows = rows.map(|mut cells| (cells.next().expect("a question"), cells.collect()));
        let (_, backends): (String, Vec<String>) = rows.next().expect("a head");
        let rows = rows.skip(1).map(|(question, cells): (String, Vec<String>)| {
            assert_eq!(cells.len(), backends.len(), "{question}");
            (question, cells.iter().map(|cell| answer(cell)).collect())
        });
        Table { rows: rows.collect(), backends }
    }

    /// Every place in which `self` says something else than `printed`, backends left out that do not run here.
    fn differences(&self, printed: &Table) -> Vec<String> {
        assert_eq!(self.backends, printed.backends);
        let mut differences = Vec::new();
        let questions = |table: &Table| -> Vec<String> {
            table.rows.iter().map(|(question, _)| question.clone()).collect()
        };
        assert_eq!(questions(self), questions(printed));
        for ((question, ours), (_, printed)) in self.rows.iter().zip(&printed.rows) {
            for ((backend, ours), printed) in self.backends.iter().zip(ours).zip(printed) {
                if ours != printed && runs_here(backend) {
                    differences.push(format!("{question}: {backend}: {printed}, not {ours}"));
                }
            }
        }
        differences
    }
}

/// The last part of a backend's path names its column. What depends on a device or on instructions may be missing.
fn runs_here(column: &str) -> bool {
    match column {
        "cuda" => false,
        "avx2" | "avx512" | "avx512bf16" | "amx" => {
            let id = format!("flash/{column}");
            let mut entries = registry::entries().into_iter();
            let entry = entries.find(|entry| entry.backend.id().as_str() == id);
            entry.expect("a variant of flash").backend.probe().is_ok()
        }
        _ => true,
    }
}

fn committed() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("bench-results/tables/support.md")).unwrap();
    let table =
        text.strip_prefix("`attn support --markdown`\n\n").expect("the command that made it");
    table.to_string()
}

fn printed() -> Table {
    let output =
        Command::new(env!("CARGO_BIN_EXE_attn")).args(["support", "--markdown"]).output().unwrap();
    assert!(output.status.success());
    Table::parse(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_committed_table_is_what_the_command_prints() {
    let table = Table::parse(&committed());
    assert!(table.rows.len() > 30 && table.backends.len() > 10, "{table:?}");
    let differences = table.differences(&printed());
    assert!(differences.is_empty(), "{}\nscripts/make-tables renews it", differences.join("\n"));
}

#[test]
fn one_answer_or_one_reason_that_changed_is_found() {
    let table = Table::parse(&committed());
    assert_eq!(table.differences(&table), [""; 0]);
    let with = |from: &str, to: &str| {
        let changed = committed().replacen(from, to, 1);
        assert_ne!(changed, committed());
        Table::parse(&changed).differences(&table)
    };
    let line = committed().lines().find(|line| line.starts_with("| sinks ")).unwrap().to_string();
    let lost = with(&line, &line.replacen(" yes |", " no [10] |", 1));
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].starts_with("sinks: naive: yes, not additive: general score"), "{lost:?}");
    let reworded = with("0.11.1 has no sinks", "has no sinks");
    assert_eq!(reworded.len(), 1, "{reworded:?}");
}
