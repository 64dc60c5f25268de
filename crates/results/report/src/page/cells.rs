//! Cells in tables.

use attn_record::{Outcome, Record};

use super::Section;
use super::html::{Cell, paragraph, table};
use crate::disturbance::{MUCH, share};
use crate::format::{bytes, count, percent, ratio, significant, time};
use crate::peak_rates::PeakRates;
use crate::rows::{Row, grouped, leaf, reason, rows};

/// A column of a table of cells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Case,
    Backend,
    Model,
    Threads,
    Time,
    HalfWidth,
    Disturbed,
    Rate,
    OfPeak,
    Ratio,
    Scratch,
    Allocations,
    Error,
    Problem,
}

/// Every cell of one sub-sweep or folder of cases but those that were skipped. Times are left out where
/// none was to be taken.
pub(super) fn of_group(records: &[&Record], peak_rates: &PeakRates) -> String {
    let shown: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Skipped).copied().collect();
    let columns = columns(&shown, peak_rates);
    let head: Vec<Cell> = columns.iter().map(|column| column.head()).collect();
    let lines = rows(&shown);
    let lines = lines.iter().map(|row| line(&columns, row, peak_rates));
    let table = if shown.is_empty() { String::new() } else { table(&head, lines) };
    let note = match records.len() - shown.len() {
        0 => String::new(),
        n => paragraph(&format!("{} skipped: the reasons are listed below.", count(n, "cell"))),
    };
    table + &note
}

/// Those with something in them, in order.
fn columns(records: &[&Record], peak_rates: &PeakRates) -> Vec<Column> {
    use Column::{
        Allocations, Backend, Case, Disturbed, Error, HalfWidth, Model, OfPeak, Problem, Rate,
        Ratio, Scratch, Threads, Time,
    };
    let any = |has: &dyn Fn(&Record) -> bool| records.iter().any(|r| has(r));
    let mut columns = vec![Case, Backend, Threads, Error];
    // The name of a case of a sweep says what the problem is.
    columns.extend(any(&|r| r.axis.is_none()).then_some(Problem));
    columns.extend((grouped(records, |r| r.model).len() > 1).then_some(Model));
    if any(&|r| r.model.is_some()) {
        columns.extend([Time, HalfWidth, Rate, Ratio]);
        columns.extend(any(&|r| share(r).is_some()).then_some(Disturbed));
        columns.extend(any(&|r| peak_rates.share(r).is_some()).then_some(OfPeak));
    }
    if any(&|r| r.volatile.memory.is_some()) {
        columns.extend([Scratch, Allocations]);
    }
    columns.sort_unstable();
    columns
}

/// The cells of a row. One that is not `ok` has its end and its reason in place of numbers.
fn line(columns: &[Column], row: &Row<'_>, peak_rates: &PeakRates) -> Vec<Cell> {
    let record = row.record;
    let shown = columns.iter().filter(|&&c| record.outcome == Outcome::Ok || c <= Column::Threads);
    let mut cells: Vec<Cell> = shown.map(|column| column.cell(row, peak_rates)).collect();
    if record.outcome != Outcome::Ok {
        let ending = format!("{}: {}", record.outcome, reason(record));
        let rest = columns.len() - cells.len();
        cells.push(Cell::text(&ending).class(class(record.outcome)).span(rest));
    }
    cells
}

impl Column {
    fn head(self) -> Cell {
        match self {
            Column::Case => Cell::text("case"),
            Column::Problem => Cell::text("problem"),
            Column::Backend => Cell::text("backend"),
            Column::Model => Cell::text("model"),
            Column::Threads => Cell::number("threads"),
            Column::Time => Cell::number("time"),
            Column::HalfWidth => Cell::number("±"),
            Column::Disturbed => Cell::number("disturbed"),
            Column::Rate => Cell::number("GFLOP/s"),
            Column::OfPeak => Cell::number("of peak"),
            Column::Ratio => Cell::number("ratio"),
            Column::Scratch => Cell::number("scratch"),
            Column::Allocations => Cell::number("allocations"),
            Column::Error => Cell::number("error"),
        }
    }

    fn cell(self, row: &Row<'_>, peak_rates: &PeakRates) -> Cell {
        let record = row.record;
        let memory = record.volatile.memory;
        match self {
            Column::Case => case(record),
            Column::Problem => Cell::text(&problem(record)).class("muted"),
            Column::Backend => Cell::code(&record.backend),
            Column::Model => Cell::text(record.model.map_or("–", |model| model.name())),
            Column::Threads => Cell::value(Some(record.threads as f64), |n| n.to_string()),
            Column::Time => Cell::value(record.median_ns(), time),
            Column::HalfWidth => Cell::value(half_width(record), percent).class("number muted"),
            Column::Disturbed => {
                let share = share(record);
                let much = share.is_some_and(|share| share > MUCH);
                Cell::value(share, percent).class(if much { "number bad" } else { "number muted" })
            }
            Column::Rate => Cell::value(record.gflops(), significant),
            Column::OfPeak => Cell::value(peak_rates.share(record), percent),
            Column::Ratio => {
                let cell = Cell::value(row.ratio, ratio);
                if row.ratio == Some(1.0) { cell.class("number best") } else { cell }
            }
            Column::Scratch => {
                Cell::value(memory.map(|m| m.peak_bytes as f64), |peak| bytes(peak as u64))
            }
            Column::Allocations => {
                Cell::value(memory.and_then(|m| m.allocations).map(|n| n as f64), |n| n.to_string())
            }
            Column::Error => Cell::value(record.budget_share(), percent),
        }
    }
}

/// The name of a case, sorted by the size that its sweep varies.
fn case(record: &Record) -> Cell {
    let name = Cell::code(leaf(record));
    match record.axis {
        None => name,
        Some(attn_record::Axis::Len) => name.sorted_by(record.problem.shape.len_k as f64),
        Some(attn_record::Axis::Dim) => name.sorted_by(record.problem.shape.dim as f64),
    }
}

fn problem(record: &Record) -> String {
    match attn_core::Problem::new(record.problem.clone()) {
        Ok(problem) => problem.to_string(),
        Err(invalid) => invalid.to_string(),
    }
}

/// Half the width of the interval of the time, as a share of the time.
fn half_width(record: &Record) -> Option<f64> {
    let interval = record.interval()?.interval;
    Some((interval.high - interval.low) / 2.0 / record.median_ns()?)
}

/// Every cell that did not end `ok`, with its whole reason.
pub(super) fn not_ok(records: &[&Record]) -> Section {
    let others: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Ok).copied().collect();
    let content =
        if others.is_empty() { paragraph("None: every cell ended ok.") } else { listing(&others) };
    Section { title: "Cells that did not end ok".into(), content }
}

/// Alike cells share a row.
fn listing(records: &[&Record]) -> String {
    let head = ["outcome", "backend", "cases", "reason"].map(Cell::text);
    let alike = grouped(records, |r| (r.outcome, reason(r)));
    let rows = Outcome::ALL.into_iter().flat_map(|outcome| {
        let of_outcome = alike.iter().filter(move |((o, ..), _)| *o == outcome);
        of_outcome.map(|((outcome, reason), records)| {
            vec![
                Cell::text(outcome.name()).class(class(*outcome)),
                Cell::code(&backends(records)).class("reason"),
                Cell::code(&cases(records)).class("reason"),
                Cell::text(reason).class("reason"),
            ]
        })
    });
    table(&head, rows)
}

fn backends(records: &[&Record]) -> String {
    crate::rows::backends(records).join(", ")
}

/// `sweep/seq-len/full/ n=64, n=128; curated/ bert-base`.
fn cases(records: &[&Record]) -> String {
    let groups = grouped(records, Record::group).into_iter();
    let groups = groups.map(|(group, records)| {
        let leaves = grouped(&records, leaf).into_iter().map(|(leaf, _)| leaf);
        format!("{group}/ {}", leaves.collect::<Vec<_>>().join(", "))
    });
    groups.collect::<Vec<_>>().join("; ")
}

/// What fails a run stands out.
fn class(outcome: Outcome) -> &'static str {
    if outcome.is_failure() { "wrap bad" } else { "wrap" }
}

#[cfg(test)]
mod tests {
    use attn_record::Memory;

    use super::*;
    use crate::fixture::{checked, disturbed, ok, refs, with_outcome};
    use crate::peak_rates::example;

    fn of_group(records: &[Record]) -> String {
        super::of_group(&refs(records), &PeakRates::default())
    }

    #[test]
    fn only_ok_cells_have_numbers() {
        for outcome in Outcome::ALL.into_iter().filter(|&o| o != Outcome::Ok) {
            let records =
                [ok("g/a", "right", 777_000.0), with_outcome(ok("g/a", "other", 333.0), outcome)];
            let html = of_group(&records);
            assert!(html.contains("777 µs") && !html.contains("333"), "{html}");
            let ending = format!("{outcome}: because of {outcome}");
            let listed = not_ok(&refs(&records)).content;
            assert!(listed.contains(&format!("because of {outcome}")), "{listed}");
            assert_eq!(html.contains(&ending), outcome != Outcome::Skipped);
            assert_eq!(html.contains("1 cell skipped"), outcome == Outcome::Skipped);
        }
    }

    #[test]
    fn times_are_left_out_where_none_was_to_be_taken() {
        let html = of_group(&[checked("g/a", "x", 0.5)]);
        assert!(html.contains("50%") && !html.contains("GFLOP/s"));
    }

    #[test]
    fn disturbed_samples_are_shown_and_many_stand_out() {
        let html = of_group(&[disturbed("g/a", 1, 20), disturbed("g/b", 5, 10)]);
        for part in [">disturbed<", ">5.0%<", "bad\" data-value=\"0.5\">50%<"] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn memory_and_share_of_peak_are_shown_where_they_are_known() {
        let mut record = ok("g/a", "x", 13_107.0);
        let plain = of_group(std::slice::from_ref(&record));
        assert!(!plain.contains("of peak") && !plain.contains("scratch"));
        record.volatile.memory = Some(Memory {
            prepared_bytes: 0,
            peak_bytes: 3 << 20,
            allocations: Some(7),
            allocated_bytes: Some(0),
            uncounted_bytes: None,
        });
        let html = super::of_group(&[&record], &example());
        for part in ["of peak", ">50%<", "3 MiB", "data-value=\"7\""] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn alike_cells_share_a_row_and_name_their_cases() {
        let refused = |case| with_outcome(ok(case, "x", 1.0), Outcome::Unsupported);
        let records = [refused("g/a"), refused("h/c"), refused("g/b"), ok("g/d", "x", 1.0)];
        let html = not_ok(&refs(&records)).content;
        assert!(html.contains("g/ a, b; h/ c"), "{html}");
        assert!(!html.contains("g/ d"));
    }
}
