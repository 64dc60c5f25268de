//! `attn check --cheats`: does the clock catch kernels that look faster than they are?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use attn_bench::limits;
use attn_bench::run::Processes;
use attn_bench::suite::Suite;
use attn_bench::worker::CellId;
use attn_core::DType;
use attn_gate::config::Config;
use attn_gate::judge::Stage;
use attn_gate::result::{CaseResult, Verdict};
use attn_gate::run::{Observer, Program, Request, gate};
use attn_record::limits::Ceilings;
use attn_record::{Machine, Outcome, Record, Timing};
use attn_report::table::{Cell, Column, Table, Tone};
use serde::Serialize;

use super::gate::this_program;
use super::print_json;
use crate::args::{CaseArgs, CellArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::registry;
use crate::session::{self, Purpose, Session};

/// What is timed unless cases are named.
const CASES: &str = "sweep/seq-len/full/n=64,sweep/seq-len/full/n=512,sweep/seq-len/full/n=2048";
/// What is timed of each case.
const MODELS: [Timing; 3] = [Timing::Kernel, Timing::KernelCold, Timing::EndToEnd];
/// Processes of each cell.
const PROCESSES: u32 = 3;
/// How often a cheat that gains is measured again.
const LOOKS: usize = 2;
/// A time that is this share of the honest kernel's, or more, gains nothing.
const NO_GAIN: f64 = 0.95;
/// Cells of cases on which the honest kernel takes longer are not before the gate, which makes some hundred calls.
const GATE_NS: f64 = 30e6;
/// The kernel without a trick.
const HONEST: &str = "fault/honest";

/// How one cheat ended on one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    /// It has no time, for this reason in a few words.
    Caught(String),
    /// Its time is no better than the honest kernel's.
    NoGain,
    /// Its time is this share of the honest kernel's.
    Gains(f64),
    /// Not run, by preset.
    Skipped,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Caught(rule) => f.write_str(rule),
            End::NoGain => f.write_str("no gain"),
            End::Gains(share) => write!(f, "{share:.2} of the time"),
            End::Skipped => f.write_str("skipped"),
        }
    }
}

/// A cell that is measured, and how it ended, in full.
#[derive(Clone, Debug, Serialize)]
struct Try {
    cheat: String,
    case: String,
    /// `kernel`, `kernel-cold`, `end-to-end` or `gate`.
    how: &'static str,
    end: End,
    /// The reason that is shown, if it has no time.
    shown: Option<String>,
}

impl Try {
    fn before_the_gate((cheat, case): (&str, &str), end: End, shown: Option<String>) -> Self {
        Try { cheat: cheat.into(), case: case.into(), how: "gate", end, shown }
    }

    fn is_same(&self, other: &Try) -> bool {
        (&self.cheat, &self.case, self.how) == (&other.cheat, &other.case, other.how)
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    tries: Vec<Try>,
    caught: bool,
}

/// Every cheat on every case, in all timings and before the gate.
pub(super) fn run(args: &CellArgs, output: OutputArgs) -> Result<Exit, Failure> {
    let cheats = attn_mutants::cheats();
    let mut cells = args.clone();
    cells
        .backends
        .backend
        .get_or_insert_with(|| cheats.iter().map(|cheat| cheat.id).collect::<Vec<_>>().join(","));
    cells.cases.case.get_or_insert_with(|| CASES.into());
    cells.timings.get_or_insert_with(|| MODELS.to_vec());
    let records = measure(&cells)?;
    let mut tries = of_records(&records);
    look_again(&mut tries, |gaining| {
        let mut cells = cells.clone();
        cells.backends.backend =
            Some(list([HONEST].into_iter().chain(gaining.iter().map(|one| &*one.cheat))));
        cells.cases.case = Some(list(gaining.iter().map(|one| &*one.case)));
        Ok(of_records(&measure(&cells)?))
    })?;
    let gate = Gated::new()?;
    let [short, long] = cells_before_the_gate(&records);
    let mut judged = gate.judge(&short)?;
    look_again(&mut judged, |gaining| {
        let cases: BTreeSet<&str> = gaining.iter().map(|one| &*one.case).collect();
        let honest = cases.into_iter().map(|case| (HONEST, case));
        gate.judge(
            &honest.chain(gaining.iter().map(|one| (&*one.cheat, &*one.case))).collect::<Vec<_>>(),
        )
    })?;
    tries.extend(judged);
    tries.extend(long.into_iter().map(|cell| Try::before_the_gate(cell, End::Skipped, None)));
    let caught = tries.iter().all(|one| match one.end {
        End::Caught(_) => one.cheat != HONEST,
        End::Gains(_) => false,
        End::NoGain | End::Skipped => true,
    });
    let interrupted = session::interrupted();
    if interrupted {
        eprintln!("attn: interrupted: what was measured until then is shown");
    }
    if output.json {
        print_json(&Report { tries, caught })?;
    } else {
        print!("{}", to_markdown(&cheats, &tries));
    }
    Ok(match (interrupted, caught) {
        (true, _) => Exit::Broken,
        (false, true) => Exit::Success,
        (false, false) => Exit::No,
    })
}

/// Measures those of `tries` that gain again, beside the honest kernel: another program may have kept the processor busy
/// while one of the two was measured. What does not gain each time gains nothing.
fn look_again(
    tries: &mut [Try],
    mut measure: impl FnMut(&[&Try]) -> Result<Vec<Try>, Failure>,
) -> Result<(), Failure> {
    for _ in 0..LOOKS {
        let gaining: Vec<&Try> =
            tries.iter().filter(|one| matches!(one.end, End::Gains(_))).collect();
        if gaining.is_empty() || session::interrupted() {
            break;
        }
        let seen = measure(&gaining)?;
        for one in tries.iter_mut() {
            let again = seen.iter().find(|seen| seen.is_same(one)).map(|seen| &seen.end);
            match (&one.end, again) {
                (End::Gains(_), Some(End::NoGain)) => one.end = End::NoGain,
                (&End::Gains(first), Some(&End::Gains(share))) => {
                    one.end = End::Gains(share.max(first));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Names separated by commas, each once.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    distinct(names).join(",")
}

/// Each name once, in the order in which they come first.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn measure(cells: &CellArgs) -> Result<Vec<Record>, Failure> {
    let mut session = Session::new(cells, Purpose::Measure)?;
    // Rules need several processes, not a narrow interval.
    session.preset.processes = Processes { least: PROCESSES, most: PROCESSES };
    Ok(session.execute(None)?.records)
}

fn of_records(records: &[Record]) -> Vec<Try> {
    let honest = |record: &Record| -> Option<f64> {
        let same = |r: &&Record| {
            (r.backend.as_str(), &r.case, r.timing) == (HONEST, &record.case, record.timing)
        };
        // Of its fastest process: where its memory lies may slow down one kernel and not the other.
        let medians = records.iter().find(same)?.measurement()?.process_medians();
        medians.into_iter().reduce(f64::min)
    };
    let one = |record: &Record| {
        let shown = record.reason.clone();
        let uncounted = record.volatile.memory.and_then(|memory| memory.uncounted_bytes);
        let end = match (record.outcome, uncounted) {
            (Outcome::Ok, Some(bytes)) => End::Caught(format!("memory: {} MiB shown", bytes >> 20)),
            (Outcome::Ok, None) => gain(record.median_ns(), honest(record)),
            (Outcome::Skipped, _) => End::Skipped,
            (Outcome::Implausible, _) => End::Caught(rule(shown.as_deref())),
            (Outcome::Disagrees, _) => End::Caught("wrong result".into()),
            (outcome, _) => End::Caught(outcome.name().into()),
        };
        let (cheat, case) = (record.backend.clone(), record.case.clone());
        Try { cheat, case, how: record.timing.map_or("", Timing::name), end, shown }
    };
    records.iter().map(one).collect()
}

fn gain(ns: Option<f64>, honest: Option<f64>) -> End {
    match ns.zip(honest).map(|(ns, honest)| ns / honest) {
        Some(share) if share < NO_GAIN => End::Gains(share),
        _ => End::NoGain,
    }
}

/// The rule's name: what is before the colon.
fn rule(reason: Option<&str>) -> String {
    reason.and_then(|reason| reason.split(':').next()).unwrap_or_default().into()
}

/// Cells that come before the gate, and those on whose case the honest kernel takes too long for it.
fn cells_before_the_gate(records: &[Record]) -> [Vec<(&str, &str)>; 2] {
    let is_long = |case: &str| {
        let mut honest =
            records.iter().filter(|r| (r.backend.as_str(), &*r.case) == (HONEST, case));
        honest.any(|record| record.median_ns().is_some_and(|ns| ns > GATE_NS))
    };
    let mut cells = Vec::new();
    for record in records.iter().filter(|record| record.outcome != Outcome::Skipped) {
        let cell = (record.backend.as_str(), record.case.as_str());
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    let (short, long) = cells.into_iter().partition(|(_, case)| !is_long(case));
    [short, long]
}

/// The gate with this program as both sides.
struct Gated {
    suite: Suite,
    program: Program,
    machine: Machine,
    ceilings: Ceilings,
}

impl Gated {
    fn new() -> Result<Self, Failure> {
        let machine = attn_bench::machine::detect();
        Ok(Gated {
            suite: session::suite(&CaseArgs::default())?,
            program: this_program()?,
            ceilings: limits::ceilings(&machine, &DType::ALL, &[1]),
            machine,
        })
    }

    /// Each of the `cells`, cheat and case, before the gate, one after the other.
    fn judge(&self, cells: &[(&str, &str)]) -> Result<Vec<Try>, Failure> {
        let mut steps = Steps::patient("before the gate");
        let mut results = Vec::new();
        for (at, &(cheat, case)) in cells.iter().enumerate() {
            steps.say(&format!("{at} of {} cells", cells.len()));
            if session::interrupted() {
                break;
            }
            let found = self.results(cheat, case, at as u64)?;
            results.extend(found.into_iter().map(|result| ((cheat, case), result)));
        }
        let honest = |case: &str| {
            let of = results.iter().find(|(cell, _)| *cell == (HONEST, case));
            of.and_then(|(_, result)| Some(result.time?.ns[1]))
        };
        let judged = results.iter().map(|&(cell, ref result)| {
            let (end, shown) = of_gate_result(result, honest(cell.1));
            Try::before_the_gate(cell, end, shown)
        });
        Ok(judged.collect())
    }

    fn results(&self, cheat: &str, case: &str, seed: u64) -> Result<Vec<CaseResult>, Failure> {
        let mut config = Config::default();
        config.gate.cases = case.into();
        config.gate.backends = Some(cheat.into());
        let request = Request {
            base: self.program.clone(),
            head: self.program.clone(),
            suite: &self.suite,
            naive: &registry::NAIVE,
            config: &config,
            ceilings: &self.ceilings,
            cpu: attn_sys::affinity::allowed().last().copied(),
            machine: self.machine.clone(),
            started: "1970-01-01T00:00:00Z".into(),
            seed,
            planted: Vec::new(),
            measure_identical: true,
            notes: Vec::new(),
        };
        Ok(gate(&request, &mut Quiet)?.0.cases)
    }
}

fn of_gate_result(result: &CaseResult, honest: Option<f64>) -> (End, Option<String>) {
    let shown = Some(result.detail.clone());
    match result.verdict {
        Verdict::Wrong => (End::Caught("wrong result".into()), shown),
        Verdict::Worse => (End::Caught(rule(shown.as_deref())), shown),
        Verdict::Error => {
            let why = result.detail.split_once("implausible: ").map(|(_, why)| rule(Some(why)));
            (End::Caught(why.unwrap_or_else(|| "error".into())), shown)
        }
        _ => (gain(result.time.map(|time| time.ns[1]), honest), None),
    }
}

/// Says nothing.
struct Quiet;

impl Observer for Quiet {
    fn checking(&mut self, _cell: &CellId, _at: usize, _of: usize) -> bool {
        !session::interrupted()
    }

    fn round(&mut self, _stage: Stage, _cases: usize) -> bool {
        !session::interrupted()
    }
}

fn to_markdown(cheats: &[attn_mutants::Cheat], tries: &[Try]) -> String {
    let mut by_cell: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for one in tries {
        by_cell.entry((&one.cheat, one.how)).or_default().push(one.end.to_string());
    }
    let columns = ["kernel", "kernel-cold", "end-to-end", "gate"];
    let of = |cheat: &str, how: &str| {
        let gains = tries
            .iter()
            .any(|one| (&*one.cheat, one.how) == (cheat, how) && matches!(one.end, End::Gains(_)));
        let mut ends = by_cell.get(&(cheat, how)).cloned().unwrap_or_default();
        if ends.iter().all(|end| *end == ends[0]) {
            ends.truncate(1);
        }
        let cell = Cell::from(ends.join(" / "));
        if gains { cell.tone(Tone::Bad) } else { cell }
    };
    let rows =
        cheats.iter().filter(|cheat| tries.iter().any(|one| one.cheat == cheat.id)).map(|cheat| {
            let mut row = vec![cheat.id.into(), cheat.description.into()];
            row.extend(columns.map(|how| of(cheat.id, how)));
            row
        });
    let first = [Column::id("cheat"), Column::words("what it does")].into_iter();
    let table = Table::new("", first.chain(columns.map(Column::words))).rows(rows);
    let cases = distinct(tries.iter().map(|one| one.case.as_str()));
    let mut text = table.markdown();
    let _ = writeln!(
        text,
        "\nOn {}, in this order, once where all end alike: the rule that takes the time away, or what is left of the honest \
         kernel's time. The gate is skipped where an honest call takes more than {} ms, cold kernels where it takes too many \
         plans to outgrow the caches.",
        cases.join(", "),
        GATE_NS / 1e6
    );
    text
}
