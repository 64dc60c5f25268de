//! The slope between neighbouring sizes.

use attn_core::ProblemSpec;
use attn_record::stats::Interval;
use attn_record::{Cache, Record};
use serde::Serialize;

use super::series::Point;
use crate::certainty::believed;
use crate::peak_rates::on_processor;

/// A slope this far from the expected one is worth a reason.
const TOLERANCE: f64 = 0.1;

/// The exponent between two neighbouring sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// The smaller size.
    pub from: usize,
    /// The larger size.
    pub to: usize,
    /// `ln(t2 / t1) / ln(n2 / n1)`.
    pub slope: f64,
    /// From the interval of `t2 / t1`, which is widened by 10 % on both sides where a cell was measured
    /// in one process only.
    pub interval: Option<Interval>,
    /// Whether it is more than 0.1 away from the expected exponent; `None` if none is expected.
    pub departs: Option<bool>,
    /// The cache that held the working set at `from` and no longer does at `to`, or else one head's scores, where the
    /// slope is more than 0.1 above the expected one.
    pub outgrew: Option<Outgrown>,
}

/// A cache and what no longer fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outgrown {
    /// Level of the cache.
    pub level: u8,
    /// Its size.
    pub cache_bytes: u64,
    /// What it held.
    pub what: Held,
    /// Bytes of that at the larger size.
    pub bytes: u64,
}

/// What a cache held, which a larger problem no longer fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// All that a call touches: the peak memory that was counted, and inputs and output.
    WorkingSet,
    /// The scores of one head, `len_q x len_k`, of a backend whose memory has room for them: what each
    /// step of a composed attention passes over.
    Scores,
}

impl Held {
    /// As in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Held::WorkingSet => "the working set",
            Held::Scores => "the scores of a head",
        }
    }

    fn bytes(self, record: &Record) -> Option<u64> {
        match self {
            Held::WorkingSet => record.working_set(),
            Held::Scores => scores_of_a_head(record),
        }
    }
}

/// In the type of the inputs.
fn scores_of_a_head(record: &Record) -> Option<u64> {
    let ProblemSpec { shape, dtype, .. } = &record.problem;
    let bytes = (shape.len_q * shape.len_k * dtype.size()) as u64;
    (bytes <= record.peak_bytes()?).then_some(bytes)
}

pub(super) fn all(points: &[Point<'_>], expected: Option<f64>) -> Vec<Slope> {
    let slope = |pair: &[Point<'_>]| {
        let (a, b) = (&pair[0], &pair[1]);
        let steps = (b.size as f64 / a.size as f64).ln();
        let slope = (b.ns / a.ns).ln() / steps;
        let above = expected.map(|expected| slope - expected);
        let slower = above.is_some_and(|above| above > TOLERANCE);
        Slope {
            from: a.size,
            to: b.size,
            slope,
            interval: interval(a.record, b.record).map(|ratio| ratio.map(|x| x.ln() / steps)),
            departs: above.map(|above| above.abs() > TOLERANCE),
            outgrew: slower.then(|| outgrown(a.record, b.record)).flatten(),
        }
    };
    points.windows(2).map(slope).collect()
}

/// Of the time of `b` divided by that of `a`.
fn interval(a: &Record, b: &Record) -> Option<Interval> {
    Some(believed(&b.measurement()?.ratio_to(a.measurement()?)?))
}

/// The largest cache of the processor that was outgrown: by all, or else by the scores.
fn outgrown(a: &Record, b: &Record) -> Option<Outgrown> {
    if !on_processor(b) {
        return None;
    }
    let by = |what: Held| {
        let (before, after) = (what.bytes(a)?, what.bytes(b)?);
        let caches = b.machine.caches.iter();
        let left = caches.filter(|cache| before <= cache.bytes && cache.bytes < after);
        let &Cache { level, bytes } = left.max_by_key(|cache| cache.level)?;
        Some(Outgrown { level, cache_bytes: bytes, what, bytes: after })
    };
    by(Held::WorkingSet).or_else(|| by(Held::Scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::scaling::Scaling;

    /// Of 256, 512 and 1024 tokens, with `peaks` KiB of memory beside 256, 512 and 1024 KiB of inputs and output.
    fn slopes(times: [f64; 3], peaks: [u64; 3]) -> Vec<Slope> {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a"], &[256, 512, 1024]);
        for ((record, ns), peak) in records.iter_mut().zip(times).zip(peaks) {
            record.volatile.measurement = Some(fixture::certain(ns));
            record.volatile.memory = Some(fixture::peak(peak << 10));
        }
        let scaling = Scaling::of(&records, &[]);
        scaling.sweeps[0].backends[0].slopes.clone()
    }

    #[test]
    fn where_the_line_steps_up_the_outgrown_cache_is_named() {
        let found = slopes([1000.0, 4000.0, 32_000.0], [256, 1024, 4096]);
        assert!((found[0].slope - 2.0).abs() < 1e-12 && found[0].departs == Some(false));
        assert_eq!(found[0].outgrew, None);
        assert!((found[1].slope - 3.0).abs() < 1e-12);
        assert!((found[1].interval.unwrap().low - 3.0).abs() < 1e-9);
        let l2 =
            Outgrown { level: 2, cache_bytes: 2 << 20, what: Held::WorkingSet, bytes: 5 << 20 };
        assert_eq!(found[1].outgrew, Some(l2));
    }

    #[test]
    fn where_all_was_too_large_before_the_scores_may_be_what_outgrew_a_cache() {
        // Scores of 1024 tokens are 4 MiB and do not fit the L2 of 2 MiB, those of 512 do.
        let found = slopes([1000.0, 4000.0, 32_000.0], [4096, 8192, 32_768]);
        let l2 = Outgrown { level: 2, cache_bytes: 2 << 20, what: Held::Scores, bytes: 4 << 20 };
        assert_eq!(found[1].outgrew, Some(l2));
        // A backend without room for them holds none.
        assert_eq!(slopes([1000.0, 4000.0, 32_000.0], [2048, 2048, 3072])[1].outgrew, None);
    }

    #[test]
    fn a_device_has_no_part_in_the_processors_caches() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a"], &[512, 1024]);
        for ((record, ns), peak) in records.iter_mut().zip([1e3, 8e3]).zip([1, 4]) {
            record.volatile.measurement = Some(fixture::certain(ns));
            record.volatile.memory = Some(fixture::peak(peak << 20));
            record.info.as_mut().unwrap().device = "a GPU".into();
        }
        let scaling = Scaling::of(&records, &[]);
        let [sweep] = &scaling.sweeps[..] else { panic!("one sweep") };
        assert_eq!(sweep.backends[0].slopes[0].outgrew, None);
        assert!(sweep.backends[0].on_device);
    }

    #[test]
    fn a_step_between_the_same_caches_has_no_reason() {
        let found = slopes([1000.0, 4000.0, 32_000.0], [1, 2, 4]);
        assert_eq!((found[1].departs, found[1].outgrew), (Some(true), None));
    }

    #[test]
    fn a_cache_that_is_outgrown_makes_nothing_faster() {
        let found = slopes([1000.0, 4000.0, 8000.0], [256, 1024, 4096]);
        assert_eq!((found[1].departs, found[1].outgrew), (Some(true), None));
    }
}
