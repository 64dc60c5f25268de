//! Where the time of a call goes, as a table.

use attn_analysis::compare::{Breakdown, names};
use attn_analysis::rows::distinct;

use super::{Cell, Column, Table};
use crate::format::{percent, time};

/// One table per machine and build: one row for each cell, one column for each phase.
pub fn phases(breakdowns: &[Breakdown]) -> Vec<Table> {
    let places = distinct(breakdowns.iter().map(|breakdown| &breakdown.place));
    let several = places.len() > 1;
    let names = names(breakdowns);
    let tables = places.into_iter().map(|place| {
        let title = if several { place.title() } else { "where the time of a call goes".into() };
        let own = breakdowns.iter().filter(|breakdown| breakdown.place == *place);
        let rows = own.map(|breakdown| {
            let Breakdown { case, backend, threads, .. } = breakdown;
            let total = Cell::value(Some(breakdown.total_ns() as f64), time);
            let shares = names.iter().map(|name| Cell::value(Some(breakdown.share(name)), percent));
            [case.into(), backend.into(), Cell::count(Some(*threads)), total]
                .into_iter()
                .chain(shares)
                .collect()
        });
        let first = [Column::id("case"), Column::backend("backend").if_several()].into_iter();
        let columns =
            first.chain([Column::number("threads").if_several(), Column::number("total")]);
        let phases = names.iter().map(|name| Column::number(*name));
        let table = Table::new(title, columns.chain(phases)).rows(rows).notes([NOTE]);
        Table { repeated: 4, ..table }
    });
    tables.collect()
}

const NOTE: &str =
    "Of the fastest of three calls that were not timed otherwise, all threads together.";

#[cfg(test)]
mod tests {
    use attn_analysis::compare;
    use attn_analysis::fixture::{ok, with_phases};

    use super::*;
    use crate::table::Options;

    #[test]
    fn as_it_looks() {
        let records = [
            with_phases(ok("g/a", "x", 100.0), &[("pack", 10_000), ("scores", 30_000)]),
            with_phases(ok("g/b", "x", 100.0), &[("scores", 2_000_000)]),
        ];
        let tables = phases(&compare::phases(&records));
        let expected = "\
where the time of a call goes, backend x, threads 1
  case    total  pack  scores
  g/a   40.0 µs   25%     75%
  g/b   2.00 ms    0%    100%
  Of the fastest of three calls that were not timed otherwise, all threads
    together.
";
        assert_eq!(tables[0].terminal(Options { width: 80, ..Options::default() }), expected);
    }
}
