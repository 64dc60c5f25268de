//! `attn check --cheats`: does the clock catch kernels that look faster than they are?

use std::collections::BTreeMap;
use std::fmt::Write as _;

use attn_bench::run::Processes;
use attn_bench::worker::CellId;
use attn_bench::{limits, markdown};
use attn_core::DType;
use attn_gate::config::Config;
use attn_gate::judge::Stage;
use attn_gate::result::{CaseResult, Verdict};
use attn_gate::run::{Observer, Request, gate};
use attn_record::{Model, Outcome, Record};
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
const MODELS: [Model; 3] = [Model::Kernel, Model::KernelCold, Model::EndToEnd];
/// Processes of each cell.
const PROCESSES: u32 = 3;
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
            End::Gains(share) => write!(f, "**{share:.2} of the time**"),
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

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    tries: Vec<Try>,
    caught: bool,
}

/// Every cheat on every case, in all models and before the gate.
pub(super) fn run(args: &CellArgs, output: OutputArgs) -> Result<Exit, Failure> {
    let cheats = attn_mutants::cheats();
    let mut cells = args.clone();
    cells
        .backends
        .backend
        .get_or_insert_with(|| cheats.iter().map(|cheat| cheat.id).collect::<Vec<_>>().join(","));
    cells.cases.case.get_or_insert_with(|| CASES.into());
    cells.models.get_or_insert_with(|| MODELS.to_vec());
    let mut session = Session::new(&cells, Purpose::Measure)?;
    // Rules need several processes, not a narrow interval.
    session.preset.processes = Processes { least: PROCESSES, most: PROCESSES };
    let executed = session.execute(None)?;
    if executed.interrupted {
        return Ok(Exit::Broken);
    }
    let mut tries = of_records(&executed.records);
    tries.extend(of_gate(&executed.records)?);
    let caught = tries.iter().all(|one| {
        let spared = cheats.iter().any(|cheat| cheat.id == one.cheat && cheat.spared.is_some());
        match one.end {
            End::Caught(_) => one.cheat != HONEST,
            End::Gains(_) => spared,
            End::NoGain | End::Skipped => true,
        }
    });
    if output.json {
        print_json(&Report { tries, caught })?;
    } else {
        print!("{}", to_markdown(&cheats, &tries));
    }
    Ok(match (session::interrupted(), caught) {
        (true, _) => Exit::Broken,
        (false, true) => Exit::Success,
        (false, false) => Exit::No,
    })
}

fn of_records(records: &[Record]) -> Vec<Try> {
    let honest = |record: &Record| -> Option<f64> {
        let same = |r: &&Record| {
            (r.backend.as_str(), &r.case, r.model) == (HONEST, &record.case, record.model)
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
        Try { cheat, case, how: record.model.map_or("", Model::name), end, shown }
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

/// The same cells before the gate, this program being both sides.
fn of_gate(records: &[Record]) -> Result<Vec<Try>, Failure> {
    let is_long = |case: &str| {
        let mut honest =
            records.iter().filter(|r| (r.backend.as_str(), &*r.case) == (HONEST, case));
        honest.any(|record| record.median_ns().is_some_and(|ns| ns > GATE_NS))
    };
    let mut cells: Vec<(&str, &str)> = Vec::new();
    let mut skipped = Vec::new();
    for record in records.iter().filter(|record| record.outcome != Outcome::Skipped) {
        let cell = (record.backend.as_str(), record.case.as_str());
        let list = if is_long(cell.1) { &mut skipped } else { &mut cells };
        if !list.contains(&cell) {
            list.push(cell);
        }
    }
    let machine = attn_bench::machine::detect();
    let ceilings = limits::ceilings(&machine, &DType::ALL, &[1]);
    let suite = session::suite(&CaseArgs { case: None, dtype: None, cases: None })?;
    let program = this_program()?;
    let mut steps = Steps::patient("before the gate");
    let (mut found, of) = (Vec::new(), cells.len());
    for (at, (cheat, case)) in cells.into_iter().enumerate() {
        steps.say(&format!("{at} of {of} cells"));
        if session::interrupted() {
            eprintln!("attn: interrupted, {at} of {of} cells were before the gate");
            break;
        }
        let mut config = Config::default();
        config.gate.cases = case.into();
        config.gate.backends = Some(cheat.into());
        let request = Request {
            base: program.clone(),
            head: program.clone(),
            suite: &suite,
            naive: &registry::NAIVE,
            config: &config,
            ceilings: &ceilings,
            cpu: attn_sys::affinity::allowed().last().copied(),
            machine: machine.clone(),
            started: "1970-01-01T00:00:00Z".into(),
            seed: at as u64,
            planted: Vec::new(),
            measure_identical: true,
        };
        let (result, _) = gate(&request, &mut Quiet)?;
        found.extend(result.cases.into_iter().map(|result| (cheat, case, result)));
    }
    let honest = |case: &str| {
        let of = found.iter().find(|(cheat, of, _)| (*cheat, *of) == (HONEST, case));
        of.and_then(|(_, _, result)| Some(result.time?.ns[1]))
    };
    let tried = |(cheat, case): (&str, &str), end, shown| Try {
        cheat: cheat.into(),
        case: case.into(),
        how: "gate",
        end,
        shown,
    };
    let judged = found.iter().map(|&(cheat, case, ref result)| {
        let (end, shown) = of_gate_result(result, honest(case));
        tried((cheat, case), end, shown)
    });
    let skipped = skipped.into_iter().map(|cell| tried(cell, End::Skipped, None));
    Ok(judged.chain(skipped).collect())
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
        let mut ends = by_cell.get(&(cheat, how)).cloned().unwrap_or_default();
        ends.dedup();
        ends.join(" / ")
    };
    let rows =
        cheats.iter().filter(|cheat| tries.iter().any(|one| one.cheat == cheat.id)).map(|cheat| {
            let mut row = vec![format!("`{}`", cheat.id), cheat.description.to_owned()];
            row.extend(columns.map(|how| of(cheat.id, how)));
            row
        });
    let head = ["cheat", "what it does", "kernel", "kernel-cold", "end-to-end", "gate"];
    let mut cases: Vec<&str> = tries.iter().map(|one| one.case.as_str()).collect();
    cases.dedup();
    cases.sort_unstable();
    cases.dedup();
    let mut text = markdown::table(&head, rows);
    let _ = writeln!(
        text,
        "\nOn {}, in this order, once where all end alike: the rule that takes the time away, or what is left of the honest \
         kernel's time. The gate is skipped where an honest call takes more than {} ms.\n",
        cases.join(", "),
        GATE_NS / 1e6
    );
    for cheat in cheats {
        if let Some(why) = cheat.spared {
            let _ = writeln!(text, "- `{}` is not caught everywhere: {why}", cheat.id);
        }
    }
    text
}
