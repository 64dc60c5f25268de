//! What the figures say, in sentences: who is the fastest where, is everything right, how does it scale and
//! how far from the machine's limit is it.

use attn_analysis::compare::{GroupWinner, winners};
use attn_analysis::scaling::{Exponent, LARGE, Line, Sweep, Threads};
use attn_analysis::summary::Summary;
use attn_record::{Axis, Outcome, Record, Timing};

use super::html::{strong, text};
use crate::format::{bytes, count, percent, ratio, significant};
use crate::sentences::{self, cases_won};
use crate::source::MachineSection;

/// Leads of a group that are told one by one.
const LEADS: usize = 4;

/// `faer is the fastest overall; ndarray next with 1.54x its time (geometric mean over 23 cases).` As plain text.
pub(super) fn overall(records: &[&Record]) -> Option<String> {
    let summary = Summary::of_cells(records);
    let [first, rest @ ..] = &summary.ranking[..] else { return None };
    let next = rest.first().map_or_else(String::new, |next| {
        format!("; {} next with {} its time", next.backend, ratio(next.ratio / first.ratio))
    });
    let cases = count(first.cells, "case");
    Some(format!("{} is the fastest overall{next} (geometric mean over {cases}).", first.backend))
}

/// Who leads each group of cases.
pub(super) fn fastest(machine: &MachineSection<'_>) -> Vec<String> {
    let winners = winners(&machine.records);
    let groups = winners.chunk_by(|a, b| a.group == b.group);
    // A single case is no place to lead in.
    groups.filter(|group| group[0].of > 1).map(group).collect()
}

/// `sweep/seq-len/full: faer (n=64 to n=512), 1.11x to 1.28x ahead; then faer or ndarray.`
fn group(winners: &[GroupWinner]) -> String {
    let left: usize = winners.iter().skip(LEADS).map(|lead| lead.cases.len()).sum();
    let left = (left > 0).then(|| format!("others in {}", count(left, "more case")));
    let parts: Vec<String> = winners
        .iter()
        .take(LEADS)
        .map(|lead| {
            let names: Vec<String> = lead.leaders.iter().map(|name| strong(name)).collect();
            let cases = if lead.cases.len() == lead.of {
                String::new()
            } else {
                format!(" ({})", text(&cases_won(lead)))
            };
            let alone = sentences::lead(lead).filter(|_| lead.leaders.len() == 1);
            let ahead = alone.map_or_else(String::new, |span| format!(", ahead by {span}"));
            format!("{}{cases}{ahead}", names.join(" or "))
        })
        .chain(left)
        .collect();
    format!("{}: {}.", text(&winners[0].group), parts.join("; "))
}

/// How many results are right, and what was not.
pub(super) fn right(records: &[&Record]) -> Vec<String> {
    let summary = Summary::of_cells(records);
    let n = |outcome| summary.count(outcome);
    let (ok, wrong) = (n(Outcome::Ok), n(Outcome::Disagrees));
    let failed = n(Outcome::Error) + n(Outcome::Timeout);
    let mut said = vec![match (ok, wrong) {
        (0, 0) => "No cell was checked.".into(),
        (ok, 0) => format!("{}: all {ok} results agree with the f64 oracle.", strong("Yes")),
        (ok, wrong) => format!(
            "<strong class=\"bad\">No</strong>: {wrong} of {} results disagree with the f64 oracle.",
            ok + wrong
        ),
    }];
    if !summary.not_ranked.is_empty() {
        let names: Vec<String> = summary.not_ranked.iter().map(|name| strong(name)).collect();
        said.push(format!("Wrong somewhere, and so not ranked: {}.", names.join(", ")));
    }
    if failed > 0 {
        let cells = count(failed, "cell");
        said.push(format!("<strong class=\"bad\">{cells} failed</strong> or ran out of time."));
    }
    let implausible = n(Outcome::Implausible);
    if implausible > 0 {
        let cells = count(implausible, "cell");
        let verb = if implausible == 1 { "has" } else { "have" };
        said.push(format!(
            "<strong class=\"bad\">{cells} {verb} a time that cannot be</strong>, which is not shown."
        ));
    }
    let others = [Outcome::Unsupported, Outcome::Unavailable, Outcome::Skipped, Outcome::Untried];
    let others: Vec<String> = others
        .into_iter()
        .filter(|&outcome| n(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", n(outcome)))
        .collect();
    if !others.is_empty() {
        said.push(format!("Not run: {}.", others.join(", ")));
    }
    said
}

/// The right result that came closest to what is allowed.
pub(super) fn accuracy(records: &[&Record]) -> Option<String> {
    let worst = Summary::of_cells(records).worst?;
    Some(format!(
        "The largest error uses {} of its budget ({} on {}).",
        strong(&percent(worst.share)),
        text(&worst.backend),
        text(&worst.case),
    ))
}

/// How time and memory grow, and what threads gain.
pub(super) fn growths(machine: &MachineSection<'_>) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(sweep) = longest(&machine.scaling.sweeps) {
        said.extend(growth(sweep, "Time", |line| line.time));
        said.extend(growth(sweep, "Scratch", |line| line.memory));
        said.extend(scratch(machine, sweep));
    }
    said.extend(speedup(&machine.scaling.threads));
    said
}

/// The sweep over N with the most sizes, the first of several.
fn longest(sweeps: &[Sweep]) -> Option<&Sweep> {
    let over_n = sweeps.iter().filter(|s| s.axis == Axis::Len && s.timing == Timing::Kernel);
    over_n.rev().max_by_key(|sweep| sweep.backends.iter().map(|line| line.slopes.len()).max())
}

/// `Time grows as N^1.98 (faer) to N^2.05 (naive) for N >= 512; expected is N^2.`
fn growth(sweep: &Sweep, what: &str, exponent: fn(&Line) -> Exponent) -> Option<String> {
    let fits = sweep.backends.iter().filter_map(|l| Some((exponent(l).best()?, l)));
    let mut lines: Vec<(f64, &str)> =
        fits.map(|(fit, line)| (fit.slope, line.backend.as_str())).collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (low, high) = (lines.first()?, lines.last()?);
    let one = |(slope, name): &(f64, &str)| format!("N<sup>{slope:.2}</sup> ({})", text(name));
    let range = if lines.len() == 1 { one(low) } else { format!("{} to {}", one(low), one(high)) };
    let large = sweep.backends.iter().all(|l| exponent(l).best() == exponent(l).large);
    let sizes = if large { format!(" for N ≥ {LARGE}") } else { String::new() };
    let expected = sweep.expected.filter(|_| what == "Time");
    let expected = expected.map_or_else(String::new, |e| format!("; the work as N<sup>{e}</sup>"));
    Some(format!("{what} grows as {range}{sizes}{expected}."))
}

/// `At N = 2048 it is 8 KiB (candle/fused) to 16 MiB (faer).` At the largest size that all backends of the
/// sweep were measured at.
fn scratch(machine: &MachineSection<'_>, sweep: &Sweep) -> Option<String> {
    let counted = machine.records.iter().filter(|r| {
        r.group() == sweep.group && r.timing == Some(sweep.timing) && r.threads == sweep.threads
    });
    let counted: Vec<(usize, u64, &str)> = counted
        .filter(|r| r.median_ns().is_some())
        .filter_map(|r| Some((r.problem.shape.len_k, r.peak_bytes()?, r.backend.as_str())))
        .collect();
    let at = |size: usize| counted.iter().filter(move |(n, ..)| *n == size);
    let complete = counted.iter().map(|(n, ..)| *n);
    let largest = complete.filter(|&n| at(n).count() == sweep.backends.len()).max()?;
    let (low, high) = (at(largest).min_by_key(|c| c.1)?, at(largest).max_by_key(|c| c.1)?);
    let one = |(_, peak, name): &(usize, u64, &str)| format!("{} ({})", bytes(*peak), text(name));
    Some(format!("At N = {largest} it is {} to {}.", one(low), one(high)))
}

/// The best speed-up with the largest number of threads.
fn speedup(threads: &[Threads]) -> Option<String> {
    let last = |t: &Threads| t.speedups.last().copied();
    let most = threads.iter().filter_map(last).map(|s| s.threads).max()?;
    let best = threads
        .iter()
        .filter_map(|t| Some((t, last(t).filter(|s| s.threads == most)?)))
        .max_by(|a, b| a.1.speedup.total_cmp(&b.1.speedup))?;
    Some(format!(
        "{most} threads are at best {} as fast as one ({} on {}).",
        strong(&ratio(best.1.speedup)),
        text(&best.0.backend),
        text(&best.0.case),
    ))
}

/// The cell that comes nearest to the measured peak; without one, the highest rate.
pub(super) fn peak(machine: &MachineSection<'_>) -> Option<String> {
    let cells = || machine.records.iter().filter(|r| r.gflops().is_some());
    let nearest = cells()
        .filter_map(|r| Some((r, machine.peak_rates.share(r)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((record, share)) = nearest {
        return Some(format!(
            "The best rate is {} of the measured peak of {} GFLOP/s ({} on {}).",
            strong(&percent(share)),
            significant(machine.peak_rates.peak(record)?.gflops),
            text(&record.backend),
            text(&record.case),
        ));
    }
    let rate = |r: &Record| r.gflops().unwrap_or(0.0);
    let fastest = cells().max_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    Some(format!(
        "The best rate is {} GFLOP/s ({} on {}); the limits of this machine were not measured.",
        strong(&significant(rate(fastest))),
        text(&fastest.backend),
        text(&fastest.case),
    ))
}
