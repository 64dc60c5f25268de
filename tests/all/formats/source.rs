//! Types that have no name outside of their modules: their fields are read from the source.

use std::collections::BTreeMap;

use super::read;

const WIRE: &str = "crates/harness/bench/src/suite/wire.rs";
const CRITERION: &str = "crates/harness/bench/src/criterion.rs";

/// Tables, the files in which their types are declared, and how the declarations begin.
pub(super) const STRUCTS: &[(&str, &str, &str)] = &[
    ("case-file", WIRE, "struct WireFile {"),
    ("map-choice", WIRE, "struct WireMap {"),
    ("case", WIRE, "struct WireCase {"),
    ("case-shape", WIRE, "struct WireShape {"),
    ("case-general-score", WIRE, "    General {"),
    ("case-additive-score", WIRE, "    Additive {"),
    ("case-mask", WIRE, "struct WireMask {"),
    ("criterion-benchmark", CRITERION, "struct Benchmark {"),
    ("criterion-sample", CRITERION, "struct Sample {"),
    ("model-configuration", "crates/notes/model/src/config.rs", "struct Config {"),
    ("model-reference", "crates/notes/model/src/reference.rs", "struct Reference {"),
];

/// The fields of the struct, or of the variant, whose declaration begins with `start`, and whether each is required.
pub(super) fn fields(file: &str, start: &str) -> BTreeMap<String, bool> {
    let text = read(file);
    let (_, block) = text.split_once(start).unwrap_or_else(|| panic!("{file}: no `{start}`"));
    let (mut fields, mut attributes) = (BTreeMap::new(), String::new());
    for line in block.lines().map(str::trim).take_while(|line| !line.starts_with('}')) {
        if line.starts_with("#[") {
            attributes.push_str(line);
        } else if let Some((declared, kind)) = line.split_once(": ")
            && !line.starts_with("//")
        {
            let name = declared.rsplit(' ').next().unwrap_or(declared);
            let optional = kind.starts_with("Option<") || attributes.contains("default");
            fields.insert(name.into(), !optional);
            attributes.clear();
        }
    }
    assert!(!fields.is_empty(), "{file}: no fields behind `{start}`");
    fields
}
