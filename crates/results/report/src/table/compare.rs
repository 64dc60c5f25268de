//! Comparisons as tables.

use attn_record::Outcome;
use attn_record::stats::Interval;

use super::Grid;
use crate::compare::{Agreement, Change, Changes, Diff, Kind, Ranking, Rival, SideBySide, Verdict};
use crate::format::{count, percent, ratio, time};

/// Characters that a table of backends has at most; with more backends, tables follow each other.
const ACROSS: usize = 78;
/// Names listed before the rest is only counted.
const LISTED: usize = 8;

/// Cases down and backends across, one table per machine, group, model and number of threads.
pub fn side_by_side(rows: &[SideBySide]) -> Vec<Grid> {
    let machines = by(rows, |row| row.place.clone()).len();
    let key =
        |row: &SideBySide| (row.place.clone(), group(&row.case).to_owned(), row.model, row.threads);
    let mut grids = Vec::new();
    for ((place, group, model, threads), rows) in by(rows, key) {
        let mut title = format!("{group}, {model}, {}", count(threads, "thread"));
        if machines > 1 {
            title = [title, place.title()].join("; ");
        }
        grids.extend(of_group(&title, &rows));
    }
    if let Some(last) = grids.last_mut() {
        let legend = "Time of the fastest, and each backend's ratio to it with the half width of its \
                      interval (95 %). A * marks a winner: the interval of every other ratio lies \
                      above 1.";
        last.notes.push(legend.into());
    }
    grids
}

/// One table after the other under the same title; below the last, the backends that were run in no case.
fn of_group(title: &str, rows: &[&SideBySide]) -> Vec<Grid> {
    let rivals: Vec<&Rival> = rows.iter().flat_map(|row| &row.rivals).collect();
    let runs = |rival: &&&Rival| rival.outcome == Outcome::Ok || rival.outcome.is_failure();
    let (columns, idle): (Vec<_>, Vec<_>) = by(&rivals, |rival| rival.backend.as_str())
        .into_iter()
        .partition(|(_, cells)| cells.iter().any(runs));
    let names: Vec<&str> = columns.into_iter().map(|(id, _)| id).collect();
    let mut tables = tables(rows, &names);
    if tables.is_empty() {
        tables.push(Vec::new());
    }
    let grid = |rows| Grid { title: title.into(), rows, names: 1, notes: Vec::new() };
    let mut grids: Vec<Grid> = tables.into_iter().map(grid).collect();
    let idle: Vec<String> =
        idle.iter().map(|(id, cells)| format!("{id} ({})", outcomes(cells))).collect();
    if let Some(last) = grids.last_mut().filter(|_| !idle.is_empty()) {
        last.notes.push(format!("In no case: {}.", idle.join(", ")));
    }
    grids
}

/// `unsupported, skipped`.
fn outcomes(cells: &[&&Rival]) -> String {
    let different = by(cells, |cell| cell.outcome.name());
    different.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// As many backends in each table as fit without shortening the names of the cases.
fn tables(rows: &[&SideBySide], backends: &[&str]) -> Vec<Vec<Vec<String>>> {
    let width =
        |column: &[String]| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let first =
        [column("case", rows, |row| leaf(&row.case).into()), column("fastest", rows, fastest)];
    let taken: usize = first.iter().map(|column| width(column) + 2).sum();
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut free = 0;
    for id in backends {
        let of_backend = column(id, rows, |row| {
            let rival = row.rivals.iter().find(|rival| rival.backend == *id);
            rival.map_or_else(|| "-".into(), |rival| versus(rival, row))
        });
        let needed = width(&of_backend) + 2;
        if let Some(table) = tables.last_mut().filter(|_| needed <= free) {
            table.push(of_backend);
        } else {
            tables.push(first.iter().cloned().chain([of_backend]).collect());
            free = ACROSS.saturating_sub(taken);
        }
        free = free.saturating_sub(needed);
    }
    tables.iter().map(|columns| transposed(columns)).collect()
}

fn column(head: &str, rows: &[&SideBySide], cell: impl Fn(&SideBySide) -> String) -> Vec<String> {
    std::iter::once(head.into()).chain(rows.iter().map(|row| cell(row))).collect()
}

fn fastest(row: &SideBySide) -> String {
    let best = row.rivals.iter().filter_map(|rival| rival.ns).reduce(f64::min);
    best.map_or_else(|| "-".into(), time)
}

fn transposed(columns: &[Vec<String>]) -> Vec<Vec<String>> {
    let rows = columns.first().map_or(0, Vec::len);
    (0..rows).map(|at| columns.iter().map(|column| column[at].clone()).collect()).collect()
}

/// `1.56x ±2%`, `1.00x*`, or how the cell ended.
fn versus(rival: &Rival, row: &SideBySide) -> String {
    let Some(to_best) = rival.ratio else {
        return rival.outcome.to_string();
    };
    let won = if row.winner.as_deref() == Some(&rival.backend) { "*" } else { "" };
    format!("{}{}{won}", ratio(to_best), half_width(rival.ratio_interval, to_best))
}

/// ` ±2%`: half the width of the interval of a ratio.
fn half_width(interval: Option<Interval>, ratio: f64) -> String {
    let half = interval.map(|i| ((i.high - i.low) / 2.0 / ratio).max(0.0));
    half.map_or_else(String::new, |half| format!(" ±{}", percent(half)))
}

/// One table per machine and number of threads.
pub fn rankings(rankings: &[Ranking]) -> Vec<Grid> {
    rankings.iter().map(ranking).collect()
}

fn ranking(ranking: &Ranking) -> Grid {
    let mut rows = vec![["backend", "ratio", "fastest in"].map(String::from).to_vec()];
    rows.extend(ranking.ranks.iter().map(|rank| {
        vec![rank.backend.clone(), ratio(rank.ratio), format!("{} of {}", rank.best, ranking.cells)]
    }));
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
    let title = format!("{}, {}, {threads}", ranking.model, ranking.score);
    Grid { title, rows, names: 1, notes }
}

/// What has to be said first, one table per machine, then what was not compared.
pub fn diff(diff: &Diff) -> Vec<Grid> {
    let notes = |title: &str, notes: &[String]| Grid {
        title: title.into(),
        rows: Vec::new(),
        names: 0,
        notes: notes.to_vec(),
    };
    let mut grids = Vec::new();
    if !diff.notes.is_empty() {
        grids.push(notes("Attention", &diff.notes));
    }
    grids.extend(diff.machines.iter().flat_map(changes));
    let uncompared = diff.uncompared.iter();
    let uncompared: Vec<String> =
        uncompared.map(|u| format!("{}: {} -> {}", u.cell, u.old, u.new)).collect();
    let others =
        [("Not compared", &uncompared), ("Only old", &diff.only_old), ("Only new", &diff.only_new)];
    grids.extend(others.iter().filter(|(_, cells)| !cells.is_empty()).map(|(title, cells)| {
        let mut listed: Vec<String> = cells.iter().take(LISTED).cloned().collect();
        if cells.len() > LISTED {
            listed.push(format!("and {} more", cells.len() - LISTED));
        }
        notes(&format!("{title}: {}", count(cells.len(), "cell")), &listed)
    }));
    if grids.is_empty() {
        grids.push(notes("No cell is in both runs", &[]));
    }
    grids
}

/// One table per group, model and number of threads; the counts of all below the last.
fn changes(machine: &Changes) -> Vec<Grid> {
    let place = if machine.old == machine.new {
        machine.old.cpu.clone()
    } else {
        format!("{} -> {}", machine.old.cpu, machine.new.cpu)
    };
    let key = |change: &Change| (group(&change.case).to_owned(), change.model, change.threads);
    let parts = by(&machine.changes, key).into_iter();
    let mut grids: Vec<Grid> = parts
        .map(|((group, model, threads), changes)| {
            let head = ["case", "backend", "old", "new", "new/old", "verdict"];
            let mut rows = vec![head.map(String::from).to_vec()];
            rows.extend(changes.into_iter().map(change));
            let title = format!("{group}, {model}, {}", count(threads, "thread"));
            Grid { title, rows, names: 2, notes: Vec::new() }
        })
        .collect();
    let counts = Verdict::ALL.map(|verdict| {
        let n = machine.changes.iter().filter(|change| change.verdict == verdict).count();
        format!("{n} {}", verdict.name())
    });
    if let Some(last) = grids.last_mut() {
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
    grids
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

fn change(change: &Change) -> Vec<String> {
    let decisive = change.ratios.decisive();
    vec![
        leaf(&change.case).to_owned(),
        change.backend.clone(),
        time(change.old_ns),
        time(change.new_ns),
        ratio(decisive.ratio) + &half_width(decisive.interval, decisive.ratio),
        change.verdict.name().into(),
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

pub(super) fn leaf(case: &str) -> &str {
    case.rsplit('/').next().unwrap_or(case)
}

pub(super) fn group(case: &str) -> &str {
    case.rsplit_once('/').map_or(case, |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use attn_record::{Model, Record};
    use proptest::prelude::*;

    use super::*;
    use crate::compare;
    use crate::fixture::{certain, ok, with_outcome};
    use crate::table::Options;

    fn cell(case: &str, backend: &str, ns: f64) -> Record {
        let mut record = ok(case, backend, ns);
        record.volatile.measurement = Some(certain(ns));
        record
    }

    fn text(grids: &[Grid]) -> String {
        grids.iter().map(|grid| grid.terminal(Options::default())).collect()
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
  In no case: b (unsupported), d (skipped).
";
        let text_of = |records: &[Record]| text(&side_by_side(&compare::side_by_side(records)));
        let text = text_of(&records);
        assert!(text.starts_with(expected), "{text}");
        let nothing_ran = text_of(&records[1..2]);
        let expected = "g, kernel, 1 thread\n  In no case: b (unsupported).\n";
        assert!(nothing_ran.starts_with(expected), "{nothing_ran}");
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
        let ranked = text(&rankings(&compare::rank(std::slice::from_ref(&old), Model::Kernel)));
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
            let grids = [
                side_by_side(&compare::side_by_side(&records)),
                rankings(&compare::rank(std::slice::from_ref(&records), Model::Kernel)),
                diff(&compare::diff(&records, &records[1..])),
            ];
            for line in grids.concat().iter().map(|g| g.terminal(Options::default())) {
                for line in line.lines() {
                    prop_assert!(line.chars().count() <= 80, "{}", line);
                }
            }
        }
    }
}
