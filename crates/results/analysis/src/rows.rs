//! Records in the order and with the ratios in which every table shows them.

use attn_record::{Record, Timing};

use crate::compare::{SideBySide, Standing, side_by_side_of};

/// One cell among its rivals.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The cell.
    pub record: &'a Record,
    /// Median time in units of the best `ok` cell of the same case, timing and threads.
    pub ratio: Option<f64>,
    /// How it stands among them.
    pub standing: Standing,
}

/// Rows by case, timing, threads and backend, each in the order in which the run first mentions it;
/// `records` are of one place.
pub fn rows<'a>(records: &[&'a Record]) -> Vec<Row<'a>> {
    let backends = backends(records);
    let place = |r: &Record| backends.iter().position(|&b| b == r.backend);
    let mut rows = Vec::with_capacity(records.len());
    for (_, mut of_case) in grouped(records, |r| r.case.as_str()) {
        of_case.sort_by_key(|r| (r.timing, r.threads, place(r)));
        for (_, rivals) in grouped(&of_case, |r| (r.timing, r.threads)) {
            let row = side_by_side_of(&rivals).pop();
            let standing = |id: &str| row.as_ref().map_or(Standing::Other, |row| row.standing(id));
            rows.extend(rivals.into_iter().map(|record| Row {
                record,
                ratio: ratio(row.as_ref(), &record.backend),
                standing: standing(&record.backend),
            }));
        }
    }
    rows
}

/// Of a backend, to the fastest of its row.
fn ratio(row: Option<&SideBySide>, backend: &str) -> Option<f64> {
    row?.rivals.iter().find(|rival| rival.backend == backend)?.ratio
}

/// The backends, in order of first appearance.
pub fn backends<'a>(records: &[&'a Record]) -> Vec<&'a str> {
    let groups = grouped(records, |r| r.backend.as_str());
    groups.into_iter().map(|(backend, _)| backend).collect()
}

/// The smallest median among cells that ended `ok`.
pub fn best_ns(rivals: &[&Record]) -> Option<f64> {
    let medians = rivals.iter().filter_map(|r| r.median_ns());
    medians.reduce(f64::min)
}

/// Records with equal keys, in order of first appearance.
pub fn grouped<'a, K: PartialEq>(
    records: &[&'a Record],
    key: impl Fn(&'a Record) -> K,
) -> Vec<(K, Vec<&'a Record>)> {
    let mut groups: Vec<(K, Vec<&'a Record>)> = Vec::new();
    for &record in records {
        let key = key(record);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => group.push(record),
            None => groups.push((key, vec![record])),
        }
    }
    groups
}

/// Each value once, in order of first appearance.
pub fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

/// The timing that a picture or ranking of several shows: the first of [`Timing::ALL`] that was measured.
pub fn shown_timing(records: &[&Record]) -> Option<Timing> {
    records.iter().filter(|r| r.median_ns().is_some()).filter_map(|r| r.timing).min()
}

/// The reason of a cell that did not end `ok`.
pub fn reason(record: &Record) -> &str {
    record.reason.as_deref().unwrap_or("no reason recorded")
}

#[cfg(test)]
mod tests {
    use attn_record::{Outcome, Timing};

    use super::*;
    use crate::fixture::{ok, refs, with_outcome};

    #[test]
    fn ratios_are_among_ok_cells_of_one_case_model_and_thread_count() {
        let mut parallel = ok("a/n=1", "x", 50.0);
        parallel.threads = 2;
        let wrong = with_outcome(ok("a/n=1", "wrong", 1.0), Outcome::Disagrees);
        let mut cold = ok("a/n=1", "x", 40.0);
        cold.timing = Some(Timing::KernelCold);
        let records = [
            cold,
            ok("a/n=1", "x", 100.0),
            parallel,
            wrong,
            ok("a/n=1", "y", 400.0),
            ok("a/n=2", "y", 400.0),
        ];
        let ratios: Vec<_> = rows(&refs(&records)).iter().map(|r| r.ratio).collect();
        let expected = [Some(1.0), None, Some(4.0), Some(1.0), Some(1.0), Some(1.0)];
        assert_eq!(ratios, expected);
    }
}
