//! `FORMATS.md` beside the types, the committed files and the readers: every field is described, and every description is
//! that of a field.

mod document;
mod source;
mod types;
mod walk;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use attn_bench::attn_case::AttnCase;
use attn_bench::suite::{Case, CaseFile, Files, Suite, SuiteError};
use attn_bench::worker::PROTOCOL;
use attn_core::{DType, Output, Problem, ProblemSpec, ScoreKind, Shape};
use attn_gate::calibrate;
use attn_gate::config::Config;
use attn_gate::result;
use attn_record::claims::Claims;
use attn_record::{Limits, Map, Run, SCHEMA};
use document::{Document, Row};
use serde_json::{Value, json};
use types::{FINDING, TYPES, WORDS, expected, probe, reader};
use walk::Tried;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of the repository with one JSON value.
fn json_of(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of the repository with a JSON value per line.
fn lines_of(path: &str) -> Vec<Value> {
    let text = read(path);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty(), "{path} has lines");
    lines
}

/// The values of an array.
fn items(array: Value) -> Vec<Value> {
    match array {
        Value::Array(items) if !items.is_empty() => items,
        other => panic!("expected an array of values, found {other}"),
    }
}

#[test]
fn the_document_was_found() {
    let document = Document::read();
    let rows: usize = document.tables.values().map(BTreeMap::len).sum();
    assert!(document.tables.len() >= 100 && rows >= 500, "{} {rows}", document.tables.len());
    assert!(document.tables.values().all(|table| !table.is_empty()));
    assert_eq!(document.broken_links(), [""; 0]);
    assert!(document.text.matches("](#").count() > 100);
}

#[test]
fn versions_are_those_of_the_types() {
    let document = Document::read();
    for (table, field, version) in [
        ("record", "schema", SCHEMA),
        ("run", "schema", Run::SCHEMA),
        ("limits", "schema", Limits::SCHEMA),
        ("map", "schema", Map::SCHEMA),
        ("claims-file", "schema", Claims::SCHEMA),
        ("gate-result", "schema", result::SCHEMA),
        ("calibration", "schema", calibrate::SCHEMA),
        ("hello", "protocol", PROTOCOL),
    ] {
        assert_eq!(document.row(table, field).words(), BTreeSet::from([version]), "{table}");
        let cells = document.text.matches(&format!("| `{version}` | ")).count();
        assert_eq!(cells, 2, "the first table names {version}, too");
    }
}

#[test]
fn tables_list_the_fields_of_the_types() {
    let document = Document::read();
    for &(table, read) in TYPES {
        let error = read(probe(table)).expect_err("no type has a field `?`");
        assert_eq!(document.fields(table), expected(&error), "{table}: {error}");
    }
}

#[test]
fn tables_list_the_fields_of_every_kind_of_finding() {
    let document = Document::read();
    let error = FINDING(json!({"kind": "?"})).expect_err("no finding is of the kind `?`");
    let kinds = expected(&error);
    assert_eq!(document.row("finding", "kind").words(), kinds);
    let mut fields = BTreeSet::from(["kind".to_string()]);
    assert!(kinds.len() > 9, "{kinds:?}");
    for kind in &kinds {
        // A kind without fields takes all of them.
        if let Err(error) = FINDING(json!({"kind": kind, "?": 0}))
            && error.starts_with("unknown field")
        {
            for field in expected(&error) {
                let default = &document.row("finding", field).default;
                assert!(default.contains(&format!("`{kind}`")), "{field} of {kind}: {default}");
                fields.insert(field.into());
            }
        }
    }
    let fields: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    assert_eq!(document.fields("finding"), fields);
}

#[test]
fn rows_list_the_words_that_a_field_may_hold() {
    let document = Document::read();
    for &(table, field, read) in WORDS {
        let error = read(json!("?")).expect_err("no type has a word `?`");
        assert_eq!(document.row(table, field).words(), expected(&error), "{field} of {table}");
    }
    let scores = ScoreKind::ALL.map(ScoreKind::name);
    assert_eq!(document.row("attn-case-metadata", "score").words(), BTreeSet::from(scores));
    let mut formats = document.row("declared-arithmetic", "scores").words();
    assert!(formats.remove("int8"), "int8 is for scores alone");
    assert_eq!(document.row("declared-arithmetic", "weights").words(), formats);
}

/// Reads the metadata of an attn-case file, whose tensors are those of the first example, and writes it again.
fn metadata(value: Value) -> Result<Value, String> {
    let mut header = Document::read().json("attn-case-files", 0);
    let text = &mut header["__metadata__"]["attn_case"];
    *text = value;
    *text = text.to_string().into();
    let case = AttnCase::parse(&container(&header)).map_err(|error| error.to_string())?;
    let bytes = case.to_bytes();
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length comes first");
    let header = &rest[..u64::from_le_bytes(*length) as usize];
    let header: Value = serde_json::from_slice(header).expect("the header is JSON");
    let text = header["__metadata__"]["attn_case"].as_str().expect("metadata is a string");
    Ok(serde_json::from_str(text).expect("which is JSON"))
}

/// The safetensors file with this header whose elements are all 0.
fn container(header: &Value) -> Vec<u8> {
    let tensors = header.as_object().expect("a header is an object").values();
    let end = tensors.filter_map(|tensor| tensor["data_offsets"][1].as_u64()).max();
    let text = header.to_string();
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.resize(bytes.len() + end.unwrap_or(0) as usize, 0);
    bytes
}

/// The committed files, and the examples of files that are not committed.
fn try_all(document: &Document) -> Tried {
    let mut tried = Tried::default();
    let mut check = |table: &str, value: Value| tried.check(document, table, value, reader(table));
    for folder in ["reference", "ladder"] {
        let path = |name: &str| format!("bench-results/{folder}/{name}");
        let records = lines_of(&path("records.jsonl"));
        assert!(records.len() > 50, "{folder}: {} records", records.len());
        for record in records {
            check("record", record);
        }
        check("run", json_of(&path("run.json")));
        check("limits", json_of(&path("limits.json")));
    }
    check("map", json_of("bench-results/reference/map.json"));
    let calibration = |name: &str| format!("bench-results/calibration/{name}");
    for (table, name) in [("calibration-sample", "calibration.jsonl"), ("try", "tries.jsonl")] {
        for line in lines_of(&calibration(name)) {
            check(table, line);
        }
    }
    check("calibration", json_of(&calibration("calibration.json")));
    for (table, anchor, at) in [
        ("run", "run-folders", 0),
        ("record", "records", 0),
        ("limits", "machine-limits", 0),
        ("map", "attention-maps", 0),
        ("claims-file", "claims", 0),
        ("gate-result", "gate-results", 0),
        ("taken-replicate", "replicates", 0),
        ("calibration-sample", "calibration-of-the-gate", 0),
        ("try", "calibration-of-the-gate", 1),
        ("calibration", "calibration-of-the-gate", 2),
        ("opening", "opening", 0),
    ] {
        check(table, document.json(anchor, at));
    }
    for table in ["request", "reply"] {
        for message in items(document.json(table, 0)) {
            check(table, message);
        }
    }
    for finding in items(document.json("finding", 0)) {
        tried.check(document, "finding", finding, FINDING);
    }
    tried.check(document, "attn-case-metadata", document.json("attn-case-files", 1), metadata);
    tried
}

#[test]
fn committed_files_and_examples_are_what_the_tables_say() {
    let document = Document::read();
    let tried = try_all(&document);
    let mut known = tried.tables();
    assert!(known.len() > 80, "{known:?}");
    known.extend(TYPES.iter().map(|(table, _)| *table));
    known.extend(source::STRUCTS.iter().map(|(table, ..)| *table));
    known.insert("attn-case-tensors");
    let all: BTreeSet<&str> = document.tables.keys().map(String::as_str).collect();
    assert_eq!(all, known, "every table is compared with something");
}

#[test]
fn tables_list_the_fields_of_private_types() {
    let document = Document::read();
    for &(table, file, start) in source::STRUCTS {
        let declared = source::fields(file, start);
        let names: BTreeSet<&str> = declared.keys().map(String::as_str).collect();
        assert_eq!(document.fields(table), names, "{table}");
        for (field, required) in &declared {
            assert_eq!(document.row(table, field).is_required(), *required, "{field} of {table}");
        }
    }
}

#[test]
fn the_metadata_and_the_tensors_of_attn_case_files() {
    let document = Document::read();
    let unknown = |value: Value| metadata(value).expect_err("it has a field `?`");
    let error = unknown(json!({"?": 0}));
    assert_eq!(document.fields("attn-case-metadata"), expected(&error));
    let error = unknown(json!({"arithmetic": {"?": 0}}));
    assert_eq!(document.fields("declared-arithmetic"), expected(&error));

    let text = document.json("attn-case-files", 0)["__metadata__"].clone();
    let tensor = json!({"dtype": "U8", "shape": [1], "data_offsets": [0, 1]});
    let error = AttnCase::parse(&container(&json!({"__metadata__": text, "?": tensor})));
    let error = error.expect_err("it has a tensor `?`").to_string();
    let (_, names) = error.split_once("expected only ").expect("it names all others");
    let names: BTreeSet<&str> = names.split(", ").collect();
    assert_eq!(document.fields("attn-case-tensors"), names);

    let rows = &document.tables["attn-case-tensors"];
    let required = rows.iter().filter(|(_, row)| row.is_required()).map(|(name, _)| name.as_str());
    assert_eq!(required.collect::<Vec<_>>(), ["k", "q", "v"]);
    for left in ["q", "k", "v", "out"] {
        let mut header = json!({"__metadata__": text});
        for (at, name) in ["q", "k", "v", "out"].into_iter().filter(|&n| n != left).enumerate() {
            let offsets = [32 * at, 32 * at + 32];
            header[name] = json!({"dtype": "F32", "shape": [1, 1, 2, 4], "data_offsets": offsets});
        }
        let refused = AttnCase::parse(&container(&header)).is_err();
        assert_eq!(refused, rows[left].is_required(), "without `{left}`");
    }
}

/// A case file, and one attn-case file that it may name.
struct Example(String);

impl Files for Example {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        let (path, prefix, text) = ("cases/example.toml", "example", self.0.clone());
        Ok(vec![CaseFile { path: path.into(), prefix: prefix.into(), text }])
    }

    fn read(&self, path: &str) -> io::Result<Cow<'static, [u8]>> {
        assert_eq!(path, "tensors/layer-2.safetensors");
        fs::read(root().join("crates/cli/cases/real/fluffy-dog/layer-2.safetensors"))
            .map(Cow::Owned)
    }
}

fn suite(text: &str) -> Suite {
    Suite::load(Box::new(Example(text.into()))).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_case_files_are_suites() {
    let document = Document::read();
    let generated = suite(document.example("case-files", "toml", 0));
    let ids: Vec<&str> = generated.cases().iter().map(|case| case.id.as_str()).collect();
    let expected = [
        "example/causal/n=256/f32",
        "example/causal/n=256/bf16",
        "example/causal/n=512/f32",
        "example/causal/n=512/bf16",
        "example/masked",
    ];
    assert_eq!(ids, expected);
    assert!(ids.iter().all(|id| document.text.contains(&format!("`{id}`"))));
    let read = suite(document.example("case-files", "toml", 1));
    assert_eq!(read.cases()[0].id, "example/sentence/layer-2");
    assert_eq!(read.map().unwrap().expect("a head is chosen").head, 8);
}

/// `key = value` for every default of a table that is written as in a file, and how many there are.
fn defaults(document: &Document, table: &str) -> (String, usize) {
    let literal = |(key, row): (&String, &Row)| Some(format!("{key} = {}\n", row.literal()?));
    let lines: Vec<String> = document.tables[table].iter().filter_map(literal).collect();
    (lines.concat(), lines.len())
}

#[test]
fn the_defaults_of_case_files() {
    let document = Document::read();
    let cases = |more: &str| -> Vec<Case> {
        let shape = "shape = { heads = 2, len = 8, dim = 4 }";
        let text = format!("analysis = 'a'\n[[case]]\nname = 'x'\n{shape}\n{more}");
        suite(&text).cases().to_vec()
    };
    let (lines, count) = defaults(&document, "case");
    assert!(count >= 10, "{lines}");
    assert_eq!(cases(&lines), cases(""), "{lines}");
}

/// A gate's configuration with some lines in its sections.
fn configuration(gate: &str, build: &str, accept: &str) -> Config {
    let entry = "glob = 'a'\nreason = 'b'\nexpires = '2027-01-31'\n";
    let text = format!("schema = 1\n[gate]\n{gate}[build]\n{build}[[accept]]\n{entry}{accept}");
    Config::parse(&text, "gate.toml").unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_defaults_of_the_gates_configuration() {
    let document = Document::read();
    let [(gate, limits), (build, targets), (accept, excuses)] =
        ["gate-section", "build-section", "accept-section"].map(|at| defaults(&document, at));
    assert_eq!([limits, targets, excuses], [6, 3, 2], "{gate}{build}{accept}");
    assert_eq!(configuration(&gate, &build, &accept), configuration("", "", ""));
    assert_eq!(Config::parse("schema = 1", "gate.toml").unwrap(), Config::default());
}

#[test]
fn the_gates_configuration_has_every_key_and_needs_what_is_required() {
    let document = Document::read();
    let text = document.example("gate-configuration", "toml", 0);
    Config::parse(text, "gate.toml").unwrap();
    let (mut table, mut seen) = ("gatetoml", BTreeSet::new());
    for line in text.lines() {
        table = match line {
            "[gate]" => "gate-section",
            "[build]" => "build-section",
            "[[accept]]" => "accept-section",
            _ => table,
        };
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let rest = text.replacen(&format!("{line}\n"), "", 1);
        let refused = Config::parse(&rest, "gate.toml").is_err();
        assert_eq!(refused, document.row(table, key).is_required(), "without {line}");
        seen.insert((table, key));
    }
    for table in ["gate-section", "build-section", "accept-section"] {
        let keys = seen.iter().filter(|(of, _)| *of == table).map(|(_, key)| *key);
        assert_eq!(keys.collect::<BTreeSet<_>>(), document.fields(table));
    }
}

/// The names in a list of a JSON Schema, or the keys of an object.
fn names(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::Object(fields) => fields.keys().map(String::as_str).collect(),
        other => panic!("{other} has no names"),
    }
}

#[test]
fn the_schema_of_the_gates_results_has_the_same_fields() {
    let document = Document::read();
    let schema = json_of("crates/gate/gate.schema.json");
    let definitions = &schema["$defs"];
    for (table, object) in [
        ("gate-result", &schema),
        ("side", &definitions["side"]),
        ("parameters", &schema["properties"]["parameters"]),
        ("control", &schema["properties"]["control"]["anyOf"][1]),
        ("case-result", &definitions["case"]),
        ("cell", &definitions["case"]["properties"]["cell"]),
        ("time", &definitions["time"]),
        ("change", &definitions["change"]),
    ] {
        assert_eq!(document.fields(table), names(&object["properties"]), "{table}");
        assert_eq!(document.fields(table), names(&object["required"]), "{table}");
        let written = document.tables[table].values().all(Row::is_always_written);
        assert!(written, "{table}: all fields are always written");
    }
    let verdict = &definitions["verdict"]["enum"];
    assert_eq!(document.row("gate-result", "verdict").words(), names(verdict));
    let case = &definitions["case"]["properties"];
    assert_eq!(document.row("case-result", "reason").words(), names(&case["reason"]["enum"]));
}

#[test]
fn the_results_of_workers_have_the_fences_and_the_poison_that_are_listed() {
    const AROUND: usize = 64;
    let document = Document::read();
    for dtype in DType::ALL {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 2, 3), dtype)).unwrap();
        let bytes = Output::poisoned(&problem).to_le_bytes();
        let words: Vec<String> = bytes.chunks(dtype.size()).map(hexadecimal).collect();
        let (before, rest) = words.split_at(AROUND);
        let (inside, behind) = rest.split_at(6);
        assert_eq!(behind.len(), AROUND);
        let row = format!("| {dtype} | `{}` | `{}` |\n", before[0], inside[0]);
        assert!(document.text.contains(&row), "{row}");
        assert!(before.iter().chain(behind).all(|word| *word == before[0]));
        assert!(inside.iter().all(|word| *word == inside[0]));
    }
}

/// `0x7fa5` for the bytes `a5 7f`.
fn hexadecimal(little_endian: &[u8]) -> String {
    let digits = little_endian.iter().rev().map(|byte| format!("{byte:02x}"));
    format!("0x{}", digits.collect::<Vec<_>>().concat())
}
