//! Sweeps: the records that differ in one size and in the backend, and in nothing else that is drawn.

use attn_core::DType;
use attn_record::{Axis, Record, Timing};

use crate::rows::{backends, best_ns, grouped, shown_timing};

/// One sub-sweep, `sweep/seq-len/full`, of one timing, in one storage type and with one number of threads.
pub struct Sweep<'a> {
    /// What the paths of its cases start with.
    pub group: &'a str,
    /// The size that varies.
    pub axis: Axis,
    /// Number of threads.
    pub threads: usize,
    /// Storage type.
    pub dtype: DType,
    /// Every record, whatever its outcome.
    pub records: Vec<&'a Record>,
    /// What was timed.
    pub timing: Timing,
}

/// The cells of one backend, by size.
pub struct Line<'a> {
    /// Path of the backend.
    pub backend: &'a str,
    /// Ascending.
    pub cells: Vec<&'a Record>,
}

impl<'a> Sweep<'a> {
    /// Every sweep among `records`, which are of one place, in order of first appearance.
    pub fn all(records: &[&'a Record]) -> Vec<Self> {
        let swept: Vec<&Record> = records.iter().filter(|r| r.axis.is_some()).copied().collect();
        let groups = grouped(&swept, |r| (r.group(), r.axis, r.dtype()));
        let sweeps = groups.into_iter().filter_map(|((group, axis, dtype), records)| {
            let timing = shown_timing(&records);
            let other = |r: &&Record| r.median_ns().is_some() && r.timing != timing;
            let records: Vec<&Record> = records.into_iter().filter(|r| !other(r)).collect();
            let (threads, timing) = (threads(&records)?, timing.or(records.first()?.timing)?);
            Some(Sweep {
                group,
                axis: axis?,
                threads,
                dtype,
                timing,
                records: records.into_iter().filter(|r| r.threads == threads).collect(),
            })
        });
        sweeps.collect()
    }

    /// The size that varies.
    pub fn size(&self, record: &Record) -> usize {
        self.axis.size(&record.problem)
    }

    /// Every size at which some backend was measured, ascending.
    pub fn sizes(&self) -> Vec<usize> {
        let measured = self.records.iter().filter(|r| r.measurement().is_some());
        let mut sizes: Vec<_> = measured.map(|r| self.size(r)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// One line per backend.
    pub fn lines(&self) -> Vec<Line<'a>> {
        let lines = backends(&self.records).into_iter().map(|backend| {
            let of_backend = self.records.iter().filter(|r| r.backend == backend);
            let mut cells: Vec<_> = of_backend.copied().collect();
            cells.sort_by_key(|r| self.size(r));
            Line { backend, cells }
        });
        lines.collect()
    }

    /// The shortest median at the size of a cell.
    pub fn best(&self, record: &Record) -> Option<f64> {
        let rivals = self.records.iter().filter(|r| self.size(r) == self.size(record));
        best_ns(&rivals.copied().collect::<Vec<_>>())
    }
}

/// One thread where that was measured; another number only where it is the only one.
fn threads(records: &[&Record]) -> Option<usize> {
    let first = records.first()?.threads;
    let uniform = records.iter().all(|r| r.threads == first);
    let single = records.iter().any(|r| r.threads == 1);
    uniform.then_some(first).or(single.then_some(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, refs};

    #[test]
    fn one_thread_is_drawn_unless_another_number_is_all_there_is() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[64, 128]);
        records[0].threads = 2;
        assert_eq!(Sweep::all(&refs(&records))[0].threads, 1);
        assert_eq!(Sweep::all(&refs(&records))[0].records.len(), 3);
        for record in &mut records {
            record.threads = 4;
        }
        assert_eq!(Sweep::all(&refs(&records))[0].threads, 4);
        assert_eq!(Sweep::all(&refs(&records))[0].records.len(), 4);
    }

    #[test]
    fn one_model_is_drawn() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[64]);
        records[0].timing = Some(attn_record::Timing::EndToEnd);
        assert_eq!(Sweep::all(&refs(&records))[0].records.len(), 1);
    }

    #[test]
    fn sizes_ascend_and_are_there_once() {
        let records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[128, 64]);
        assert_eq!(Sweep::all(&refs(&records))[0].sizes(), [64, 128]);
    }
}
