//! Cells: what each measured, or how it ended.

use attn_analysis::certainty::is_too_wide;
use attn_analysis::compare::Standing;
use attn_analysis::disturbance::{Disturbance, MUCH, share};
use attn_analysis::peak_rates::PeakRates;
use attn_analysis::place::places;
use attn_analysis::rows::{Row, backends, grouped, reason, rows};
use attn_core::Problem;
use attn_record::{Axis, Outcome, Record, Timing};

use super::compare::some;
use super::{Cell, Column, Options, Table, Tone, checked, wrap};
use crate::features::wrong_by_backend;
use crate::format::{TOO_NOISY, bytes, count, percent, ratio, significant, time};

/// What columns and marks mean.
pub(crate) const LEGEND: [&str; 3] = [
    "time: median per call; ±: half the width of its interval (95 %), too noisy: an interval wider than half the time",
    "ratio: to the fastest of its case and threads; *: certainly the fastest, ~: perhaps as fast",
    "error: the largest, as a share of what rounding may cause",
];

/// A column, and what it shows of a row.
struct Shown<'a> {
    column: Column,
    cell: Box<dyn Fn(&Row<'_>) -> Cell + 'a>,
}

/// Every cell of `records`, by place, group and case, for a terminal; cells that were only checked or that were skipped
/// are summed up.
pub fn render(records: &[Record], options: Options) -> String {
    let all: Vec<&Record> = records.iter().collect();
    let places = places(&all);
    let several = places.len() > 1;
    // What is wrong comes first, as far as it has something in common.
    let wrong = wrong_by_backend(&all);
    let mut tables: Vec<Table> =
        (!wrong.is_empty()).then(|| Table::new("WRONG", []).notes(wrong)).into_iter().collect();
    for (place, records) in places {
        if several {
            tables.push(Table::new(format!("== {}", place.title()), []));
        }
        let groups = grouped(&records, Record::group);
        tables.extend(groups.iter().flat_map(|(group, cells)| of_group(group, cells)));
    }
    let mut blocks: Vec<String> = tables.iter().map(|table| table.terminal(options)).collect();
    if all.iter().any(|r| r.median_ns().is_some()) {
        let width = options.columns();
        let legend: String = LEGEND.map(|line| wrap(line, "", 2, width)).concat();
        blocks.push(legend + &disturbance(&all, width));
    }
    blocks.join("\n")
}

/// How many samples were disturbed, and what the mark behind times means where there is one.
fn disturbance(records: &[&Record], width: usize) -> String {
    let much = percent(MUCH);
    let mark = wrap(&format!("!: more than {much} of the samples were disturbed"), "", 2, width);
    let mark = if records.iter().any(|r| is_disturbed(r)) { mark } else { String::new() };
    let line = Disturbance::of(records.iter().copied()).map(|found| match &found.warning {
        Some(warning) => wrap(&format!("warning: {warning}"), "\n", 2, width),
        None => wrap(&found.to_string(), "\n", 2, width),
    });
    mark + &line.unwrap_or_default()
}

fn is_disturbed(record: &Record) -> bool {
    share(record).is_some_and(|share| share > MUCH)
}

/// One group, a table for each timing: the measured cells, then what was skipped and what was only checked.
fn of_group(group: &str, records: &[&Record]) -> Vec<Table> {
    let (measured, checks): (Vec<&Record>, _) = records.iter().partition(|r| r.timing.is_some());
    let mut tables = Vec::new();
    let timings = grouped(&measured, |r| r.timing).into_iter();
    for (timing, measured) in timings.filter_map(|(timing, cells)| Some((timing?, cells))) {
        let title = match timing {
            Timing::Kernel => group.to_owned(),
            other => format!("{group}, {other}"),
        };
        let listed = |r: &&Record| r.outcome == Outcome::Ok || r.outcome.is_failure();
        let listed: Vec<&Record> = measured.iter().copied().filter(listed).collect();
        let name = |record: &Record| record.outcome.name().into();
        let table = ending(&listed, &PeakRates::default(), name).notes(endings(&measured));
        tables.push(Table { title, ..table });
    }
    if tables.is_empty() {
        tables.push(Table::new(group, []));
    }
    if let Some(last) = tables.last_mut() {
        last.notes.extend(checked::lines(&checks));
    }
    tables
}

/// Cells that did not end `ok`, alike ones together: `skipped: 10 cells (naive on n=4096, n=8192): preset quick leaves out full
/// cases`.
pub(crate) fn endings(records: &[&Record]) -> Vec<String> {
    let others: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Ok).copied().collect();
    let alike = grouped(&others, |r| (r.outcome, reason(r))).into_iter();
    let lines = alike.map(|((outcome, reason), records)| {
        let cells = count(records.len(), "cell");
        let cases: Vec<&str> =
            grouped(&records, Record::leaf).into_iter().map(|(case, _)| case).collect();
        format!("{outcome}: {cells} ({} on {}): {reason}", some(&backends(&records)), some(&cases))
    });
    lines.collect()
}

/// All `records`, which are of one place. One that did not end `ok` has its end and its reason in place of numbers.
pub(crate) fn table(records: &[&Record], peak_rates: &PeakRates) -> Table {
    ending(records, peak_rates, |record| format!("{}: {}", record.outcome, reason(record)))
}

/// A row for every cell of `records`, one table for each place: what is not there is a dash, so that every row has every column.
pub fn plain(records: &[Record]) -> Vec<Table> {
    let all: Vec<&Record> = records.iter().collect();
    let places = places(&all);
    let several = places.len() > 1;
    let tables = places.into_iter().map(|(place, records)| {
        let peak_rates = PeakRates::default();
        let figures = figures(&records, &peak_rates);
        let names = ["case", "backend", "timing"].map(Column::id).into_iter();
        let names = names.chain([Column::number("threads"), Column::words("outcome")]);
        let columns = names.chain(figures.iter().map(|shown| shown.column.clone()));
        let rows = rows(&records).into_iter().map(|row| {
            let record = row.record;
            let timing = Cell::or_dash(record.timing.map(|timing| timing.name().into()));
            let names = [record.case.as_str().into(), record.backend.as_str().into(), timing];
            let rest = [Cell::count(Some(record.threads)), record.outcome.name().into()];
            let figures = figures.iter().map(|shown| (shown.cell)(&row));
            let why = Cell::or_dash(record.reason.clone());
            names.into_iter().chain(rest).chain(figures).chain([why]).collect()
        });
        let title = if several { place.title() } else { String::new() };
        Table::new(title, columns.chain([Column::prose("reason")]).collect::<Vec<_>>())
            .rows(rows.collect::<Vec<_>>())
    });
    tables.collect()
}

/// All `records`; one that did not end `ok` has what `ended` says of it in place of numbers.
fn ending(records: &[&Record], peak_rates: &PeakRates, ended: impl Fn(&Record) -> String) -> Table {
    let (names, figures) = (names(records), figures(records, peak_rates));
    let columns = names.iter().chain(&figures).map(|shown| shown.column.clone());
    let rows = rows(records).into_iter().map(|row| {
        let record = row.record;
        let mut cells: Vec<Cell> = names.iter().map(|shown| (shown.cell)(&row)).collect();
        if record.outcome == Outcome::Ok {
            cells.extend(figures.iter().map(|shown| (shown.cell)(&row)));
        } else {
            cells.push(Cell::from(ended(record)).tone(tone(record.outcome)));
        }
        cells
    });
    Table::new("", columns.collect::<Vec<_>>()).rows(rows.collect::<Vec<_>>())
}

/// What fails a run stands out.
const fn tone(outcome: Outcome) -> Tone {
    if outcome.is_failure() { Tone::Bad } else { Tone::Plain }
}

fn shown<'a>(column: Column, cell: impl Fn(&Row<'_>) -> Cell + 'a) -> Shown<'a> {
    Shown { column, cell: Box::new(cell) }
}

/// What says which cell it is.
fn names(records: &[&Record]) -> Vec<Shown<'static>> {
    let mut columns = vec![
        shown(Column::id("case"), |row| case(row.record)),
        shown(Column::backend("backend"), |row| row.record.backend.clone().into()),
    ];
    if grouped(records, |r| r.timing).len() > 1 {
        let timing = |row: &Row<'_>| Cell::or_dash(row.record.timing.map(|m| m.name().into()));
        columns.push(shown(Column::words("timing"), timing));
    }
    let threads = |row: &Row<'_>| Cell::count(Some(row.record.threads));
    columns.push(shown(Column::number("threads"), threads));
    columns
}

/// Columns of what was found, those with something in them.
fn figures<'a>(records: &[&Record], peak_rates: &'a PeakRates) -> Vec<Shown<'a>> {
    let any = |has: &dyn Fn(&Record) -> bool| records.iter().any(|r| has(r));
    let number = |name: &str| Column::number(name);
    let timed = any(&|r| r.timing.is_some());
    let mut columns = if timed { times(records, peak_rates) } else { Vec::new() };
    if any(&|r| r.volatile.memory.is_some()) {
        columns.push(shown(number("scratch").detail(), |row| {
            let peak = row.record.volatile.memory.map(|memory| memory.peak_bytes as f64);
            Cell::value(peak, |peak| bytes(peak as u64))
        }));
        columns.push(shown(number("allocations").detail(), |row| {
            let memory = row.record.volatile.memory;
            Cell::value(memory.and_then(|m| m.allocations).map(|n| n as f64), |n| n.to_string())
        }));
    }
    columns.push(shown(number("error"), |row| Cell::value(row.record.budget_share(), percent)));
    // The name of a case of a sweep says what the problem is.
    if any(&|r| r.axis.is_none()) {
        let column = Column::words("problem").detail();
        columns.push(shown(column, |row| Cell::from(problem(row.record)).tone(Tone::Muted)));
    }
    columns
}

/// Columns of what was timed, those with something in them.
fn times<'a>(records: &[&Record], peak_rates: &'a PeakRates) -> Vec<Shown<'a>> {
    let any = |has: &dyn Fn(&Record) -> bool| records.iter().any(|r| has(r));
    let number = |name: &str| Column::number(name);
    let mut columns = Vec::new();
    columns.push(shown(number("time"), |row| {
        let tone = if is_disturbed(row.record) { Tone::Disturbed } else { Tone::Plain };
        let noisy = is_noisy(row.record);
        let shown = |ns| if noisy { TOO_NOISY.into() } else { time(ns) };
        Cell::value(row.record.median_ns(), shown).tone(tone)
    }));
    if any(&|r| half_width(r).is_some()) {
        columns.push(shown(number("±").detail(), |row| {
            Cell::value(half_width(row.record), percent).tone(Tone::Muted)
        }));
    }
    if any(&|r| share(r).is_some()) {
        columns.push(shown(number("disturbed").detail(), |row| {
            let tone = if is_disturbed(row.record) { Tone::Bad } else { Tone::Muted };
            Cell::value(share(row.record), percent).tone(tone)
        }));
    }
    columns.push(shown(number("GFLOP/s"), |row| {
        let rate = row.record.gflops().filter(|_| !is_noisy(row.record));
        Cell::value(rate, significant)
    }));
    if any(&|r| peak_rates.share(r).is_some()) {
        columns.push(shown(number("of peak").detail(), |row| {
            Cell::value(peak_rates.share(row.record), percent)
        }));
    }
    columns.push(shown(number("ratio"), |row| {
        let tone = match row.standing {
            Standing::First => Tone::Best,
            Standing::Tied => Tone::Tied,
            Standing::Other => Tone::Plain,
        };
        if is_noisy(row.record) {
            return Cell::count(None);
        }
        Cell::value(row.ratio, ratio).tone(tone)
    }));
    columns
}

/// The name of a case, sorted by the size that its sweep varies.
fn case(record: &Record) -> Cell {
    let name = Cell::from(record.leaf());
    match record.axis {
        None => name,
        Some(Axis::Len) => name.sorted_by(record.problem.shape.len_k as f64),
        Some(Axis::Dim) => name.sorted_by(record.problem.shape.dim as f64),
    }
}

fn problem(record: &Record) -> String {
    match Problem::new(record.problem.clone()) {
        Ok(problem) => problem.to_string(),
        Err(invalid) => invalid.to_string(),
    }
}

/// Whether the interval of the time is too wide for figures.
fn is_noisy(record: &Record) -> bool {
    let interval = record.interval().zip(record.median_ns());
    interval.is_some_and(|(estimate, ns)| is_too_wide(estimate.interval, ns))
}

/// Half the width of the interval of the time, as a share of the time.
fn half_width(record: &Record) -> Option<f64> {
    Some(record.interval()?.interval.half_width() / record.median_ns()?)
}

/// Every cell that did not end `ok`, with its whole reason; alike cells share a row.
pub(crate) fn not_ok(records: &[&Record]) -> Table {
    let others: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Ok).copied().collect();
    let alike = grouped(&others, |r| (r.outcome, reason(r)));
    let rows = Outcome::ALL.into_iter().flat_map(|outcome| {
        let of_outcome = alike.iter().filter(move |((o, ..), _)| *o == outcome);
        of_outcome.map(|((outcome, reason), records)| {
            let outcome = Cell::from(outcome.name()).tone(tone(*outcome));
            let backends = backends(records).join(", ");
            vec![outcome, backends.into(), cases(records).into(), (*reason).into()]
        })
    });
    let lists = ["backend", "cases", "reason"].map(Column::prose).into_iter();
    let columns = std::iter::once(Column::words("outcome")).chain(lists);
    Table::new("", columns).rows(rows)
}

/// `sweep/seq-len/full/ n=64, n=128; curated/ bert-base`.
fn cases(records: &[&Record]) -> String {
    let groups = grouped(records, Record::group).into_iter();
    let groups = groups.map(|(group, records)| {
        let leaves = grouped(&records, Record::leaf).into_iter().map(|(leaf, _)| leaf);
        format!("{group}/ {}", leaves.collect::<Vec<_>>().join(", "))
    });
    groups.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{checked, disturbed, elsewhere, ok, sure, sweep, with_outcome};
    use proptest::prelude::*;

    use super::*;

    fn render(records: &[Record]) -> String {
        super::render(records, Options::default())
    }

    #[test]
    fn a_group_reads_like_this() {
        let records = [
            sure("curated/llama-gqa-prefill", "naive", 12_345.0),
            sure("curated/llama-gqa-prefill", "candle/fused", 1_200.0),
            with_outcome(ok("curated/llama-gqa-prefill", "candle/cuda", 1.0), Outcome::Unavailable),
        ];
        let expected = "\
curated
  case               backend       threads     time   ±  GFLOP/s   ratio  error
  llama-gqa-prefill  naive               1  12.3 µs  0%     84.9  10.3x    3.1%
                     candle/fused        1  1.20 µs  0%      874  1.00x*   3.1%
  unavailable: 1 cell (candle/cuda on llama-gqa-prefill): because of unavailable
";
        let text = render(&records);
        assert!(text.replace("3.0%", "3.1%").starts_with(expected), "{text}");
    }

    #[test]
    fn as_values_every_cell_has_a_row_and_every_row_all_columns() {
        let mut wrong = with_outcome(ok("g/b", "y", 1.0), Outcome::Disagrees);
        wrong.reason = Some("worse, by far".into());
        let records = [sure("g/a", "x", 12_345.0), wrong];
        let csv = crate::table::csv(&plain(&records));
        let lines: Vec<&str> = csv.lines().collect();
        let head = "case,backend,timing,threads,outcome,time,±,disturbed,GFLOP/s,ratio,error,";
        assert_eq!(lines[0], [head, "problem,reason"].concat());
        assert!(lines[1].starts_with("g/a,x,kernel,1,ok,12345,0,"), "{csv}");
        assert!(lines[2].starts_with("g/b,y,kernel,1,disagrees,,,,,,"), "{csv}");
        assert!(lines[2].ends_with("\"worse, by far\""), "{csv}");
        assert_eq!(plain(&[records[0].clone(), elsewhere(ok("g/a", "x", 1.0))]).len(), 2);
    }

    #[test]
    fn what_wrong_results_share_is_said_before_the_list() {
        let causal = |case| {
            let mut record = with_outcome(checked(case, "x", 4.0), Outcome::Disagrees);
            record.problem.causal = Some(attn_core::Alignment::TopLeft);
            record
        };
        let text = render(&[checked("g/a", "x", 0.5), causal("g/b"), causal("g/c")]);
        let expected =
            "WRONG\n  x: 2 of 3 wrong, all of them causal, and none of the right ones; first g/b:";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn only_ok_cells_have_numbers() {
        for outcome in Outcome::ALL.into_iter().filter(|&outcome| outcome != Outcome::Ok) {
            let right = [sure("g/a", "right", 777_000.0), sure("g/a", "slow", 999_000.0)];
            let other = with_outcome(ok("g/a", "other", 333.0), outcome);
            let text = render(&[&right[..], &[other]].concat());
            let row = text.lines().find(|l| l.contains("other  "));
            assert_eq!(row.is_some(), outcome.is_failure(), "{text}");
            assert!(row.is_none_or(|row| row.ends_with(&format!("1  {outcome}"))), "{text}");
            let note = format!("  {outcome}: 1 cell (other on a): because of {outcome}\n");
            assert!(text.contains(&note) && !text.contains("333"), "{text}");
            assert!(text.contains("1.00x*"), "the best is the best that is right: {text}");
        }
    }

    #[test]
    fn skipped_cells_share_a_line_and_machines_share_no_table() {
        let skipped = |case| with_outcome(ok(case, "x", 1.0), Outcome::Skipped);
        let records =
            [ok("g/a", "x", 1e3), skipped("g/b"), elsewhere(ok("g/a", "x", 5e3)), skipped("g/c")];
        let text = render(&records);
        assert!(text.contains("  skipped: 2 cells (x on b, c): because of skipped\n"), "{text}");
        assert_eq!(text.matches("1.00x ").count(), 2, "alone, nobody wins: {text}");
        assert!(text.contains("== Other CPU, 2 cores; attn 0.1.0 (release)\n\ng\n"), "{text}");
    }

    #[test]
    fn disturbed_samples_are_counted_marked_and_warned_of() {
        let calm = render(&[disturbed("g/a", 1, 10), disturbed("g/b", 0, 10)]);
        assert!(calm.ends_with("cause\n\n1 of 20 samples (5.0%) were disturbed\n"), "{calm}");
        let text = render(&[disturbed("g/a", 5, 10), disturbed("g/b", 0, 10)]);
        assert!(text.contains("1.00 ms!") && text.contains("1.00 ms  "), "{text}");
        assert!(text.contains("!: more than 10% of the samples were disturbed\n"), "{text}");
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
            case in "[a-z]{1,60}", backend in "[a-z/]{1,20}", reason in "[a-z ]{1,200}", width in 40usize..120,
        ) {
            let mut records = sweep("sweep/seq-len/causal", &["naive", "flash/avx512"], &[64, 16384]);
            records.push(ok(&format!("curated/{case}"), &backend, 123_456.0));
            records.push(checked(&format!("{case}/{case}"), &backend, 0.5));
            records.push(disturbed("curated/x", 1_234, 2_345));
            for outcome in Outcome::ALL {
                let mut record = with_outcome(ok(&format!("curated/{case}"), &backend, 1.0), outcome);
                record.reason = Some(reason.clone());
                records.push(record.clone());
                record.timing = None;
                records.push(record);
            }
            for line in super::render(&records, Options { width, ..Options::default() }).lines() {
                prop_assert!(line.chars().count() <= width, "{}", line);
            }
        }
    }
}
