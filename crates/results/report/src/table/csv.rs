//! Tables as comma-separated values.

use super::{Cell, Table};

/// All `tables`, each line with the title of its table first, where there is one. A table whose columns are not those
/// of the one before begins with their names, after an empty line. Figures are plain numbers in base units
/// (nanoseconds, bytes, shares), without what stands beside them in other forms.
pub fn csv(tables: &[Table]) -> String {
    let titled = tables.iter().any(|table| !table.title.is_empty());
    let line = |title: &str, cells: &[String]| {
        let title = titled.then(|| quoted(title)).into_iter();
        title.chain(cells.iter().map(|cell| quoted(cell))).collect::<Vec<_>>().join(",") + "\n"
    };
    let mut text = String::new();
    let mut above: Option<Vec<String>> = None;
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        if above.as_ref() != Some(&names) {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &[gap, &line("table", &names)].concat();
        }
        for row in &table.rows {
            let cells: Vec<String> = row.iter().map(plain).collect();
            text += &line(&table.title, &cells);
        }
        above = Some(names);
    }
    text
}

/// A figure as a number, and all else as it stands.
fn plain(cell: &Cell) -> String {
    let is_figure = cell.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match cell.value {
        _ if cell.text == "-" => String::new(),
        Some(value) if is_figure => value.to_string(),
        _ => cell.text.clone(),
    }
}

/// As RFC 4180 has it. What a spreadsheet would take for a formula stays text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '@', '\t']);
    let guard = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn table(title: &str, name: &str, cells: Vec<Cell>) -> Table {
        Table::new(title, [Column::backend("backend"), Column::number(name)]).rows([cells])
    }

    #[test]
    fn figures_are_numbers_and_words_are_quoted_where_they_must_be() {
        let time = Cell::from("1.25 µs ±2%").sorted_by(1250.0);
        let noisy = Cell::from("too noisy").sorted_by(3.0);
        let tables = [
            table("one, two", "time", vec!["a,\"b\"".into(), time]),
            table("three", "time", vec!["=1+1".into(), noisy]),
            table("", "rate", vec!["x".into(), Cell::count(None)]),
            Table::new("empty", []),
        ];
        let expected = "\
table,backend,time
\"one, two\",\"a,\"\"b\"\"\",1250
three,\"'=1+1\",too noisy

table,backend,rate
,x,
";
        assert_eq!(csv(&tables), expected);
    }

    #[test]
    fn without_titles_there_is_no_column_for_them() {
        let tables = [table("", "time", vec!["a".into(), "1".into()])];
        assert_eq!(csv(&tables), "backend,time\na,1\n");
        assert_eq!(csv(&[]), "");
    }
}
