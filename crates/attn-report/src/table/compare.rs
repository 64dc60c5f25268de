//! Comparisons as tables.

use super::Grid;
use crate::compare::{Changes, Diff, Place, Ranking, Rival, SideBySide, Verdict};
use crate::format::{count, percent, ratio, significant, time};

/// Backends across one table: with more, tables follow each other.
const ACROSS: usize = 4;
/// Names listed before the rest is only counted.
const LISTED: usize = 8;

/// Cases down and backends across, one table per machine, group and model.
pub fn side_by_side(rows: &[SideBySide]) -> Vec<Grid> {
    let key = |row: &SideBySide| (row.place.clone(), group(&row.case).to_owned(), row.model);
    let mut grids = Vec::new();
    let machines = places(rows.iter().map(|row| &row.place));
    let mut keys: Vec<_> = rows.iter().map(key).collect();
    keys.dedup();
    let mut seen = Vec::new();
    for wanted in keys {
        if seen.contains(&wanted) {
            continue;
        }
        let rows: Vec<&SideBySide> = rows.iter().filter(|row| key(row) == wanted).collect();
        let mut title = format!("{}, {}", wanted.1, wanted.2);
        if machines > 1 {
            title = [title, wanted.0.title()].join("; ");
        }
        let mut names: Vec<&str> = Vec::new();
        for rival in rows.iter().flat_map(|row| &row.rivals) {
            if !names.contains(&&*rival.backend) {
                names.push(&rival.backend);
            }
        }
        let part = |backends| Grid {
            title: title.clone(),
            rows: across(&rows, backends),
            names: 1,
            notes: Vec::new(),
        };
        grids.extend(names.chunks(ACROSS).map(part));
        seen.push(wanted);
    }
    if let Some(last) = grids.last_mut() {
        let legend = "Time of the fastest, and each backend's ratio to it with the half width of its \
                      interval (95 %). A * marks a winner: every other ratio is above 1 for sure.";
        last.notes.push(legend.into());
    }
    grids
}

fn across(rows: &[&SideBySide], backends: &[&str]) -> Vec<Vec<String>> {
    let mut head: Vec<String> = ["case", "threads", "fastest"].map(Into::into).into();
    head.extend(backends.iter().copied().map(String::from));
    let line = |row: &&SideBySide| {
        let best = row.rivals.iter().filter_map(|rival| rival.ns).reduce(f64::min);
        let mut cells = vec![
            row.case.rsplit('/').next().unwrap_or_default().to_owned(),
            row.threads.to_string(),
            best.map_or_else(|| "-".into(), time),
        ];
        cells.extend(backends.iter().map(|id| {
            let rival = row.rivals.iter().find(|rival| rival.backend == *id);
            rival.map_or_else(|| "-".into(), |rival| versus(rival, row))
        }));
        cells
    };
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}

/// `1.56x ±2%`, `1.00x*`, or how the cell ended.
fn versus(rival: &Rival, row: &SideBySide) -> String {
    let Some(to_best) = rival.ratio else {
        return rival.outcome.to_string();
    };
    let half = rival.ratio_interval.map(|i| ((i.high - i.low) / 2.0 / to_best).max(0.0));
    let half = half.map_or_else(String::new, |half| format!(" ±{}", percent(half)));
    let won = if row.winner.as_deref() == Some(&rival.backend) { "*" } else { "" };
    format!("{}{half}{won}", ratio(to_best))
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
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for left_out in &ranking.left_out {
        match reasons.iter_mut().find(|(why, _)| *why == left_out.why) {
            Some((_, cases)) => cases.push(&left_out.case),
            None => reasons.push((&left_out.why, vec![&left_out.case])),
        }
    }
    notes.extend(
        reasons.iter().map(|(why, cases)| format!("Left out, because {why}: {}.", some(cases))),
    );
    let threads = count(ranking.threads, "thread");
    let title = format!("{}, {threads}; {}", ranking.model, ranking.place.title());
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
    grids.extend(diff.machines.iter().map(changes));
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

fn changes(machine: &Changes) -> Grid {
    let head = ["case", "backend", "model", "threads", "old", "new", "ratio", "95 %", "verdict"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(machine.changes.iter().map(|change| {
        let ends = |i: attn_record::stats::Interval| {
            format!("{}-{}", significant(i.low), significant(i.high))
        };
        vec![
            change.case.clone(),
            change.backend.clone(),
            change.model.to_string(),
            change.threads.to_string(),
            time(change.old_ns),
            time(change.new_ns),
            ratio(change.ratio),
            change.interval.map_or_else(|| "-".into(), ends),
            change.verdict.name().into(),
        ]
    }));
    let counts = Verdict::ALL.map(|verdict| {
        let n = machine.changes.iter().filter(|change| change.verdict == verdict).count();
        format!("{n} {}", verdict.name())
    });
    let typical = machine.typical.map_or_else(|| "-".into(), ratio);
    let title = if machine.old == machine.new {
        machine.old.cpu.clone()
    } else {
        format!("{} -> {}", machine.old.cpu, machine.new.cpu)
    };
    let note = format!("{}; typical change {typical}. Same means within 5 %.", counts.join(", "));
    Grid { title, rows, names: 3, notes: vec![note] }
}

/// `a, b and 3 more`.
fn some(names: &[&str]) -> String {
    let listed = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

fn group(case: &str) -> &str {
    case.rsplit_once('/').map_or(case, |(group, _)| group)
}

/// How many different ones there are.
fn places<'a>(places: impl Iterator<Item = &'a Place>) -> usize {
    let mut seen: Vec<&Place> = Vec::new();
    for place in places {
        if !seen.contains(&place) {
            seen.push(place);
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use attn_record::{Model, Record};
    use proptest::prelude::*;

    use super::*;
    use crate::compare;
    use crate::fixture::{certain, ok};
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
g, kernel
  case  threads  fastest          a       b
  n=1         1   100 ns  2.00x ±0%  1.00x*
";
        let text = text(&side_by_side(&compare::side_by_side(&records)));
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn a_ranking_and_a_diff() {
        let old = vec![cell("g/n=1", "a", 200.0), cell("g/n=1", "b", 100.0)];
        let new = vec![cell("g/n=1", "a", 100.0)];
        let ranked = text(&rankings(&compare::rank(std::slice::from_ref(&old), Model::Kernel)));
        assert!(ranked.contains("b        1.00x      1 of 1\n"), "{ranked}");
        let compared = text(&diff(&compare::diff(&old, &new)));
        assert!(compared.contains("0.500x  0.500-0.500   faster\n"), "{compared}");
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
