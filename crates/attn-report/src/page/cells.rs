//! Cells in tables.

use attn_record::{Outcome, Record};

use super::Section;
use super::html::{Cell, paragraph, table};
use crate::format::{percent, ratio, significant, time};
use crate::rows::{Row, grouped, leaf, reason, rows};

/// Every cell of one sub-sweep or folder of cases. Times are left out where none was to be taken.
pub(super) fn of_group(records: &[&Record]) -> String {
    let timed = records.iter().any(|r| r.model.is_some());
    let mut head = vec![Cell::text("backend"), Cell::number("threads")];
    if timed {
        head.extend(["time", "GFLOP/s", "ratio"].map(Cell::number));
    }
    head.push(Cell::number("error"));
    let rows = rows(records);
    let cases = rows.chunk_by(|a, b| a.record.case == b.record.case);
    let lines = cases.flat_map(|case| {
        let name = vec![case_name(case[0].record, head.len())];
        let cells = case.iter().map(|row| cells(row, timed, head.len()));
        std::iter::once(name).chain(cells)
    });
    table(&head, lines)
}

/// The line above the cells of a case: `n=64  B1 H1 N64 D64 f32`.
fn case_name(record: &Record, columns: usize) -> Cell {
    let problem = match attn_core::Problem::new(record.problem.clone()) {
        Ok(problem) => problem.to_string(),
        Err(invalid) => invalid.to_string(),
    };
    let name = format!("{} ({problem})", leaf(record));
    Cell::code(&name).class("case").span(columns)
}

fn cells(row: &Row<'_>, timed: bool, columns: usize) -> Vec<Cell> {
    let record = row.record;
    let mut cells = vec![Cell::code(&record.backend), Cell::number(&record.threads.to_string())];
    if record.outcome == Outcome::Ok {
        if timed {
            cells.extend(times(row));
        }
        cells.push(number(record.budget_share().map(percent)));
    } else {
        let ending = format!("{}: {}", record.outcome, reason(record));
        let rest = columns - cells.len();
        cells.push(Cell::text(&ending).class(class(record.outcome)).span(rest));
    }
    cells
}

fn times(row: &Row<'_>) -> [Cell; 3] {
    let to_best = number(row.ratio.map(ratio));
    [
        number(row.record.median_ns().map(time)),
        number(row.record.gflops().map(significant)),
        if row.ratio == Some(1.0) { to_best.class("number best") } else { to_best },
    ]
}

fn number(value: Option<String>) -> Cell {
    Cell::number(&value.unwrap_or_else(|| "–".into()))
}

/// Every cell that did not end `ok`, with its whole reason.
pub(super) fn not_ok(records: &[Record]) -> Section {
    let others: Vec<&Record> = records.iter().filter(|r| r.outcome != Outcome::Ok).collect();
    let content =
        if others.is_empty() { paragraph("None: every cell ended ok.") } else { listing(&others) };
    Section { title: "Cells that did not end ok".into(), content }
}

/// Alike cells share a row.
fn listing(records: &[&Record]) -> String {
    let head = ["outcome", "backend", "cases", "reason"].map(Cell::text);
    let alike = grouped(records, |r| (r.outcome, &r.backend, reason(r)));
    let rows = Outcome::ALL.into_iter().flat_map(|outcome| {
        let of_outcome = alike.iter().filter(move |((o, ..), _)| *o == outcome);
        of_outcome.map(|((outcome, backend, reason), records)| {
            vec![
                Cell::text(outcome.name()).class(class(*outcome)),
                Cell::code(backend),
                Cell::code(&cases(records)).class("reason"),
                Cell::text(reason).class("reason"),
            ]
        })
    });
    table(&head, rows)
}

/// `sweep/seq-len/full/ n=64, n=128; curated/ bert-base`.
fn cases(records: &[&Record]) -> String {
    let groups = grouped(records, Record::group).into_iter();
    let groups = groups.map(|(group, records)| {
        let mut leaves: Vec<&str> = records.iter().map(|r| leaf(r)).collect();
        leaves.dedup();
        format!("{group}/ {}", leaves.join(", "))
    });
    groups.collect::<Vec<_>>().join("; ")
}

/// What fails a run stands out.
fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Disagrees | Outcome::Error | Outcome::Timeout => "wrap bad",
        _ => "wrap",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{checked, ok, refs, with_outcome};

    #[test]
    fn only_ok_cells_have_numbers() {
        for outcome in Outcome::ALL.into_iter().filter(|&o| o != Outcome::Ok) {
            let records =
                [ok("g/a", "right", 777_000.0), with_outcome(ok("g/a", "other", 333.0), outcome)];
            let html = of_group(&refs(&records));
            assert!(html.contains("777 µs") && !html.contains("333"), "{html}");
            assert!(html.contains(&format!("{outcome}: because of {outcome}")));
        }
    }

    #[test]
    fn times_are_left_out_where_none_was_to_be_taken() {
        let html = of_group(&refs(&[checked("g/a", "x", 0.5)]));
        assert!(html.contains("50%") && !html.contains("GFLOP/s"));
    }

    #[test]
    fn alike_cells_share_a_row_and_name_their_cases() {
        let refused = |case| with_outcome(ok(case, "x", 1.0), Outcome::Unsupported);
        let records = [refused("g/a"), refused("h/c"), refused("g/b"), ok("g/d", "x", 1.0)];
        let html = not_ok(&records).content;
        assert!(html.contains("g/ a, b; h/ c"), "{html}");
        assert!(!html.contains("g/ d"));
    }
}
