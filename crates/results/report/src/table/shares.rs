//! Shares of the machine's limits as a table.

use attn_analysis::compare::{Bound, Share};
use attn_analysis::rows::distinct;

use super::compare::by;
use super::{Cell, Column, Table};
use crate::format::{count, percent, two_decimals};

/// A table for each machine and build, timing and limit: one row for each case and backend, one column for each number of
/// threads.
pub fn shares(rows: &[Share]) -> Vec<Table> {
    let several = distinct(rows.iter().map(|row| &row.place)).len() > 1;
    let tables = by(rows, |row| (&row.place, row.timing, row.bound)).into_iter();
    let mut tables: Vec<Table> = tables
        .map(|((place, timing, bound), rows)| {
            let limit = match bound {
                Bound::FmaPeak => "FMA peak",
                Bound::Bandwidth => "bandwidth",
            };
            let on = if several { format!("; {}", place.title()) } else { String::new() };
            of_limit(format!("shares of the {limit}, {timing}{on}"), &rows)
        })
        .collect();
    if let Some(last) = tables.last_mut() {
        last.notes.push(NOTE.into());
    }
    tables
}

const NOTE: &str = "Medians, as shares of the FMA peak, or of the bandwidth of reading from memory, that the \
                    same run measured with as many threads; on a GPU, of its own products in the same type, or of copying \
                    its memory. A causal mask halves the operations that count.";

fn of_limit(title: String, rows: &[&Share]) -> Table {
    let mut threads: Vec<usize> =
        rows.iter().flat_map(|row| row.points.iter().map(|point| point.threads)).collect();
    threads.sort_unstable();
    threads.dedup();
    let lines = rows.iter().map(|row| line(row, &threads));
    Table::new(title, columns(&threads)).rows(lines)
}

fn columns(threads: &[usize]) -> Vec<Column> {
    let names = [Column::id("case"), Column::backend("backend").if_several()].into_iter();
    let shares = threads.iter().map(|&n| Column::number(count(n, "thread")));
    let [first, rest @ ..] = threads else { return names.collect() };
    let over = rest.iter().map(|n| Column::number(format!("{n} over {first}")));
    names.chain(shares).chain(over).collect()
}

fn line(row: &Share, threads: &[usize]) -> Vec<Cell> {
    let names = [row.case.as_str(), row.backend.as_str()].map(Cell::from).into_iter();
    let shares = threads.iter().map(|&n| Cell::value(row.of(n).map(|point| point.share), percent));
    let [first, rest @ ..] = threads else { return names.collect() };
    let speedup = |n| Some(row.of(*first)?.ns / row.of(n)?.ns);
    let over = |n| Cell::value(speedup(n), |x| two_decimals(x) + "x");
    names.chain(shares).chain(rest.iter().map(|&n| over(n))).collect()
}

#[cfg(test)]
mod tests {
    use attn_analysis::compare::{Place, SharePoint};
    use attn_analysis::fixture::ok;
    use attn_record::Timing;

    use super::*;

    #[test]
    fn as_it_looks() {
        let row = |bound, points: &[(usize, f64, f64)]| Share {
            place: Place::of(&ok("g/1", "a", 1.0)),
            case: "ladder/full/n=64".into(),
            backend: "a".into(),
            timing: Timing::Kernel,
            bound,
            points: points
                .iter()
                .map(|&(threads, ns, share)| SharePoint { threads, ns, share })
                .collect(),
        };
        let rows = [
            row(Bound::FmaPeak, &[(1, 200.0, 0.8), (2, 105.0, 0.76)]),
            row(Bound::Bandwidth, &[(2, 1.0, 0.5)]),
        ];
        let expected = "\
shares of the FMA peak, kernel, backend a:

| case               | 1 thread | 2 threads | 2 over 1 |
| :----------------- | -------: | --------: | -------: |
| `ladder/full/n=64` |      80% |       76% |    1.90x |

shares of the bandwidth, kernel, backend a:

| case               | 2 threads |
| :----------------- | --------: |
| `ladder/full/n=64` |       50% |
";
        let tables: Vec<String> = shares(&rows).iter().map(Table::markdown).collect();
        let markdown = tables.join("\n");
        assert!(markdown.starts_with(expected), "{markdown}");
        assert_eq!(markdown.matches("Medians").count(), 1);
    }
}
