//! Sweeps: the records that differ in one size and in the backend, and in nothing else that is drawn.

use attn_core::{DType, ProblemSpec, ScoreKind};
use attn_record::{Axis, Record, Timing};

use crate::format::count;
use crate::rows::{backends, best_ns, grouped, shown_timing};

/// One sub-sweep, `sweep/seq-len/full`, of one timing, in one storage type and with one number of threads.
pub(crate) struct Sweep<'a> {
    pub(crate) group: &'a str,
    pub(crate) axis: Axis,
    pub(crate) threads: usize,
    dtype: DType,
    /// Every record, whatever its outcome.
    pub(crate) records: Vec<&'a Record>,
    pub(crate) timing: Timing,
}

/// The cells of one backend, by size.
pub(crate) struct Line<'a> {
    pub(crate) backend: &'a str,
    pub(crate) cells: Vec<&'a Record>,
}

impl<'a> Sweep<'a> {
    /// Every sweep among `records`, which are of one place, in order of first appearance.
    pub(crate) fn all(records: &[&'a Record]) -> Vec<Self> {
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
    pub(crate) fn size(&self, record: &Record) -> usize {
        match self.axis {
            Axis::Len => record.problem.shape.len_k,
            Axis::Dim => record.problem.shape.dim,
        }
    }

    /// Every size at which some backend was measured, ascending.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let measured = self.records.iter().filter(|r| r.measurement().is_some());
        let mut sizes: Vec<_> = measured.map(|r| self.size(r)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// One line per backend.
    pub(crate) fn lines(&self) -> Vec<Line<'a>> {
        let lines = backends(&self.records).into_iter().map(|backend| {
            let of_backend = self.records.iter().filter(|r| r.backend == backend);
            let mut cells: Vec<_> = of_backend.copied().collect();
            cells.sort_by_key(|r| self.size(r));
            Line { backend, cells }
        });
        lines.collect()
    }

    /// What all cells share: `full attention, H = 1, D = 64, f32, 1 thread`.
    pub(crate) fn description(&self) -> String {
        let specs: Vec<&ProblemSpec> = self.records.iter().map(|r| &r.problem).collect();
        let mut parts = vec![match shared(&specs, |s| s.causal.is_some()) {
            Some(true) => "causal attention".to_owned(),
            Some(false) => "full attention".to_owned(),
            None => "attention".to_owned(),
        }];
        let score = shared(&specs, |s| s.score.kind()).filter(|&kind| kind != ScoreKind::ScaledDot);
        parts.extend(score.map(|kind| format!("{kind} score")));
        let batch = shared(&specs, |s| s.shape.batch).filter(|&b| b != 1);
        parts.extend(batch.map(|b| size("B", b, b)));
        let heads = shared(&specs, |s| (s.shape.heads_q, s.shape.heads_kv));
        parts.extend(heads.map(|(q, kv)| size("H", q, kv)));
        parts.extend(self.lengths(&specs));
        let dims = shared(&specs, |s| (s.shape.dim, s.shape.dim_v));
        let dims = dims.filter(|_| self.axis == Axis::Len);
        parts.extend(dims.map(|(d, dv)| size("D", d, dv)));
        parts.push(self.dtype.to_string());
        parts.push(count(self.threads, "thread"));
        parts.join(", ")
    }

    /// Those lengths that do not vary: `N = 512`, `Nq = 1`.
    fn lengths(&self, specs: &[&ProblemSpec]) -> Option<String> {
        let queries = shared(specs, |s| s.shape.len_q)?;
        let square = specs.iter().all(|s| s.shape.len_q == s.shape.len_k);
        let keys = shared(specs, |s| s.shape.len_k).filter(|_| self.axis == Axis::Dim);
        match keys {
            // Of a single point the length is on the axis already.
            None if square => None,
            None => Some(size("Nq", queries, queries)),
            Some(keys) if keys == queries => Some(size("N", keys, keys)),
            Some(keys) => Some(format!("N = {queries}x{keys}")),
        }
    }

    /// The letter of the size that varies.
    pub(crate) fn symbol(&self) -> &'static str {
        match self.axis {
            Axis::Len => "N",
            Axis::Dim => "D",
        }
    }

    /// Where on the axis a cell is: `N = 512`.
    pub(crate) fn at(&self, record: &Record) -> String {
        format!("{} = {}", self.symbol(), self.size(record))
    }

    /// The shortest median at the size of a cell.
    pub(crate) fn best(&self, record: &Record) -> Option<f64> {
        let rivals = self.records.iter().filter(|r| self.size(r) == self.size(record));
        best_ns(&rivals.copied().collect::<Vec<_>>())
    }

    /// Arguments of `attn run` that select these cells.
    pub(crate) fn again(&self) -> String {
        let Sweep { group, threads, timing, .. } = self;
        format!("-c '{group}' --threads {threads} --timing {timing}")
    }

    /// A name for files: `seq-len-full`, with the storage type where it is not f32.
    pub(crate) fn slug(&self) -> String {
        let group = self.group.strip_prefix("sweep/").unwrap_or(self.group);
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        // File systems allow 255 bytes.
        let slug: String = group.chars().map(plain).take(100).collect();
        if self.dtype == DType::F32 { slug } else { format!("{slug}-{}", self.dtype) }
    }
}

/// One thread where that was measured; another number only where it is the only one.
fn threads(records: &[&Record]) -> Option<usize> {
    let first = records.first()?.threads;
    let uniform = records.iter().all(|r| r.threads == first);
    let single = records.iter().any(|r| r.threads == 1);
    uniform.then_some(first).or(single.then_some(1))
}

fn shared<T: PartialEq>(specs: &[&ProblemSpec], of: impl Fn(&ProblemSpec) -> T) -> Option<T> {
    let first = of(specs.first()?);
    specs.iter().all(|s| of(s) == first).then_some(first)
}

/// `H = 32/8`, or `H = 8` where both are the same.
fn size(name: &str, a: usize, b: usize) -> String {
    if a == b { format!("{name} = {a}") } else { format!("{name} = {a}/{b}") }
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
    fn descriptions_name_what_does_not_vary() {
        let records = fixture::sweep("sweep/seq-len/full", &["a"], &[64, 128]);
        let sweeps = Sweep::all(&refs(&records));
        let text = "full attention, H = 1, D = 64, f32, 1 thread";
        assert_eq!(sweeps[0].description(), text);
        assert_eq!(sweeps[0].slug(), "seq-len-full");
        assert_eq!(sweeps[0].sizes(), [64, 128]);
    }
}
