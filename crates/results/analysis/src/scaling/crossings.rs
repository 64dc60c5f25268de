//! Where one backend overtakes another.

use serde::Serialize;

use super::series::Point;
use crate::certainty::differs;

/// Between two neighbouring sizes, two backends change places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crossing {
    /// The backend that is faster at the larger size.
    pub winner: String,
    /// The backend that is faster at the smaller size.
    pub loser: String,
    /// The smaller size.
    pub from: usize,
    /// The larger size.
    pub to: usize,
    /// Where straight lines on log-log axes cross.
    pub at: f64,
    /// Whether their times differ at both sizes by more than their intervals allow.
    pub decided: bool,
}

pub(super) fn all(lines: &[(String, Vec<Point<'_>>)]) -> Vec<Crossing> {
    let pairs =
        lines.iter().enumerate().flat_map(|(at, a)| lines[at + 1..].iter().map(move |b| (a, b)));
    pairs.flat_map(|((a, of_a), (b, of_b))| between(a, of_a, b, of_b)).collect()
}

/// The crossings of two backends, over the sizes that both were measured at.
fn between(a: &str, of_a: &[Point<'_>], b: &str, of_b: &[Point<'_>]) -> Vec<Crossing> {
    let shared = of_a.iter().filter_map(|p| Some((p, of_b.iter().find(|q| q.size == p.size)?)));
    // Where both are equal the lines touch: the neighbours say whether they cross.
    let shared: Vec<_> = shared.filter(|(p, q)| p.ns != q.ns).collect();
    let crossings = shared.windows(2).filter_map(|pair| {
        let gaps = [0, 1].map(|at| (pair[at].0.ns / pair[at].1.ns).ln());
        if (gaps[0] > 0.0) == (gaps[1] > 0.0) {
            return None;
        }
        let (from, to) = (pair[0].0.size, pair[1].0.size);
        let along = gaps[0] / (gaps[0] - gaps[1]);
        let (winner, loser) = if gaps[0] > 0.0 { (a, b) } else { (b, a) };
        Some(Crossing {
            winner: winner.into(),
            loser: loser.into(),
            from,
            to,
            at: (from as f64) * (to as f64 / from as f64).powf(along),
            decided: pair.iter().all(|(p, q)| apart(p, q)),
        })
    });
    crossings.collect()
}

fn apart(p: &Point<'_>, q: &Point<'_>) -> bool {
    let ratio = || p.record.measurement()?.ratio_to(q.record.measurement()?);
    ratio().is_some_and(|ratio| differs(&ratio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::scaling::Scaling;

    /// The first backend takes `first` at 256 and 1024, the second 100 and 400.
    fn crossings(first: [f64; 2]) -> Vec<Crossing> {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[256, 1024]);
        for (record, ns) in records.iter_mut().zip([first[0], 100.0, first[1], 400.0]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        Scaling::of(&records, &[]).sweeps[0].crossings.clone()
    }

    #[test]
    fn lines_cross_where_they_are_equal() {
        let found = crossings([200.0, 200.0]);
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].winner, &*found[0].loser, found[0].decided), ("a", "b", true));
        assert!((found[0].at - 512.0).abs() < 1e-9, "half way on a log axis: {}", found[0].at);
        assert_eq!(crossings([50.0, 800.0])[0].winner, "b");
    }

    #[test]
    fn lines_that_stay_apart_or_touch_do_not_cross() {
        assert_eq!(crossings([200.0, 800.0]), []);
        assert_eq!(crossings([100.0, 800.0]), []);
    }

    #[test]
    fn overlapping_intervals_decide_nothing() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[256, 1024]);
        let fast = records[0].clone();
        records[1].volatile.measurement = fast.volatile.measurement.map(|mut m| {
            m.processes[0].samples_ns.iter_mut().for_each(|ns| *ns -= 1);
            m
        });
        let found = Scaling::of(&records, &[]).sweeps[0].crossings.clone();
        assert_eq!((found.len(), found[0].decided), (1, false));
    }
}
