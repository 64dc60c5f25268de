//! What `attn verify` prints for people.

use std::collections::BTreeMap;

use attn_bench::verify::Judged;
use attn_core::Backend;
use attn_record::Outcome;
use attn_record::figures::percent;
use attn_report::table::{Cell, Column, Table, Tone, wrap};

use super::Row;
use crate::print::options;

/// One line per file, then every result that is wrong, every reason for a refusal once, and the counts.
pub(super) fn print(rows: &[Row], names: &[String], backends: &[&dyn Backend]) {
    if rows.iter().any(|row| row.verified.is_some()) {
        print!("{}", matrix(rows, names, backends).terminal(options()));
    }
    print_findings(rows);
    print_counts(rows);
}

/// Files down, and across their own results and those of backends.
fn matrix(rows: &[Row], names: &[String], backends: &[&dyn Backend]) -> Table {
    let backend = |backend: &&dyn Backend| {
        let id = backend.id();
        Column::number(id.as_str().rsplit('/').next().unwrap_or_default())
    };
    let columns = [Column::words("file"), Column::number("out")].into_iter();
    let lines = rows.iter().zip(names).map(|(row, name)| {
        let mut line = vec![Cell::from(name.as_str())];
        match &row.verified {
            None => line.push(Cell::from("broken").tone(Tone::Bad)),
            Some(verified) => {
                line.push(verified.out.as_ref().map_or_else(|| Cell::or_dash(None), short));
                line.extend(verified.backends.iter().map(short));
            }
        }
        line
    });
    let columns: Vec<Column> = columns.chain(backends.iter().map(backend)).collect();
    Table { repeated: 1, ..Table::new("", columns).rows(lines) }
}

/// A row for each result.
pub(super) fn results(rows: &[Row]) -> Table {
    let names = [Column::id("file"), Column::backend("result of"), Column::words("outcome")];
    let figures = [Column::number("share of the bound"), Column::prose("reason")];
    let words = ["place", "hint"].map(Column::prose);
    let lines = rows.iter().flat_map(|row| {
        let broken = row.error.iter().map(|error| {
            let dash = || Cell::or_dash(None);
            let names = [row.file.as_str().into(), dash(), "broken".into(), dash()];
            names.into_iter().chain([error.as_str().into(), dash(), dash()]).collect::<Vec<_>>()
        });
        broken.chain(row.judged().map(|judged| result(&row.file, judged)))
    });
    Table::new("", names.into_iter().chain(figures).chain(words)).rows(lines)
}

fn result(file: &str, judged: &Judged) -> Vec<Cell> {
    let metrics = judged.verdict.as_ref().and_then(|verdict| verdict.metrics);
    let share = Cell::value(metrics.map(|metrics| metrics.bound_share), percent);
    let names = [file.into(), judged.name.as_str().into(), judged.outcome.name().into(), share];
    let words =
        [&judged.reason, &judged.place, &judged.hint].map(|text| Cell::or_dash(text.clone()));
    names.into_iter().chain(words).collect()
}

fn short(judged: &Judged) -> Cell {
    let text = match judged.outcome {
        Outcome::Ok => "ok",
        Outcome::Disagrees => "WRONG",
        Outcome::Unsupported => "unsupp.",
        Outcome::Unavailable => "unavail.",
        Outcome::Skipped => "skipped",
        Outcome::Implausible | Outcome::Error | Outcome::Timeout | Outcome::Untried => "error",
    };
    Cell::from(text).tone(if judged.outcome.is_failure() { Tone::Bad } else { Tone::Plain })
}

fn print_findings(rows: &[Row]) {
    let mut refusals = BTreeMap::<(Outcome, &str, &str), usize>::new();
    for row in rows {
        print_notes(row);
        for judged in row.judged() {
            let Some(reason) = &judged.reason else { continue };
            let refused = [Outcome::Unsupported, Outcome::Unavailable, Outcome::Skipped];
            if refused.contains(&judged.outcome) {
                *refusals.entry((judged.outcome, &judged.name, reason)).or_default() += 1;
                continue;
            }
            println!("\n{}: {} {}: {reason}", row.file, judged.name, judged.outcome);
            print_details(row, judged);
        }
    }
    if !refusals.is_empty() {
        println!();
    }
    for ((outcome, name, reason), files) in refusals {
        let times = if files == 1 { String::new() } else { format!(" ({files} files)") };
        let line = format!("{outcome} {name}: {reason}{times}");
        print!("{}", wrap(&line, "", 2, options().width));
    }
}

/// What a reader must know of a result that is not wrong.
fn print_notes(row: &Row) {
    let Some(out) = row.verified.as_ref().and_then(|verified| verified.out.as_ref()) else {
        return print_undetermined_backends(row);
    };
    if let Some(undetermined) = &out.undetermined {
        println!(
            "\n{}: {undetermined}: rounding alone decides their weights, so only the range of the values is checked",
            row.file
        );
    }
    if let Some(verdict) = out.verdict.as_ref().filter(|v| v.rows_checked < v.rows_total) {
        println!(
            "\n{}: out is judged on {} of {} rows of every head; --all-rows judges all",
            row.file, verdict.rows_checked, verdict.rows_total
        );
    }
}

/// Where the file has no result of its own.
fn print_undetermined_backends(row: &Row) {
    let verdicts = row.judged().filter_map(|judged| judged.verdict.as_ref());
    let most = verdicts.map(|verdict| verdict.undetermined).max().unwrap_or(0);
    if most > 0 {
        println!(
            "\n{}: {most} rows, over all heads, are undetermined: rounding alone decides their weights, so only the \
             range of the values is checked",
            row.file
        );
    }
}

fn print_details(row: &Row, judged: &Judged) {
    let verified = row.verified.as_ref().expect("what was judged is of a file that was read");
    println!("  problem {}", verified.problem);
    let worst = judged.verdict.as_ref().and_then(|verdict| verdict.metrics);
    let worst = worst.map(|metrics| metrics.worst.to_string()).unwrap_or_default();
    // Most reasons name it themselves.
    if !judged.reason.as_ref().is_some_and(|reason| reason.contains(&worst)) {
        println!("  worst element {worst}");
    }
    if let Some(place) = &judged.place {
        println!("  wrong in {place}");
    }
    if let Some(hint) = &judged.hint {
        println!("  hint: {hint}");
    }
}

/// How many files are what, where one line does not say it all.
fn print_counts(rows: &[Row]) {
    if rows.len() == 1 {
        return;
    }
    let wrong = |row: &&Row| row.judged().any(|judged| judged.outcome == Outcome::Disagrees);
    let broken = rows.iter().filter(|row| row.error.is_some()).count();
    let wrong = rows.iter().filter(wrong).count();
    let right = rows.len() - broken - wrong;
    println!(
        "\n{} files: {right} without a wrong result, {wrong} with one, {broken} broken",
        rows.len()
    );
}
