//! How time and memory grow, as data: exponents, local slopes, crossings, threads.
//!
//! | file | what |
//! |---|---|
//! | `exponents` | fitted exponents of one backend along one sweep |
//! | `slopes` | the slope between neighbouring sizes, and which cache was outgrown there |
//! | `crossings` | where one backend overtakes another |
//! | `threads` | speed-up and efficiency |
//!
//! A sweep is what differs in one size and in the backend alone: cells of other storage types, numbers of
//! threads and timings are other sweeps. Only cells that ended `ok` count.

mod crossings;
mod exponents;
mod series;
mod slopes;
mod threads;

use attn_core::DType;
use attn_record::{Axis, Record, Timing};
use serde::Serialize;

pub use crossings::Crossing;
pub use exponents::{Bound, Exponent};
pub use slopes::{Held, Outgrown, Slope};
pub use threads::{Speedup, Threads};

use crate::peak_rates::on_processor;
use crate::place::Place;
use series::Series;

/// Sizes from here on are fitted once more on their own: below, the fixed costs of a call bend the line.
pub const LARGE: usize = 512;

/// Where backends, by their paths, keep their scores: no record says it.
pub type Known<'a> = [(&'a str, Scores)];

/// Where a backend keeps the scores of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scores {
    /// All N x N of a head at once: its scratch grows with the square of the length.
    Matrix,
    /// A row or a tile at a time: its scratch grows no faster than the length.
    Part,
}

/// How time and memory grow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scaling {
    /// One per sweep, in order of first appearance.
    pub sweeps: Vec<Sweep>,
    /// Cells that were measured with several numbers of threads.
    pub threads: Vec<Threads>,
}

/// One sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// Machine and build.
    pub place: Place,
    /// What the paths of its cases start with.
    pub group: String,
    /// The size that varies.
    pub axis: Axis,
    /// Storage type.
    pub dtype: DType,
    /// What was timed.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// Number of threads.
    pub threads: usize,
    /// The exponent of the exact counts of the work between the two largest sizes: what the time tends to.
    pub expected: Option<f64>,
    /// One per backend that was measured.
    pub backends: Vec<Line>,
    /// Where the order of two backends changes.
    pub crossings: Vec<Crossing>,
}

impl Sweep {
    /// Whether a slope at large sizes departs from the expected one.
    pub fn is_marked(&self, slope: &Slope) -> bool {
        self.axis == Axis::Len && slope.from >= LARGE && slope.departs == Some(true)
    }
}

/// One backend along a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Path of the backend.
    pub backend: String,
    /// Whether another device than the processor computed, of whose caches nothing is known.
    pub on_device: bool,
    /// Of the time per call.
    pub time: Exponent,
    /// Of the peak memory.
    pub memory: Exponent,
    /// What the peak memory should grow like, if it is known where this backend keeps its scores.
    pub memory_expected: Option<Bound>,
    /// Between neighbouring sizes, of the time per call.
    pub slopes: Vec<Slope>,
}

impl Scaling {
    /// Of `records`, with what is `known` of their backends besides.
    pub fn of(records: &[Record], known: &Known<'_>) -> Self {
        Scaling::of_cells(&records.iter().collect::<Vec<_>>(), known)
    }

    /// The same of chosen records.
    pub fn of_cells(records: &[&Record], known: &Known<'_>) -> Self {
        let series = Series::all(records);
        Scaling {
            sweeps: series.iter().map(|series| sweep(series, known)).collect(),
            threads: Threads::of(records),
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.sweeps.is_empty() && self.threads.is_empty()
    }
}

fn sweep(series: &Series<'_>, known: &Known<'_>) -> Sweep {
    let expected = exponents::of_work(series);
    let line = |(backend, points): &(String, Vec<series::Point<'_>>)| {
        let scores = known.iter().find(|(id, _)| id == backend).map(|(_, scores)| *scores);
        let memory = points.iter().filter_map(|p| Some((p.size, p.record.peak_bytes()? as f64)));
        Line {
            backend: backend.clone(),
            on_device: points.iter().any(|point| !on_processor(point.record)),
            time: Exponent::of(points.iter().map(|p| (p.size, p.ns))),
            memory: Exponent::of(memory),
            memory_expected: scores.map(|scores| exponents::of_memory(series, scores)),
            slopes: slopes::all(points, expected),
        }
    };
    Sweep {
        place: series.place.clone(),
        group: series.group.clone(),
        axis: series.axis,
        dtype: series.dtype,
        timing: series.timing,
        threads: series.threads,
        expected,
        backends: series.lines.iter().map(line).collect(),
        crossings: crossings::all(&series.lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn sweeps_of_other_models_threads_and_machines_are_apart() {
        let sizes = [256, 512, 1024];
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &sizes);
        let cold = fixture::sweep("sweep/seq-len/full", &["a"], &sizes);
        records.extend(cold.into_iter().map(|r| Record { timing: Some(Timing::KernelCold), ..r }));
        let parallel = fixture::sweep("sweep/seq-len/full", &["a"], &sizes);
        records.extend(parallel.into_iter().map(|r| Record { threads: 2, ..r }));
        let foreign = fixture::sweep("sweep/seq-len/full", &["a"], &sizes);
        records.extend(foreign.into_iter().map(fixture::elsewhere));
        let scaling = Scaling::of(&records, &[]);
        let heads: Vec<_> =
            scaling.sweeps.iter().map(|s| (s.timing, s.threads, s.backends.len())).collect();
        assert_eq!(
            heads,
            [
                (Timing::Kernel, 1, 2),
                (Timing::KernelCold, 1, 1),
                (Timing::Kernel, 2, 1),
                (Timing::Kernel, 1, 1)
            ]
        );
        assert_eq!(scaling.threads.len(), 3, "a at three sizes");
        let json = serde_json::to_value(&scaling).unwrap();
        assert_eq!(json["sweeps"][0]["backends"][1]["backend"], "b");
    }

    #[test]
    fn nothing_makes_nothing() {
        assert!(Scaling::of(&[], &[]).is_empty());
    }
}
