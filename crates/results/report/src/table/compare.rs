//! Comparisons as tables.

use attn_analysis::certainty::is_too_wide;
use attn_analysis::compare::{
    Agreement, Change, Changes, Diff, Kind, Ranking, Rival, SideBySide, Standing, Verdict,
};
use attn_analysis::rows::distinct;
use attn_record::stats::Interval;
use attn_record::{Outcome, group_of, leaf_of};

use super::{Cell, Column, Gauge, Table, Tone};
use crate::format::{TOO_NOISY, count, percent, ratio, time};

/// Names listed before the rest is only counted.
const LISTED: usize = 8;

/// Backends that a table has a column for; more of them are its rows.
const COLUMNS: usize = 8;

/// Cases down and backends across, or the other way round where backends are many, one table per machine, group, timing and number
/// of threads; below the last what was not run, and what the signs mean.
pub fn side_by_side(rows: &[SideBySide]) -> Vec<Table> {
    let machines = by(rows, |row| row.place.clone()).len();
    let key = |row: &SideBySide| {
        (row.place.clone(), group_of(&row.case).to_owned(), row.timing, row.threads)
    };
    let (mut tables, mut idle) = (Vec::new(), Idle::default());
    for ((place, group, timing, threads), rows) in by(rows, key) {
        let mut title = format!("{group}, {timing}, {}", count(threads, "thread"));
        if machines > 1 {
            title = [title, place.title()].join("; ");
        }
        tables.extend(of_group(&title, &group, &rows, &mut idle));
    }
    if tables.is_empty() {
        return Vec::from([Table::new("Nothing was timed", []).notes(idle.notes())]);
    }
    if let Some(last) = tables.last_mut() {
        let legend = "Time of the fastest, and each backend's ratio to it with the half width of its \
                      interval (95 %). *: certainly the fastest, since the interval of every other ratio \
                      lies above 1; ~: perhaps as fast; too noisy: an interval wider than half the ratio.";
        last.notes.extend(idle.notes());
        last.notes.push(legend.into());
    }
    tables
}

/// What was run nowhere: said once, below all tables.
#[derive(Default)]
struct Idle {
    /// Groups of cases that no backend was run on, with how that ended.
    groups: Vec<(String, String)>,
    /// Backends, with how that ended, and the groups of cases that they were not run on.
    backends: Vec<((String, String), Vec<String>)>,
}

impl Idle {
    /// Notes that `backend` was run in no case of a group where others were.
    fn backend(&mut self, backend: &str, outcomes: String, group: &str) {
        let key = (backend.to_owned(), outcomes);
        match self.backends.iter_mut().find(|(known, _)| *known == key) {
            Some((_, groups)) if groups.iter().any(|known| known == group) => {}
            Some((_, groups)) => groups.push(group.into()),
            None => self.backends.push((key, vec![group.into()])),
        }
    }

    fn notes(&self) -> Vec<String> {
        let backends = self.backends.iter().map(|((backend, outcomes), groups)| {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            format!("{backend} ({outcomes}) in {}", some(&groups))
        });
        let backends: Vec<String> = backends.collect();
        let groups: Vec<String> =
            self.groups.iter().map(|(group, outcomes)| format!("{group} ({outcomes})")).collect();
        [("Not run: ", backends), ("Run on no backend: ", groups)]
            .into_iter()
            .filter(|(_, what)| !what.is_empty())
            .map(|(label, what)| format!("{label}{}.", what.join("; ")))
            .collect()
    }
}

/// A column for each backend and a row for each case that was run; `None` where none was. `idle` takes what was not.
fn of_group(title: &str, group: &str, rows: &[&SideBySide], idle: &mut Idle) -> Option<Table> {
    let runs = |rival: &Rival| rival.outcome == Outcome::Ok || rival.outcome.is_failure();
    let (shown, left): (Vec<&SideBySide>, Vec<&SideBySide>) =
        rows.iter().copied().partition(|row| row.rivals.iter().any(runs));
    let rivals_of =
        |rows: &[&'_ SideBySide]| rows.iter().flat_map(|row| row.rivals.clone()).collect();
    if shown.is_empty() {
        let rivals: Vec<Rival> = rivals_of(rows);
        idle.groups.push((group.into(), outcomes(&rivals)));
        return None;
    }
    let rivals: Vec<Rival> = rivals_of(&shown);
    let (ran, others): (Vec<_>, Vec<_>) = by(&rivals, |rival| rival.backend.as_str())
        .into_iter()
        .partition(|(_, cells)| cells.iter().any(|cell| runs(cell)));
    for (backend, cells) in others {
        idle.backend(backend, outcomes(cells), group);
    }
    let ids: Vec<&str> = ran.iter().map(|(id, _)| *id).collect();
    let table = if ids.len() > COLUMNS {
        backends_down(title, &shown, &ids)
    } else {
        cases_down(title, &shown, &ids)
    };
    let names: Vec<&str> = left.iter().map(|row| leaf_of(&row.case)).collect();
    let rivals: Vec<Rival> = rivals_of(&left);
    let left = (!left.is_empty())
        .then(|| format!("On no backend: {} ({}).", some(&names), outcomes(&rivals)));
    Some(table.notes(left))
}

fn cases_down(title: &str, cases: &[&SideBySide], backends: &[&str]) -> Table {
    let columns = [Column::id("case"), Column::number("fastest")].into_iter();
    let columns = columns.chain(backends.iter().map(|id| Column::of_backend(*id)));
    let line = |row: &&SideBySide| {
        let rivals = backends.iter().map(|id| versus(id, row));
        [leaf_of(&row.case).into(), fastest(row)].into_iter().chain(rivals).collect()
    };
    let table = Table::new(title, columns).rows(cases.iter().map(line));
    Table { repeated: 2, ..table }
}

fn backends_down(title: &str, cases: &[&SideBySide], backends: &[&str]) -> Table {
    let names = cases.iter().map(|row| Column::number(leaf_of(&row.case)));
    // Above those of backends, a line without a name: the times that the ratios are of.
    let times = cases.iter().map(|row| fastest(row).tone(Tone::Muted));
    let times = [Cell::default()].into_iter().chain(times);
    let line = |id: &&str| {
        let ratios = cases.iter().map(|row| versus(id, row));
        [Cell::from(*id)].into_iter().chain(ratios).collect()
    };
    let lines = [times.collect()].into_iter().chain(backends.iter().map(line));
    let table =
        Table::new(title, [Column::backend("backend")].into_iter().chain(names)).rows(lines);
    Table { repeated: 1, ..table }
}

/// `unsupported, skipped`.
fn outcomes<'a>(cells: impl IntoIterator<Item = &'a Rival>) -> String {
    distinct(cells.into_iter().map(|cell| cell.outcome.name())).join(", ")
}

fn fastest(row: &SideBySide) -> Cell {
    Cell::value(row.rivals.iter().filter_map(|rival| rival.ns).reduce(f64::min), time)
}

/// `1.56x ±2%`, `1.00x`, `too noisy`, or how the cell ended.
fn versus(backend: &str, row: &SideBySide) -> Cell {
    let Some(rival) = row.rivals.iter().find(|rival| rival.backend == backend) else {
        return Cell::or_dash(None);
    };
    if rival.ratio.is_none() {
        let time = rival.ns.map(|ns| Cell::value(Some(ns), time));
        return time.unwrap_or_else(|| rival.outcome.to_string().into());
    }
    let tone = match row.standing(backend) {
        Standing::First => Tone::Best,
        Standing::Tied => Tone::Tied,
        Standing::Other => Tone::Plain,
    };
    to_fastest(rival, tone)
}

/// `2.97x ±3%`, standing out by `tone`, or `too noisy`.
pub(crate) fn to_fastest(rival: &Rival, tone: Tone) -> Cell {
    let Some(found) = rival.ratio else {
        return Cell::count(None);
    };
    if rival.ratio_interval.is_some_and(|interval| is_too_wide(interval, found)) {
        return Cell::from(TOO_NOISY).sorted_by(found);
    }
    let half = half_width(rival.ratio_interval, found);
    // Of ten times as slow nothing tells a hundred times apart.
    let shade = Gauge::Shade(found.log10().clamp(0.0, 1.0));
    Cell::from(ratio(found) + &half).tone(tone).sorted_by(found).gauge(shade)
}

/// ` ±2%`: half the width of the interval of a ratio.
fn half_width(interval: Option<Interval>, ratio: f64) -> String {
    interval.map_or_else(String::new, |interval| {
        format!(" ±{}", percent((interval.half_width() / ratio).max(0.0)))
    })
}

/// One table per machine and number of threads.
pub fn rankings(rankings: &[Ranking]) -> Vec<Table> {
    rankings.iter().map(ranking).collect()
}

fn ranking(ranking: &Ranking) -> Table {
    let rows = ranking.ranks.iter().map(|rank| {
        let best = format!("{} of {}", rank.best, ranking.cells);
        let best = Cell::from(best).sorted_by(rank.best as f64);
        vec![rank.backend.clone().into(), Cell::value(Some(rank.ratio), ratio), best]
    });
    let mut notes = vec![format!(
        "Ratio: geometric mean over {} of the time in units of the fastest.",
        count(ranking.cells, "shared case")
    )];
    if !ranking.not_ranked.is_empty() {
        let wrong = ranking.not_ranked.join(", ");
        notes.push(format!("Not ranked because a result is wrong: {wrong}."));
    }
    let reasons = by(&ranking.left_out, |left_out| left_out.why.as_str());
    notes.extend(reasons.iter().map(|(why, left_out)| {
        let cases: Vec<&str> = left_out.iter().map(|l| l.case.as_str()).collect();
        format!("Left out ({why}): {}.", some(&cases))
    }));
    notes.push(format!("Measured on {}.", ranking.place.title()));
    let threads = count(ranking.threads, "thread");
    let title = format!("{}, {}, {threads}", ranking.timing, ranking.score);
    let columns =
        [Column::backend("backend"), Column::number("ratio"), Column::number("fastest in")];
    Table::new(title, columns).rows(rows).notes(notes)
}

/// What has to be said first, one table per machine, then what was not compared.
pub fn diff(diff: &Diff) -> Vec<Table> {
    let notes = |title: &str, notes: &[String]| Table::new(title, []).notes(notes);
    let mut tables = Vec::new();
    if !diff.notes.is_empty() {
        tables.push(notes("Attention", &diff.notes));
    }
    tables.extend(diff.machines.iter().flat_map(changes));
    let uncompared = diff.uncompared.iter();
    let uncompared: Vec<String> =
        uncompared.map(|u| format!("{}: {} -> {}", u.cell, u.old, u.new)).collect();
    let others =
        [("Not compared", &uncompared), ("Only old", &diff.only_old), ("Only new", &diff.only_new)];
    tables.extend(others.iter().filter(|(_, cells)| !cells.is_empty()).map(|(title, cells)| {
        let mut listed: Vec<String> = cells.iter().take(LISTED).cloned().collect();
        if cells.len() > LISTED {
            listed.push(format!("and {} more", cells.len() - LISTED));
        }
        notes(&format!("{title}: {}", count(cells.len(), "cell")), &listed)
    }));
    if tables.is_empty() {
        tables.push(notes("No cell is in both runs", &[]));
    }
    tables
}

/// One table per group, timing and number of threads; the counts of all below the last.
fn changes(machine: &Changes) -> Vec<Table> {
    let place = if machine.old == machine.new {
        machine.old.cpu.clone()
    } else {
        format!("{} -> {}", machine.old.cpu, machine.new.cpu)
    };
    let clock = if machine.at_equal_clock.cells > 0 { ", at equal clock" } else { "" };
    let key = |change: &Change| (group_of(&change.case).to_owned(), change.timing, change.threads);
    let parts = by(&machine.changes, key).into_iter();
    let mut tables: Vec<Table> = parts
        .map(|((group, timing, threads), changes)| {
            let title = format!("{group}, {timing}, {}{clock}", count(threads, "thread"));
            let names = [Column::id("case"), Column::backend("backend")].into_iter();
            let numbers = ["old", "new", "new/old", "verdict"].map(Column::number);
            Table::new(title, names.chain(numbers)).rows(changes.into_iter().map(change))
        })
        .collect();
    let counts = Verdict::ALL.map(|verdict| {
        let n = machine.changes.iter().filter(|change| change.verdict == verdict).count();
        format!("{n} {}", verdict.name())
    });
    if let Some(last) = tables.last_mut() {
        last.notes.push(format!("{place}: {}.", counts.join(", ")));
        let steady = &machine.at_equal_clock;
        if steady.cells > 0 {
            last.notes.push(format!("At equal clock, which decides: {}.", agreement(steady)));
        }
        last.notes.push(format!("As timed: {}.", agreement(&machine.wall)));
        last.notes.push(format!("Intervals allow for what sets runs apart: {}.", allowed(machine)));
        let legend =
            "After ± stands half the width of the interval at 95 %; same means within 5 %.";
        last.notes.push(legend.into());
    }
    tables
}

fn agreement(found: &Agreement) -> String {
    format!(
        "typical change {}; of {}, {} are within 5 % of their old time, and the intervals of {} hold 1",
        found.typical.map_or_else(|| "-".into(), ratio),
        count(found.cells, "cell"),
        found.close,
        found.covering,
    )
}

/// `±0.9% in private caches, ±2.4% beyond them`, of the ratios that decide.
fn allowed(machine: &Changes) -> String {
    let kinds = machine.between_runs.iter().map(|allowance| {
        let cells = match allowance.kind {
            Kind::PrivateCaches => "in private caches",
            Kind::SharedMemory => "beyond them",
            Kind::Device => "on a device",
        };
        format!("±{} {cells}", percent(allowance.decisive()))
    });
    kinds.collect::<Vec<_>>().join(", ")
}

fn change(change: &Change) -> Vec<Cell> {
    let decisive = change.ratios.decisive();
    let wide = decisive.interval.is_some_and(|interval| is_too_wide(interval, decisive.ratio));
    let shown = ratio(decisive.ratio) + &half_width(decisive.interval, decisive.ratio);
    let shown = if wide { TOO_NOISY.into() } else { shown };
    let tone = match change.verdict {
        Verdict::Faster => Tone::Good,
        Verdict::Slower => Tone::Bad,
        _ => Tone::Plain,
    };
    vec![
        leaf_of(&change.case).into(),
        change.backend.clone().into(),
        Cell::value(Some(change.old_ns), time),
        Cell::value(Some(change.new_ns), time),
        Cell::from(shown).sorted_by(decisive.ratio),
        Cell::from(change.verdict.name()).tone(tone),
    ]
}

/// Items with equal keys, in order of first appearance.
pub(super) fn by<'a, T, K: PartialEq>(
    items: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Vec<(K, Vec<&'a T>)> {
    let mut groups: Vec<(K, Vec<&'a T>)> = Vec::new();
    for item in items {
        let key = key(item);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => group.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// `a, b and 3 more`.
pub(super) fn some(names: &[&str]) -> String {
    let listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use attn_analysis::compare;
    use attn_analysis::fixture::{sure as cell, with_outcome};
    use attn_record::{Record, Timing};
    use proptest::prelude::*;

    use super::*;
    use crate::table::Options;

    fn text(tables: &[Table]) -> String {
        tables.iter().map(|table| table.terminal(Options::default())).collect()
    }

    #[test]
    fn backends_side_by_side() {
        let records = [cell("g/n=1", "a", 200.0), cell("g/n=1", "b", 100.0)];
        let expected = "\
g, kernel, 1 thread
  case  fastest          a       b
  n=1    100 ns  2.00x ±0%  1.00x*
";
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn many_backends_are_rows() {
        let of = |case, n: usize| cell(case, &format!("b{n}"), 100.0 * (n + 1) as f64);
        let records: Vec<Record> =
            (0..=COLUMNS).flat_map(|n| ["g/n=1", "g/n=2"].map(|case| of(case, n))).collect();
        let expected = "\
g, kernel, 1 thread
  backend         n=1         n=2
              100 ns      100 ns
  b0           1.00x*      1.00x*
  b1       2.00x ±0%   2.00x ±0%
";
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.matches("\n  b").count(), COLUMNS + 2, "{text}");
        assert!(!text.contains("fastest  "), "no backend has that name: {text}");
        let table = &side_by_side(&compare::side_by_side(&records))[0];
        assert!(table.markdown_rows().contains("| **1.00x**\\* | **1.00x**\\* |\n"));
    }

    #[test]
    fn of_nothing_to_prepare_there_is_no_multiple() {
        let prepare = |id, ns| Record { timing: Some(Timing::Prepare), ..cell("g/n=1", id, ns) };
        let records = [prepare("none", 31.0), prepare("packs", 154_000.0)];
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        assert!(text.contains("n=1   31.0 ns  31.0 ns  154 µs"), "{text}");
    }

    #[test]
    fn a_backend_that_ran_nowhere_has_no_column_and_one_that_failed_has() {
        let ended = |id, outcome| with_outcome(cell("g/n=1", id, 1.0), outcome);
        let records = [
            cell("g/n=1", "a", 200.0),
            ended("b", Outcome::Unsupported),
            ended("c", Outcome::Error),
            ended("d", Outcome::Skipped),
        ];
        let expected = "\
g, kernel, 1 thread
  case  fastest      a      c
  n=1    200 ns  1.00x  error
  Not run: b (unsupported) in g; d (skipped) in g.
";
        let text_of = |records: &[Record]| text(&side_by_side(&compare::side_by_side(records)));
        let text = text_of(&records);
        assert!(text.starts_with(expected), "{text}");
        let expected = "Nothing was timed\n  Run on no backend: g (unsupported).\n";
        assert_eq!(text_of(&records[1..2]), expected);
    }

    #[test]
    fn a_case_that_no_backend_was_run_on_has_no_row() {
        let skipped = |case, id| with_outcome(cell(case, id, 1.0), Outcome::Skipped);
        let records = [
            cell("g/n=1", "a", 200.0),
            cell("g/n=1", "b", 100.0),
            skipped("g/n=2", "a"),
            skipped("g/n=2", "b"),
            skipped("h/n=1", "a"),
        ];
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        let expected = "\
g, kernel, 1 thread
  case  fastest          a       b
  n=1    100 ns  2.00x ±0%  1.00x*
  On no backend: n=2 (skipped).
  Run on no backend: h (skipped).
";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn names_are_whole_and_tables_follow_each_other() {
        let case = "curated/models/llama-gqa-prefill";
        let ids = ["naive", "ndarray", "faer", "candle/composed", "candle/fused", "flash/avx512"];
        let records: Vec<Record> =
            ids.iter().enumerate().map(|(n, id)| cell(case, id, 1e6 + n as f64 * 1e5)).collect();
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        assert_eq!(text.matches("llama-gqa-prefill").count(), 2, "{text}");
        assert!(ids.iter().all(|id| text.contains(id)), "{text}");
    }

    #[test]
    fn a_ranking_and_a_diff() {
        let old = vec![cell("g/n=1", "a", 200.0), cell("g/n=1", "b", 100.0)];
        let new = vec![cell("g/n=1", "a", 100.0)];
        let ranked = text(&rankings(&compare::rank(std::slice::from_ref(&old), Timing::Kernel)));
        assert!(ranked.contains("b        1.00x      1 of 1\n"), "{ranked}");
        let compared = text(&diff(&compare::diff(&old, &new)));
        assert!(compared.contains("0.500x ±0%   faster\n"), "{compared}");
        assert!(
            compared.contains("Only old: 1 cell\n  b g/n=1 (kernel, 1 thread)\n"),
            "{compared}"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(
            case in "[a-z/]{1,90}", names in prop::collection::vec("[a-z/]{1,40}", 1..7)
        ) {
            let records: Vec<Record> =
                names.iter().enumerate().map(|(n, id)| cell(&case, id, 1e6 + n as f64)).collect();
            let tables = [
                side_by_side(&compare::side_by_side(&records)),
                rankings(&compare::rank(std::slice::from_ref(&records), Timing::Kernel)),
                diff(&compare::diff(&records, &records[1..])),
            ];
            for line in tables.concat().iter().map(|t| t.terminal(Options::default())) {
                for line in line.lines() {
                    prop_assert!(line.chars().count() <= 80, "{}", line);
                }
            }
        }
    }
}
