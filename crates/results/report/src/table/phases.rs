//! Where the time of a call goes, as a table.

use super::Grid;
use crate::compare::{Breakdown, names};
use crate::format::{percent, time};
use crate::rows::distinct;

/// One table per machine and build: one row for each cell, one column for each phase.
pub fn phases(breakdowns: &[Breakdown]) -> Vec<Grid> {
    let places = distinct(breakdowns.iter().map(|breakdown| &breakdown.place));
    let several = places.len() > 1;
    let names = names(breakdowns);
    let grids = places.into_iter().map(|place| {
        let title = if several { place.title() } else { "where the time of a call goes".into() };
        let own = breakdowns.iter().filter(|breakdown| breakdown.place == *place);
        let rows = own.map(|breakdown| {
            let Breakdown { case, backend, threads, .. } = breakdown;
            let total = time(breakdown.total_ns() as f64);
            let shares = names.iter().map(|name| percent(breakdown.share(name)));
            [case.clone(), backend.clone(), threads.to_string(), total]
                .into_iter()
                .chain(shares)
                .collect()
        });
        let head = ["case", "backend", "threads", "total"].iter().chain(&names);
        let head = head.map(|name| (*name).to_string()).collect();
        let rows = std::iter::once(head).chain(rows).collect();
        Grid { title, rows, names: 2, notes: vec![NOTE.into()] }
    });
    grids.collect()
}

const NOTE: &str =
    "Of the fastest of three calls that were not timed otherwise, all threads together.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare;
    use crate::fixture::{ok, with_phases};
    use crate::table::Options;

    #[test]
    fn as_it_looks() {
        let records = [
            with_phases(ok("g/a", "x", 100.0), &[("pack", 10_000), ("scores", 30_000)]),
            with_phases(ok("g/b", "x", 100.0), &[("scores", 2_000_000)]),
        ];
        let grids = phases(&compare::phases(&records));
        let expected = "\
where the time of a call goes
  case  backend  threads    total  pack  scores
  g/a   x              1  40.0 µs   25%     75%
  g/b   x              1  2.00 ms    0%    100%
  Of the fastest of three calls that were not timed otherwise, all threads
    together.
";
        assert_eq!(grids[0].terminal(Options { width: 80 }), expected);
    }
}
