//! Who leads where, and by how much.

use attn_record::{Axis, Record, leaf_of};

use super::side_by_side::{Rival, SideBySide, side_by_side_of};
use crate::rows::{grouped, shown_timing};

/// More changes of the lead than this along a sweep are summed up by leader.
const CHANGES: usize = 4;

/// Cases of one group that have the same leader.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupWinner {
    /// The group.
    pub group: String,
    /// One backend, or those that the intervals do not tell apart.
    pub leaders: Vec<String>,
    /// The last parts of the cases' paths.
    pub cases: Vec<String>,
    /// Whether these are neighbours along a sweep.
    pub neighbours: bool,
    /// Cases of the group.
    pub of: usize,
    /// Time of the fastest other backend in units of the leader's, smallest and largest; `None` where
    /// there is none.
    pub ahead: Option<(f64, f64)>,
}

/// The leads of every group of `records`, which are of one place: by the timing that is shown, with the
/// smallest number of threads. A case that one backend alone was measured on has no leader.
pub fn winners(records: &[&Record]) -> Vec<GroupWinner> {
    let measured: Vec<&Record> =
        records.iter().filter(|r| r.median_ns().is_some()).copied().collect();
    let groups = grouped(&measured, |r| (r.group(), r.axis)).into_iter();
    groups.flat_map(|((group, axis), records)| of_group(group, axis, &records)).collect()
}

fn of_group(group: &str, axis: Option<Axis>, records: &[&Record]) -> Vec<GroupWinner> {
    let timing = shown_timing(records);
    let threads = records.iter().map(|r| r.threads).min().unwrap_or(1);
    let mut cells: Vec<&Record> =
        records.iter().filter(|r| r.timing == timing && r.threads == threads).copied().collect();
    if let Some(axis) = axis {
        cells.sort_by_key(|r| axis.size(&r.problem));
    }
    let mut rows = side_by_side_of(&cells);
    rows.retain(SideBySide::is_contest);
    let spans: Vec<Vec<&SideBySide>> =
        rows.chunk_by(|a, b| leaders(a) == leaders(b)).map(|rows| rows.iter().collect()).collect();
    let neighbours = axis.is_some() && spans.len() <= CHANGES;
    let spans = if neighbours { spans } else { by_leader(&rows) };
    let lead = |rows: Vec<&SideBySide>| GroupWinner {
        group: group.into(),
        leaders: leaders(rows[0]),
        cases: rows.iter().map(|row| leaf_of(&row.case).into()).collect(),
        neighbours,
        of: spans.iter().map(Vec::len).sum(),
        ahead: ahead(&rows),
    };
    spans.iter().cloned().map(lead).collect()
}

/// Rows with equal leaders, most rows first.
fn by_leader(rows: &[SideBySide]) -> Vec<Vec<&SideBySide>> {
    let mut groups: Vec<Vec<&SideBySide>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| leaders(group[0]) == leaders(row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// The fastest backend and all that may be as fast, by name.
fn leaders(row: &SideBySide) -> Vec<String> {
    let measured = row.rivals.iter().filter(|rival| rival.ns.is_some());
    let mut names: Vec<String> =
        measured.filter(|rival| !behind(rival)).map(|rival| rival.backend.clone()).collect();
    names.sort();
    names
}

/// Whether others are believed to be faster.
fn behind(rival: &Rival) -> bool {
    rival.ratio_interval.is_some_and(|interval| interval.low > 1.0)
}

/// Of the fastest that is believed to be behind.
fn ahead(rows: &[&SideBySide]) -> Option<(f64, f64)> {
    let nearest = rows.iter().map(|row| {
        let others = row.rivals.iter().filter(|rival| behind(rival));
        others.filter_map(|rival| rival.ratio).reduce(f64::min)
    });
    let nearest: Vec<f64> = nearest.collect::<Option<_>>()?;
    let low = nearest.iter().copied().reduce(f64::min)?;
    Some((low, nearest.iter().copied().fold(low, f64::max)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{certain, ok, refs, sweep};

    fn timed(mut record: Record, ns: f64) -> Record {
        record.volatile.measurement = Some(certain(ns));
        record
    }

    #[test]
    fn a_change_of_the_lead_splits_a_sweep() {
        let cells = sweep("sweep/seq-len/full", &["a", "b"], &[64, 128, 256]).into_iter();
        let times = [100.0, 200.0, 400.0, 600.0, 1600.0, 800.0];
        let records: Vec<Record> = cells.zip(times).map(|(cell, ns)| timed(cell, ns)).collect();
        let found = winners(&refs(&records));
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0].leaders[0][..], found[0].ahead), ("a", Some((1.5, 2.0))));
        assert_eq!((&found[0].cases[..], found[0].of), (&["n=64".into(), "n=128".into()][..], 3));
        assert!(found[0].neighbours && found[1].neighbours);
        assert_eq!(found[1].cases, ["n=256"]);
        assert_eq!((&found[1].leaders[0][..], found[1].ahead), ("b", Some((2.0, 2.0))));
    }

    #[test]
    fn backends_that_the_samples_do_not_tell_apart_lead_together() {
        let records = [
            timed(ok("g/1", "a", 1.0), 100.0),
            timed(ok("g/1", "c", 1.0), 300.0),
            // A single process is not believed by 10 %.
            ok("g/1", "b", 105.0),
        ];
        let found = winners(&refs(&records));
        assert_eq!(found[0].leaders, ["a", "b"]);
        assert_eq!(found[0].ahead, Some((3.0, 3.0)));
        assert!(!found[0].neighbours);
    }

    #[test]
    fn nobody_is_ahead_of_nobody() {
        assert_eq!(winners(&[]), []);
        assert_eq!(winners(&refs(&[ok("g/1", "a", 1.0)])), []);
    }
}
