//! Points that say their values when they are pointed at.

use attn_analysis::peak_rates::PeakRates;
use attn_record::Record;

use super::canvas::{Point, number};
use crate::format::{bytes, percent, ratio, significant, time};

/// A point of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct TooltipPoint {
    /// In units of the picture's `viewBox`.
    pub x: f64,
    /// In units of the picture's `viewBox`.
    pub y: f64,
    /// What it belongs to: a backend.
    pub series: String,
    /// What it says, a fact per line.
    pub text: String,
}

impl TooltipPoint {
    pub(super) fn at(point: Point, series: &str, text: &str) -> Self {
        let (x, y) = (number(point.0), number(point.1));
        TooltipPoint { x, y, series: series.into(), text: text.into() }
    }
}

/// What a measured cell says: who, where, the time with its interval, the rate, the ratio to `best`, the
/// fastest of the same case, and the memory.
pub(super) fn facts(
    record: &Record,
    place: &str,
    best: Option<f64>,
    peak_rates: &PeakRates,
) -> String {
    let mut lines = vec![format!("{}, {place}", record.backend)];
    lines.extend(record.median_ns().map(|ns| time(ns) + &interval(record)));
    lines.extend(record.gflops().map(|rate| {
        let share = peak_rates.share(record).map(|share| format!(", {} of peak", percent(share)));
        format!("{} GFLOP/s{}", significant(rate), share.unwrap_or_default())
    }));
    let to_best = record.median_ns().zip(best).map(|(ns, best)| ns / best);
    lines.extend(to_best.map(|to_best| match to_best {
        1.0 => "the fastest here".into(),
        to_best => format!("{} the time of the fastest here", ratio(to_best)),
    }));
    lines.extend(record.peak_bytes().map(|peak| format!("{} of scratch at its peak", bytes(peak))));
    lines.join("\n")
}

/// ` (12.1 to 12.5 ms)`: the interval of the time at 95 %.
fn interval(record: &Record) -> String {
    let ends = record.interval().map(|estimate| estimate.interval);
    ends.map_or_else(String::new, |i| format!(" ({} to {})", time(i.low), time(i.high)))
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{certain, ok};

    use super::*;

    #[test]
    fn a_cell_says_what_was_measured() {
        let mut record = ok("g/n=64", "faer", 0.0);
        record.volatile.measurement = Some(certain(20_000.0));
        let text = facts(&record, "N = 64", Some(10_000.0), &PeakRates::default());
        let expected = "faer, N = 64\n20.0 µs (20.0 µs to 20.0 µs)\n52.4 GFLOP/s\n2.00x the time of the fastest here";
        assert_eq!(text, expected);
        assert!(
            facts(&record, "", Some(20_000.0), &PeakRates::default()).ends_with("the fastest here")
        );
    }
}
