//! The table in the terminal.

use attn_record::{Model, Outcome, Record};

use super::checked;
use super::columns::Columns;
use super::compare::some;
use super::scaling::wrap;
use crate::disturbance::{Disturbance, MUCH, share};
use crate::format::{count, percent, ratio, shorten, significant, time};
use crate::place::places;
use crate::rows::{Row, grouped, leaf, reason, rows};

const HEADER: [&str; 7] = ["case", "backend", "threads", "time", "GFLOP/s", "ratio", "error"];

/// The first columns, which hold names.
const NAMES: usize = 2;
const INDENT: &str = "  ";

const LEGEND: &str = "\
time: median per call; ratio: to the fastest (*) of its case and threads
error: the largest, as a share of what rounding may cause
";

/// What follows a time of which more than [`MUCH`] of the samples were disturbed.
const MARK: char = '~';

/// How the table is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Characters that no line exceeds, at least 72.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { width: 80 }
    }
}

/// Every cell of `records`, by place, group and case; cells that were only checked or that were skipped
/// are summed up.
pub fn render(records: &[Record], options: Options) -> String {
    let width = options.width.max(72);
    let all: Vec<&Record> = records.iter().collect();
    let places = places(&all);
    let several = places.len() > 1;
    let mut blocks = Vec::new();
    for (place, records) in places {
        if several {
            blocks.push(shorten(&format!("== {}", place.title()), width) + "\n");
        }
        let groups = grouped(&records, Record::group);
        blocks.extend(groups.iter().map(|(group, cells)| block(group, cells, width)));
    }
    if all.iter().any(|r| r.median_ns().is_some()) {
        blocks.push(LEGEND.to_owned() + &disturbance(&all, width));
    }
    blocks.join("\n")
}

/// How many samples were disturbed, and what the mark behind times means where there is one.
fn disturbance(records: &[&Record], width: usize) -> String {
    let much = percent(MUCH);
    let mark = format!("{MARK}: more than {much} of the samples were disturbed\n");
    let mark = if records.iter().any(|r| is_disturbed(r)) { mark } else { String::new() };
    let found = Disturbance::of(records.iter().copied());
    let line = found.map(|found| match &found.warning {
        Some(warning) => wrap(&format!("warning: {warning}"), width),
        None => format!("{found}\n"),
    });
    mark + &line.map_or_else(String::new, |line| format!("\n{}", line.trim_start()))
}

fn is_disturbed(record: &Record) -> bool {
    share(record).is_some_and(|share| share > MUCH)
}

/// One group: its name, the measured cells, then what was only checked.
fn block(group: &str, records: &[&Record], width: usize) -> String {
    let (measured, checks): (Vec<&Record>, _) = records.iter().partition(|r| r.model.is_some());
    let mut text = String::new();
    let models = grouped(&measured, |r| r.model).into_iter();
    for (model, measured) in models.filter_map(|(model, cells)| Some((model?, cells))) {
        let title = match model {
            Model::Kernel => group.to_owned(),
            other => format!("{group}, {other}"),
        };
        text += &(shorten(&title, width) + "\n");
        let (skipped, others): (Vec<&Record>, _) =
            measured.into_iter().partition(|r| r.outcome == Outcome::Skipped);
        text.push_str(&measured_cells(&others, width));
        text.push_str(&skipped_cells(&skipped, width));
    }
    if measured.is_empty() {
        text += &(shorten(group, width) + "\n");
    }
    text.push_str(&checked::lines(&checks, width, INDENT));
    text
}

fn measured_cells(records: &[&Record], width: usize) -> String {
    if records.is_empty() {
        return String::new();
    }
    let rows = rows(records);
    let marked = records.iter().any(|r| is_disturbed(r));
    let mut lines = vec![HEADER.map(Into::into).to_vec()];
    let mut previous = "";
    for row in &rows {
        let case = if row.record.case == previous { "" } else { leaf(row.record) };
        previous = &row.record.case;
        lines.push(cells(row, case, marked));
    }
    let columns = Columns::fit(&lines, NAMES, width - INDENT.len());
    let mut text = format!("{INDENT}{}", columns.line(&lines[0]));
    for (row, cells) in rows.iter().zip(&lines[1..]) {
        text.push_str(INDENT);
        text.push_str(&match row.ratio {
            Some(_) => columns.line(cells),
            None => columns.line_with_text(cells, &ending(row.record)),
        });
    }
    text
}

/// Cells that were to be measured and were not, alike ones together: `skipped: 10 cells (n=4096, n=8192):
/// preset quick leaves out full cases`.
fn skipped_cells(records: &[&Record], width: usize) -> String {
    let alike = grouped(records, reason).into_iter();
    let lines = alike.map(|(reason, records)| {
        let cases: Vec<&str> = grouped(&records, leaf).into_iter().map(|(case, _)| case).collect();
        let cells = count(records.len(), "cell");
        wrap(&format!("skipped: {cells} ({}): {reason}", some(&cases)), width)
    });
    lines.collect()
}

/// The cells of a row; one that is not `ok` has no numbers, only names. Times end alike where one is `marked`.
fn cells(row: &Row<'_>, case: &str, marked: bool) -> Vec<String> {
    let record = row.record;
    let mut cells = vec![case.into(), record.backend.clone(), record.threads.to_string()];
    if let (Some(ns), Some(to_best)) = (record.median_ns(), row.ratio) {
        let mark = if to_best == 1.0 { '*' } else { ' ' };
        let share = record.budget_share();
        let after = if is_disturbed(record) { MARK } else { ' ' };
        let after = if marked { after.to_string() } else { String::new() };
        cells.extend([
            time(ns) + &after,
            record.gflops().map_or_else(String::new, significant),
            format!("{}{mark}", ratio(to_best)),
            share.map_or_else(String::new, percent),
        ]);
    }
    cells
}

/// How a cell without numbers ended: `unsupported: grouped heads`.
fn ending(record: &Record) -> String {
    match record.outcome {
        Outcome::Ok => "ok, without samples".into(),
        outcome => format!("{outcome}: {}", reason(record)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{checked, disturbed, elsewhere, ok, sweep, with_outcome};

    fn render(records: &[Record]) -> String {
        super::render(records, Options::default())
    }

    #[test]
    fn a_group_reads_like_this() {
        let records = [
            ok("curated/llama-gqa-prefill", "naive", 12_345.0),
            ok("curated/llama-gqa-prefill", "candle/fused", 1_200.0),
            with_outcome(ok("curated/llama-gqa-prefill", "candle/cuda", 1.0), Outcome::Unavailable),
        ];
        let expected = "\
curated
  case               backend       threads     time  GFLOP/s   ratio  error
  llama-gqa-prefill  naive               1  12.3 µs     84.9  10.3x    3.1%
                     candle/fused        1  1.20 µs      874  1.00x*   3.1%
                     candle/cuda         1  unavailable: because of unavailable
";
        let text = render(&records);
        assert!(text.replace("3.0%", "3.1%").starts_with(expected), "{text}");
    }

    #[test]
    fn only_ok_cells_have_numbers() {
        let listed = |o: &Outcome| !matches!(o, Outcome::Ok | Outcome::Skipped);
        for outcome in Outcome::ALL.into_iter().filter(listed) {
            let records =
                [ok("g/a", "right", 777_000.0), with_outcome(ok("g/a", "other", 333.0), outcome)];
            let text = render(&records);
            let row = text.lines().find(|l| l.contains("other")).unwrap();
            assert!(row.ends_with(&format!("1  {outcome}: because of {outcome}")));
            assert!(!text.contains("333"), "{text}");
            assert!(text.contains("1.00x*"), "the best is the best that is right: {text}");
        }
    }

    #[test]
    fn skipped_cells_share_a_line_and_machines_share_no_table() {
        let skipped = |case| with_outcome(ok(case, "x", 1.0), Outcome::Skipped);
        let records =
            [ok("g/a", "x", 1e3), skipped("g/b"), elsewhere(ok("g/a", "x", 5e3)), skipped("g/c")];
        let text = render(&records);
        assert!(text.contains("  skipped: 2 cells (b, c): because of skipped\n"), "{text}");
        assert_eq!(text.matches("1.00x*").count(), 2, "{text}");
        assert!(text.contains("== Other CPU, 2 cores; attn 0.1.0 (release)\n\ng\n"), "{text}");
    }

    #[test]
    fn disturbed_samples_are_counted_marked_and_warned_of() {
        let calm = render(&[disturbed("g/a", 1, 10), disturbed("g/b", 0, 10)]);
        assert!(calm.ends_with("cause\n\n1 of 20 samples (5.0%) were disturbed\n"), "{calm}");
        let text = render(&[disturbed("g/a", 5, 10), disturbed("g/b", 0, 10)]);
        assert!(text.contains("1.00 ms~") && text.contains("1.00 ms  "), "{text}");
        assert!(text.contains("~: more than 10% of the samples were disturbed\n"), "{text}");
        assert!(
            text.contains("\nwarning: 5 of 20 samples (25%) were disturbed: others used"),
            "{text}"
        );
        let checks = render(&[checked("real/fluffy-dog/layer-0", "naive", 0.1)]);
        assert!(!checks.contains("disturbed"), "{checks}");
    }

    #[test]
    fn checks_are_summed_up() {
        let records = [
            checked("real/fluffy-dog/layer-0", "naive", 0.1),
            checked("real/fluffy-dog/layer-1", "faer", 0.4),
        ];
        let text = render(&records);
        let line = "  2 cells checked, all agree; worst 40% of budget (faer, layer-1)\n";
        assert_eq!(text, format!("real/fluffy-dog\n{line}"));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(
            case in "[a-z]{1,60}", backend in "[a-z/]{1,20}", reason in "[a-z ]{1,200}", width in 72usize..120,
        ) {
            let mut records = sweep("sweep/seq-len/causal", &["naive", "flash/avx512"], &[64, 16384]);
            records.push(ok(&format!("curated/{case}"), &backend, 123_456.0));
            records.push(checked(&format!("{case}/{case}"), &backend, 0.5));
            records.push(disturbed("curated/x", 12_345, 23_456));
            for outcome in Outcome::ALL {
                let mut record = with_outcome(ok(&format!("curated/{case}"), &backend, 1.0), outcome);
                record.reason = Some(reason.clone());
                records.push(record.clone());
                record.model = None;
                records.push(record);
            }
            for line in super::render(&records, Options { width }).lines() {
                prop_assert!(line.chars().count() <= width, "{}", line);
            }
        }
    }
}
