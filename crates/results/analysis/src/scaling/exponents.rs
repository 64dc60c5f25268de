//! Fitted exponents, and those that theory expects.

use attn_core::Work;
use attn_record::Axis;
use attn_record::stats::Fit;
use serde::Serialize;

use super::series::Series;
use super::{LARGE, Scores};

/// The exponent of a power law along a size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exponent {
    /// Over all sizes; `None` for fewer than two.
    pub all: Option<Fit>,
    /// Over the sizes from 512 on.
    pub large: Option<Fit>,
}

/// What an exponent should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The exponent.
    pub exponent: f64,
    /// Whether a smaller one is as good.
    pub at_most: bool,
}

impl Exponent {
    pub(super) fn of(points: impl Iterator<Item = (usize, f64)>) -> Self {
        let points: Vec<(f64, f64)> = points.map(|(size, y)| (size as f64, y)).collect();
        let large: Vec<_> = points.iter().filter(|(n, _)| *n >= LARGE as f64).copied().collect();
        Exponent { all: Fit::power_law(&points), large: Fit::power_law(&large) }
    }

    /// The fit over large sizes where it has an interval, else that over all.
    pub fn best(&self) -> Option<Fit> {
        self.large.filter(|fit| fit.interval.is_some()).or(self.all)
    }
}

/// The exponent of the exact counts between the two largest sizes, to one decimal. Against N of the pairs, beside
/// which projections of single tokens vanish: 2 for attention of N queries to N keys, causal or not, 1 for
/// few queries and for windows. Against D of the operations: 1.
pub(super) fn of_work(series: &Series<'_>) -> Option<f64> {
    let count = |work: &Work| match series.axis {
        Axis::Len => work.pairs,
        Axis::Dim => work.flops.0,
    };
    let mut counts: Vec<(usize, u64)> =
        series.points().map(|p| (p.size, count(&p.record.work))).collect();
    counts.sort_unstable();
    counts.dedup_by_key(|(size, _)| *size);
    let [.., (n1, f1), (n2, f2)] = counts[..] else {
        return None;
    };
    let slope = (f2 as f64 / f1 as f64).ln() / (n2 as f64 / n1 as f64).ln();
    slope.is_finite().then(|| (slope * 10.0).round() / 10.0)
}

/// Scratch of Nq x Nk scores, or of no more than some rows of them.
pub(super) fn of_memory(series: &Series<'_>, scores: Scores) -> Bound {
    let square = series.points().all(|p| p.record.problem.shape.len_q == p.size);
    match (series.axis, scores) {
        (Axis::Len, Scores::Matrix) if square => Bound { exponent: 2.0, at_most: false },
        (Axis::Len | Axis::Dim, _) => Bound { exponent: 1.0, at_most: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::scaling::Scaling;

    #[test]
    fn a_square_law_is_found_over_all_and_over_large_sizes() {
        let records = fixture::sweep("sweep/seq-len/full", &["a"], &[64, 128, 512, 1024, 2048]);
        let scores = [("a", Scores::Matrix)];
        let scaling = Scaling::of(&records, &scores);
        let sweep = &scaling.sweeps[0];
        let time = sweep.backends[0].time;
        assert_eq!(sweep.expected, Some(2.0));
        assert_eq!(sweep.backends[0].memory_expected.unwrap().exponent, 2.0);
        assert_eq!((time.all.unwrap().points, time.large.unwrap().points), (5, 3));
        for fit in [time.all.unwrap(), time.large.unwrap()] {
            assert!((fit.slope - 2.0).abs() < 1e-9);
            assert!(fit.interval.is_some());
        }
        assert_eq!(sweep.backends[0].memory.best(), None, "nobody counted");
    }

    #[test]
    fn projections_of_tokens_leave_the_square() {
        let mut records = fixture::sweep("sweep/additive", &["a"], &[64, 128]);
        for (record, flops) in records.iter_mut().zip([3 << 20, 9 << 20]) {
            record.work.flops = attn_core::Flops(flops);
        }
        assert_eq!(Scaling::of(&records, &[]).sweeps[0].expected, Some(2.0));
    }

    #[test]
    fn few_queries_make_the_expected_exponent_one() {
        let mut records = fixture::sweep("sweep/decode", &["a"], &[64, 128]);
        for record in &mut records {
            record.problem.shape.len_q = 1;
            let problem = attn_core::Problem::new(record.problem.clone()).unwrap();
            record.work = attn_core::Work::of(&problem, None);
        }
        let scores = [("a", Scores::Matrix)];
        let scaling = Scaling::of(&records, &scores);
        assert_eq!(scaling.sweeps[0].expected, Some(1.0));
        assert!(scaling.sweeps[0].backends[0].memory_expected.unwrap().at_most);
    }
}
