//! What is said of figures in plain English, with the same words in a terminal, in Markdown and on pages.

use attn_analysis::compare::GroupWinner;
use attn_analysis::overhead::{Overhead, Spent};
use attn_analysis::scaling::{Crossing, Line, Outgrown, Slope, Sweep};
use attn_record::stats::Interval;

use crate::format::{bytes, count, percent, ratio, significant, two_decimals};

/// `sweep/seq-len/full, f32, kernel, 1 thread`.
pub(crate) fn sweep_title(sweep: &Sweep) -> String {
    let threads = count(sweep.threads, "thread");
    format!("{}, {}, {}, {threads}", sweep.group, sweep.dtype, sweep.timing)
}

/// Slopes that depart from what is expected, and crossings, a sentence each.
pub(crate) fn sweep_sentences(sweep: &Sweep) -> Vec<String> {
    let lines = sweep.backends.iter();
    let slopes = lines.flat_map(|line| line.slopes.iter().map(move |slope| (line, slope)));
    let slopes = slopes.filter_map(|(line, slope)| of_slope(sweep, line, slope));
    slopes.chain(sweep.crossings.iter().map(|crossing| of_crossing(sweep, crossing))).collect()
}

/// `faer: from N = 512 to 1024 the slope is 2.31 (2.25 to 2.37), where the working set (4 MiB) outgrew the
/// L2 cache (2 MiB).` Only where the slope departs from the expected one and a cache was outgrown or, at
/// large sizes, none was.
fn of_slope(sweep: &Sweep, line: &Line, slope: &Slope) -> Option<String> {
    let why = match slope.outgrew {
        Some(Outgrown { level, cache_bytes, what, bytes: held }) => format!(
            "where {} ({}) outgrew the L{level} cache ({})",
            what.name(),
            bytes(held),
            bytes(cache_bytes),
        ),
        None if sweep.is_marked(slope) && line.on_device => {
            "on a device of whose caches nothing is known".into()
        }
        None if sweep.is_marked(slope) => "where it is not known to have outgrown a cache".into(),
        None => return None,
    };
    Some(format!(
        "{}: from {} = {} to {} the slope is {:.2}{}, {why}.",
        line.backend,
        sweep.axis.symbol(),
        slope.from,
        slope.to,
        slope.slope,
        range(slope.interval),
    ))
}

/// `faer overtakes ndarray at N = 310.`
fn of_crossing(sweep: &Sweep, crossing: &Crossing) -> String {
    let Crossing { winner, loser, from, to, at, decided } = crossing;
    let symbol = sweep.axis.symbol();
    if *decided {
        return format!("{winner} overtakes {loser} at {symbol} = {}.", significant(*at));
    }
    format!(
        "{winner} may overtake {loser} between {symbol} = {from} and {to}: their intervals overlap."
    )
}

/// ` (1.93 to 2.03)`.
fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |i| {
        format!(" ({} to {})", two_decimals(i.low), two_decimals(i.high))
    })
}

/// How far ahead of the fastest other, if that is known: `1.11x to 1.28x`.
pub(crate) fn lead(winner: &GroupWinner) -> Option<String> {
    let (low, high) = winner.ahead?;
    let (low, high) = (ratio(low), ratio(high));
    Some(if low == high { low } else { format!("{low} to {high}") })
}

/// Which cases of its group: `all 6`, `n=64 to n=512`, `2 of 5`.
pub(crate) fn cases_won(winner: &GroupWinner) -> String {
    match (&winner.cases[..], winner.neighbours) {
        ([only], _) => only.clone(),
        (cases, _) if cases.len() == winner.of => format!("all {}", winner.of),
        ([first, .., last], true) => format!("{first} to {last}"),
        (cases, _) => format!("{} of {}", cases.len(), winner.of),
    }
}

/// `harness overhead 7% of 38.0 s in 120 cells; oracle time 3.20 s, separate`, and a line for the cells of about a
/// millisecond, if there are any.
pub fn overhead(overhead: &Overhead) -> Vec<String> {
    let oracles = significant(overhead.oracle_ns as f64 / 1e9);
    let all =
        format!("harness overhead {}; oracle time {oracles} s, separate", spent(&overhead.all));
    let ms = overhead.about_a_millisecond;
    let of_ms = (ms.cells > 0).then(|| format!("  {} whose call takes about 1 ms", spent(&ms)));
    std::iter::once(all).chain(of_ms).collect()
}

fn spent(of: &Spent) -> String {
    let (share, wall) = (percent(of.overhead()), significant(of.wall_ns as f64 / 1e9));
    format!("{share} of {wall} s in {}", count(of.cells, "cell"))
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;
    use attn_analysis::scaling::Scaling;

    use super::*;

    #[test]
    fn sentences_read_like_this() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a", "b"], &[512, 1024, 2048]);
        for (record, ns) in records.iter_mut().zip([9e5, 1e6, 9e6, 4e6, 36e6, 16e6]) {
            record.volatile.measurement = Some(fixture::certain(ns));
        }
        for (record, mib) in records.iter_mut().step_by(2).zip([1, 3, 12]) {
            record.volatile.memory = Some(fixture::peak(mib << 20));
        }
        let sweep = &Scaling::of(&records, &[]).sweeps[0];
        assert_eq!(sweep_title(sweep), "sweep/seq-len/full, f32, kernel, 1 thread");
        let said = sweep_sentences(sweep);
        let slope = "a: from N = 512 to 1024 the slope is 3.32 (3.32 to 3.32), where the working set (4 MiB) \
                     outgrew the L2 cache (2 MiB).";
        assert!(said.iter().any(|said| said == slope), "{said:?}");
        let slope = "a: from N = 1024 to 2048 the slope is 2.00 (2.00 to 2.00)";
        assert!(!said.iter().any(|said| said.starts_with(slope)), "{said:?}");
        assert_eq!(said.last().unwrap(), "b overtakes a at N = 554.");
    }

    #[test]
    fn a_device_has_no_caches_that_are_known() {
        let mut records = fixture::sweep("sweep/seq-len/full", &["a"], &[512, 1024]);
        for (record, ns) in records.iter_mut().zip([1e3, 8e3]) {
            record.volatile.measurement = Some(fixture::certain(ns));
            record.info.as_mut().unwrap().device = "a GPU".into();
        }
        let said = sweep_sentences(&Scaling::of(&records, &[]).sweeps[0]).join(" ");
        assert!(said.ends_with("on a device of whose caches nothing is known."), "{said}");
    }

    #[test]
    fn cases_that_are_won_are_counted_or_named() {
        let winner = |cases: &[&str], neighbours, of| GroupWinner {
            group: "g".into(),
            leaders: vec!["a".into()],
            cases: cases.iter().map(|case| (*case).to_owned()).collect(),
            neighbours,
            of,
            ahead: Some((1.5, 2.0)),
        };
        assert_eq!(cases_won(&winner(&["n=64", "n=128"], true, 3)), "n=64 to n=128");
        assert_eq!(cases_won(&winner(&["n=256"], true, 3)), "n=256");
        assert_eq!(cases_won(&winner(&["n=64", "n=128"], false, 3)), "2 of 3");
        let all = winner(&["n=64", "n=128"], true, 2);
        assert_eq!((cases_won(&all), lead(&all)), ("all 2".into(), Some("1.50x to 2.00x".into())));
        assert_eq!(lead(&GroupWinner { ahead: None, ..all }), None);
    }

    #[test]
    fn overhead_is_a_line_and_one_more_for_cells_of_a_millisecond() {
        let mut cells = [99_000.0, 999_000.0].map(|ns| fixture::ok("sweep/len/n=1", "a", ns));
        cells[0].volatile.oracle_ns = Some(2_000_000_000);
        let lines = overhead(&Overhead::of(&cells).unwrap());
        assert!(lines[0].ends_with(" s in 2 cells; oracle time 2.00 s, separate"), "{lines:?}");
        assert!(lines[1].ends_with(" s in 1 cell whose call takes about 1 ms"), "{lines:?}");
    }
}
