//! Values of files beside the tables that describe them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Document, Row};

/// Reads a value as a type, and writes it again; the error is one line.
pub(super) type Read = fn(Value) -> Result<Value, String>;

/// A field in a file.
struct Place {
    /// The table that describes the object that has it.
    table: String,
    field: String,
    /// JSON pointer of that object.
    object: String,
}

/// Tables and fields that were found in files.
#[derive(Default)]
pub(super) struct Tried(BTreeSet<(String, String)>);

impl Tried {
    pub(super) fn tables(&self) -> BTreeSet<&str> {
        self.0.iter().map(|(table, _)| table.as_str()).collect()
    }

    /// Asserts that `value`, read and written again, is what `table` says, and that it is refused without a field if
    /// and only if the field is said to be required. Fields that were tried before are not tried again.
    pub(super) fn check(&mut self, document: &Document, table: &str, value: Value, read: Read) {
        let written = read(value).unwrap_or_else(|error| panic!("`{table}`: {error}"));
        let mut places = Vec::new();
        document.visit(table, &written, "", &mut places);
        for Place { table, field, object } in places {
            let row = document.row(&table, &field);
            let place = format!("`{field}` of `{table}`");
            if !self.0.insert((table, field.clone())) || row.is_alternative() {
                continue;
            }
            let mut rest = written.clone();
            let parent = rest.pointer_mut(&object).and_then(Value::as_object_mut);
            let removed = parent.expect("it was visited").remove(&field);
            assert!(removed.is_some(), "{place} is there");
            assert_eq!(read(rest).is_err(), row.is_required(), "{place}: refused without it");
        }
    }
}

impl Document {
    /// Finds every field of `value`, and asserts that the tables describe it.
    fn visit(&self, table: &str, value: &Value, at: &str, found: &mut Vec<Place>) {
        let rows = self.tables.get(table).unwrap_or_else(|| panic!("no table `{table}`"));
        let alternatives = rows.values().all(Row::is_alternative);
        match value {
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    self.visit(table, item, &format!("{at}/{position}"), found);
                }
            }
            Value::String(name) => {
                assert!(alternatives && rows.contains_key(name), "{at}: `{name}`");
                found.push(Place { table: table.into(), field: name.into(), object: at.into() });
            }
            Value::Object(fields) => {
                let mut expected = rows.iter().filter(|(_, row)| row.is_always_written());
                let missing = expected.find(|(field, _)| !fields.contains_key(*field));
                assert_eq!(missing.map(|(field, _)| field), None, "{at} of `{table}`");
                assert!(!alternatives || fields.len() == 1, "{at} of `{table}`: {value}");
                for (field, value) in fields {
                    self.visit_field(table, field, value, at, found);
                }
            }
            other => panic!("{at}: {other} is no `{table}`"),
        }
    }

    fn visit_field(
        &self,
        table: &str,
        field: &str,
        value: &Value,
        object: &str,
        found: &mut Vec<Place>,
    ) {
        let (row, at) = (self.row(table, field), format!("{object}/{field}"));
        found.push(Place { table: table.into(), field: field.into(), object: object.into() });
        if value.is_null() {
            assert!(row.may_be_null(), "{at} is null");
            return;
        }
        assert!(fits(value, &row.kind), "{at}: {value} is no {}", row.kind);
        match row.link() {
            Some(linked) => self.visit(linked, value, &at, found),
            None => assert_eq!(unnamed_key(row, value), None, "{at}"),
        }
    }
}

/// Whether a value has the type that a table states.
fn fits(value: &Value, kind: &str) -> bool {
    if let Some(of) = kind.strip_prefix("array of ") {
        return value.as_array().is_some_and(|items| items.iter().all(|item| fits(item, of)));
    }
    kind.split(" or ").any(|kind| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        linked if linked.starts_with('[') => value.is_object() || value.is_string(),
        other => panic!("`{other}` is no type"),
    })
}

/// A key of an object without a table of its own that the row does not name.
fn unnamed_key<'v>(row: &Row, value: &'v Value) -> Option<&'v str> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| unnamed_key(row, item)),
        Value::Object(fields) => fields.keys().map(String::as_str).find(|key| !row.names(key)),
        _ => None,
    }
}
