//! `FORMATS.md` as the tests read it: its tables of fields and its examples, by the heading that they stand under.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::read;

/// The line that a table of fields begins with.
const COLUMNS: &str = "| field | type | unit or values | required / default | meaning |";

/// The document.
#[derive(Default)]
pub(super) struct Document {
    /// All of it.
    pub(super) text: String,
    /// Tables, by the anchor of their heading.
    pub(super) tables: BTreeMap<String, Table>,
    /// The anchors of all headings.
    anchors: BTreeSet<String>,
    /// Language and text of each example, by anchor.
    examples: BTreeMap<String, Vec<(String, String)>>,
}

/// Rows, by field.
pub(super) type Table = BTreeMap<String, Row>;

/// What a table says of a field.
pub(super) struct Row {
    /// The column `type`.
    pub(super) kind: String,
    /// The column `unit or values`.
    pub(super) values: String,
    /// The column `required / default`.
    pub(super) default: String,
    /// The column `meaning`.
    meaning: String,
}

impl Document {
    pub(super) fn read() -> Self {
        let mut document = Document { text: read("crates/docs/FORMATS.md"), ..Document::default() };
        let text = document.text.clone();
        let (mut anchor, mut example) = (String::new(), None::<(String, String)>);
        for line in text.lines() {
            if let Some((language, mut code)) = example.take() {
                if line == "```" {
                    let own = document.examples.entry(anchor.clone()).or_default();
                    own.push((language, code));
                } else {
                    code.push_str(line);
                    code.push('\n');
                    example = Some((language, code));
                }
            } else if let Some(language) = line.strip_prefix("```") {
                example = Some((language.into(), String::new()));
            } else if line.starts_with('#') {
                anchor = anchor_of(line);
                assert!(document.anchors.insert(anchor.clone()), "two headings are `{anchor}`");
            } else {
                document.row_of(&anchor, line);
            }
        }
        document
    }

    /// Takes a line that is part of a table under the heading `anchor`, if it is one.
    fn row_of(&mut self, anchor: &str, line: &str) {
        if line == COLUMNS {
            let before = self.tables.insert(anchor.into(), Table::new());
            assert!(before.is_none(), "two tables are under `{anchor}`");
        } else if let Some(table) = self.tables.get_mut(anchor)
            && line.starts_with("| `")
        {
            let (field, row) = Row::parse(line);
            let before = table.insert(field, row);
            assert!(before.is_none(), "a field is twice in `{anchor}`: {line}");
        }
    }

    /// The fields of a table.
    pub(super) fn fields(&self, table: &str) -> BTreeSet<&str> {
        let rows = self.tables.get(table).unwrap_or_else(|| panic!("no table `{table}`"));
        rows.keys().map(String::as_str).collect()
    }

    pub(super) fn row(&self, table: &str, field: &str) -> &Row {
        let row = self.tables.get(table).and_then(|rows| rows.get(field));
        row.unwrap_or_else(|| panic!("no `{field}` in the table `{table}`"))
    }

    /// The example in `language` under a heading, the `at`-th of them.
    pub(super) fn example(&self, anchor: &str, language: &str, at: usize) -> &str {
        let all = self.examples.get(anchor).into_iter().flatten();
        let mut own = all.filter(|(own, _)| own == language).map(|(_, text)| text.as_str());
        own.nth(at).unwrap_or_else(|| panic!("no {language} example {at} under `{anchor}`"))
    }

    /// The same, parsed.
    pub(super) fn json(&self, anchor: &str, at: usize) -> Value {
        let text = self.example(anchor, "json", at);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("`{anchor}` {at}: {error}"))
    }

    /// Anchors that links name and no heading has.
    pub(super) fn broken_links(&self) -> Vec<&str> {
        let links = self.text.split("](#").skip(1);
        let links = links.map(|rest| rest.split(')').next().unwrap_or_default());
        links.filter(|anchor| !self.anchors.contains(*anchor)).collect()
    }
}

/// `run-folders` for `## Run folders`.
fn anchor_of(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

impl Row {
    fn parse(line: &str) -> (String, Row) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [field, kind, values, default, meaning] = cells[..] else {
            panic!("expected five columns: {line}")
        };
        let [kind, values, default, meaning] = [kind, values, default, meaning].map(String::from);
        assert!([&kind, &default, &meaning].iter().all(|cell| !cell.is_empty()), "{line}");
        (field.trim_matches('`').into(), Row { kind, values, default, meaning })
    }

    /// The table that describes the values.
    pub(super) fn link(&self) -> Option<&str> {
        let (_, rest) = self.kind.split_once("](#")?;
        rest.split_once(')').map(|(anchor, _)| anchor)
    }

    /// The values that are listed.
    pub(super) fn words(&self) -> BTreeSet<&str> {
        self.values.split('`').skip(1).step_by(2).collect()
    }

    /// The default, where it is written as in a file.
    pub(super) fn literal(&self) -> Option<&str> {
        let inside = self.default.strip_prefix('`')?.strip_suffix('`')?;
        (!inside.contains('`')).then_some(inside)
    }

    /// Whether a file without it is refused.
    pub(super) fn is_required(&self) -> bool {
        self.default.starts_with("required")
    }

    /// Whether every object that is written has it.
    pub(super) fn is_always_written(&self) -> bool {
        ["required", "null"].contains(&self.default.as_str()) || self.default.ends_with(", written")
    }

    pub(super) fn may_be_null(&self) -> bool {
        self.default == "null" || self.default.starts_with("null,")
    }

    /// Whether it is one of several of which exactly one is there.
    pub(super) fn is_alternative(&self) -> bool {
        self.default == "one of"
    }

    /// Whether the row names a key of an object that has no table.
    pub(super) fn names(&self, key: &str) -> bool {
        let key = format!("\"{key}\":");
        self.values.contains(&key) || self.meaning.contains(&key)
    }
}
