//! What is left out of a table where people read it.

use std::borrow::Cow;

use super::{Cell, Look, Table};

impl Table {
    /// Without the columns that tell rows apart where all rows are alike in them: the title says what they have in common.
    pub(super) fn distinct(&self) -> Cow<'_, Table> {
        let whole = |row: &Vec<Cell>| row.len() == self.columns.len();
        let (Some(first), true) = (self.rows.first(), self.rows.iter().all(whole)) else {
            return Cow::Borrowed(self);
        };
        let alike = |at: usize| self.rows.iter().all(|row| row[at].text == first[at].text);
        let left_out: Vec<usize> = (0..self.columns.len())
            .filter(|&at| self.columns[at].if_several && first[at].text != "-" && alike(at))
            .collect();
        if left_out.is_empty() {
            return Cow::Borrowed(self);
        }
        let common =
            left_out.iter().map(|&at| [&*self.columns[at].name, &first[at].text].join(" "));
        let title =
            std::iter::once(self.title.clone()).chain(common).collect::<Vec<_>>().join(", ");
        let mut table = Table { title, ..self.clone() };
        for &at in left_out.iter().rev() {
            table.columns.remove(at);
            table.rows.iter_mut().for_each(|row| drop(row.remove(at)));
            table.repeated -= usize::from(at < self.repeated);
        }
        Cow::Owned(table)
    }

    /// Without the columns of figures that have none.
    #[must_use]
    pub(super) fn without_empty(mut self) -> Table {
        for at in (0..self.columns.len()).rev() {
            let empty = |row: &Vec<Cell>| row.get(at).is_some_and(|cell| cell.text == "-");
            if self.columns[at].look == Look::Number && self.rows.iter().all(empty) {
                self.columns.remove(at);
                self.rows.iter_mut().for_each(|row| drop(row.remove(at)));
            }
        }
        self
    }

    /// With a line for every group of cases, below which they have the last part of their paths alone.
    pub(super) fn by_group(&self) -> Cow<'_, Table> {
        let is_path = |row: &Vec<Cell>| row.first().is_some_and(|cell| cell.text.contains('/'));
        let ids = self.columns.first().is_some_and(|column| column.look == Look::Id);
        if !ids || !self.rows.iter().any(is_path) {
            return Cow::Borrowed(self);
        }
        let (mut rows, mut above) = (Vec::new(), String::new());
        for row in &self.rows {
            let mut row = row.clone();
            let path = row.first().and_then(|cell| cell.text.rsplit_once('/'));
            let path = path.map(|(group, leaf)| (group.to_owned(), leaf.to_owned()));
            let (group, leaf) = path.unwrap_or_default();
            if !group.is_empty() {
                if group != above {
                    rows.push(vec![Cell::from(format!("{group}/"))]);
                }
                row[0].text = format!("  {leaf}");
            }
            above = group;
            rows.push(row);
        }
        Cow::Owned(Table { rows, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Options};

    fn table(backends: [&str; 2]) -> Table {
        let columns = [
            Column::id("case"),
            Column::backend("backend").if_several(),
            Column::number("threads").if_several(),
            Column::number("time"),
        ];
        let rows = [("curated/models/bert-base", "1 ns"), ("curated/models/gpt2", "2 ns")];
        let rows = rows.into_iter().zip(backends).map(|((case, time), backend)| {
            vec![case.into(), backend.into(), "2".into(), time.into()]
        });
        Table { repeated: 3, ..Table::new("times", columns).rows(rows) }
    }

    #[test]
    fn what_all_rows_share_stands_in_the_title_and_values_keep_it() {
        let one = table(["faer", "faer"]);
        let text = one.terminal(Options::default());
        assert!(text.starts_with("times, backend faer, threads 2\n  case  "), "{text}");
        assert!(!text.contains("backend  "), "{text}");
        assert!(one.markdown().starts_with("times, backend faer, threads 2:\n"));
        assert!(one.html().contains("<h3>times, backend faer, threads 2</h3>"));
        assert!(crate::table::csv(&[one]).contains("curated/models/gpt2,faer,2,2 ns"));
        let text = table(["faer", "naive"]).terminal(Options::default());
        assert!(text.starts_with("times, threads 2\n") && text.contains("backend"), "{text}");
    }

    #[test]
    fn paths_are_shown_by_group_where_there_is_no_room_for_them() {
        let expected = "\
times, threads 2
  case         backend  time
  curated/models/
    bert-base  faer     1 ns
    gpt2       naive    2 ns
";
        let table = table(["faer", "naive"]);
        assert_eq!(table.terminal(Options { width: 32, ..Options::default() }), expected);
        let wide = table.terminal(Options::default());
        assert!(wide.contains("curated/models/gpt2       naive"), "{wide}");
    }
}
