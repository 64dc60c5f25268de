//! Shares of the machine's limits as a table.

use super::{Cell, Column, Table};
use crate::compare::{Bound, Share};
use crate::format::{count, percent, two_decimals};
use crate::rows::distinct;

/// One row for each case and backend, one column for each number of threads.
pub fn shares(rows: &[Share]) -> Vec<Table> {
    let mut threads: Vec<usize> =
        rows.iter().flat_map(|row| row.points.iter().map(|point| point.threads)).collect();
    threads.sort_unstable();
    threads.dedup();
    let places = distinct(rows.iter().map(|row| &row.place));
    let several = places.len() > 1;
    let tables = places.into_iter().map(|place| {
        let title = if several { place.title() } else { TITLE.into() };
        let own = rows.iter().filter(|row| row.place == *place);
        Table::new(title, columns(&threads)).rows(own.map(|row| line(row, &threads))).notes([NOTE])
    });
    tables.collect()
}

const TITLE: &str = "shares of what the machine can do";
const NOTE: &str = "Medians, as shares of the FMA peak, or of the bandwidth of reading from memory, that the \
                    same run measured with as many threads; on a GPU, of its own products in the same type, or of copying \
                    its memory. A causal mask halves the operations that count.";

fn columns(threads: &[usize]) -> Vec<Column> {
    let names = [Column::id("case"), Column::backend("backend"), Column::words("of")].into_iter();
    let shares = threads.iter().map(|&n| Column::number(count(n, "thread")));
    let [first, rest @ ..] = threads else { return names.collect() };
    let over = rest.iter().map(|n| Column::number(format!("{n} over {first}")));
    names.chain(shares).chain(over).collect()
}

fn line(row: &Share, threads: &[usize]) -> Vec<Cell> {
    let bound = match row.bound {
        Bound::FmaPeak => "peak",
        Bound::Bandwidth => "bandwidth",
    };
    let names = [row.case.as_str(), row.backend.as_str(), bound].map(Cell::from).into_iter();
    let shares = threads.iter().map(|&n| Cell::value(row.of(n).map(|point| point.share), percent));
    let [first, rest @ ..] = threads else { return names.collect() };
    let speedup = |n| Some(row.of(*first)?.ns / row.of(n)?.ns);
    let over = |n| Cell::value(speedup(n), |x| two_decimals(x) + "x");
    names.chain(shares).chain(rest.iter().map(|&n| over(n))).collect()
}

#[cfg(test)]
mod tests {
    use attn_record::Timing;

    use super::*;
    use crate::compare::{Place, SharePoint};
    use crate::fixture::ok;

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
| case               | backend | of        | 1 thread | 2 threads | 2 over 1 |
| :----------------- | :------ | :-------- | -------: | --------: | -------: |
| `ladder/full/n=64` | `a`     | peak      |      80% |       76% |    1.90x |
| `ladder/full/n=64` | `a`     | bandwidth |        - |       50% |        - |
";
        assert_eq!(shares(&rows)[0].markdown_rows(), expected);
    }
}
