//! The whole gate: who is there, who is right, what is counted, and only then who is slower.

use std::collections::BTreeSet;
use std::time::Instant;

use attn_bench::run::{Fixture, FixtureError};
use attn_bench::suite::{Case, Suite};
use attn_bench::worker::{CellId, Launcher, Setup, WorkerError};
use attn_core::ByRows;
use attn_record::Machine;
use attn_record::limits::Ceilings;
use attn_record::stats::hodges_lehmann;

use crate::config::Config;
use crate::exact::{Facts, compare};
use crate::judge::{Stage, judge};
use crate::live::{self, Conditions, Live, Timed};
use crate::result::{CaseResult, Control, Gate, Parameters, Reason, SCHEMA, Side, Taken, Verdict};
use crate::rule::{Rule, percent};
use crate::verdict;

/// A program that serves slots.
#[derive(Clone, Debug)]
pub struct Program {
    /// How it is started.
    pub start: Launcher,
    /// What it is called, and its code.
    pub side: Side,
}

/// Everything that a gate needs.
pub struct Request<'a> {
    /// What is compared with.
    pub base: Program,
    /// What is gated.
    pub head: Program,
    /// Where the problems and inputs of the cases come from.
    pub suite: &'a Suite,
    /// The yardstick.
    pub naive: &'a dyn ByRows,
    /// What is gated, and how strictly.
    pub config: &'a Config,
    /// What no rate can exceed here.
    pub ceilings: &'a Ceilings,
    /// The processor that workers with one thread stay on.
    pub cpu: Option<u32>,
    /// Written into the result.
    pub machine: Machine,
    /// Now, RFC 3339 in UTC.
    pub started: String,
    /// Of the coins that are tossed.
    pub seed: u64,
    /// Slowdowns that HEAD is given on purpose: cells whose id contains the text, as shares.
    pub planted: Vec<(String, f64)>,
    /// Compare times even if both are the same program.
    pub measure_identical: bool,
    /// What else the result is to say.
    pub notes: Vec<String>,
}

/// Is told how the gate goes; `false` stops it.
pub trait Observer {
    /// A cell is checked, the `at`-th of `of`.
    fn checking(&mut self, cell: &CellId, at: usize, of: usize) -> bool;

    /// A round over so many cases begins.
    fn round(&mut self, stage: Stage, cases: usize) -> bool;
}

/// Why there is no gate at all.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A program does not serve slots, or cannot say what it has.
    #[error("{side}: {source}")]
    Program {
        /// `base` or `HEAD`.
        side: &'static str,
        /// Why.
        source: WorkerError,
    },
    /// The cases are not known here.
    #[error(
        "HEAD has the case `{0}`, which this attn does not know: run the gate with an attn that is built from HEAD"
    )]
    Unknown(String),
    /// Inputs or oracle of a case could not be made.
    #[error("case `{case}`: {source}")]
    Fixture {
        /// The case.
        case: String,
        /// Why.
        source: FixtureError,
    },
}

/// The result, and all replicates.
pub type Outcome = (Gate, Vec<Taken>);

/// Runs the gate.
pub fn gate(request: &Request<'_>, observer: &mut dyn Observer) -> Result<Outcome, GateError> {
    let began = Instant::now();
    let identical = !request.measure_identical
        && request.base.side.code.is_some()
        && request.base.side.code == request.head.side.code;
    let mut cases = listed(request)?;
    let fixtures = fixtures(request, &cases)?;
    check(request, identical, &mut cases, &fixtures, observer);
    let mut control = None;
    let mut taken = Vec::new();
    if cases.iter().any(|case| case.result.is_wrong()) {
        for case in &mut cases {
            case.set(Verdict::NotTimed, Reason::Elsewhere, ELSEWHERE);
        }
    } else if !identical {
        (control, taken) = time(request, &mut cases, &fixtures, observer);
    }
    let cases: Vec<CaseResult> = cases.into_iter().map(|case| case.finish(request)).collect();
    let config = request.config;
    let today = request.today();
    let expired = config.expired(today).map(|accept| {
        format!("accept `{}` expired on {}: {}", accept.glob, accept.expires, accept.reason)
    });
    let rule = config.rule();
    let result = Gate {
        schema: SCHEMA.into(),
        verdict: cases.iter().map(|case| case.verdict).max().unwrap_or(Verdict::Error),
        exit: Gate::exit_of(&cases),
        base: request.base.side.clone(),
        head: request.head.side.clone(),
        identical,
        started: request.started.clone(),
        seconds: began.elapsed().as_secs_f64(),
        machine: request.machine.clone(),
        parameters: Parameters {
            detect: percent(rule.detect),
            tolerate: percent(rule.tolerate),
            alpha: rule.alpha,
        },
        control,
        cases,
        notes: request.notes.iter().cloned().chain(expired).collect(),
    };
    Ok((result, taken))
}

const ELSEWHERE: &str = "right; nothing is timed while another case is wrong";

impl Request<'_> {
    /// The day, as dates in `gate.toml` are written.
    fn today(&self) -> &str {
        self.started.get(..10).unwrap_or_default()
    }

    fn case(&self, id: &str) -> Option<&Case> {
        self.suite.cases().iter().find(|case| case.id == id)
    }
}

/// A cell on its way to a result.
struct Pending {
    cell: CellId,
    in_base: bool,
    /// What is counted and got worse, as accepted.
    counted: Option<Box<CaseResult>>,
    result: Decided,
}

/// What is decided so far.
enum Decided {
    /// Nothing.
    Open,
    /// All.
    Result(Box<CaseResult>),
}

impl Decided {
    fn is_wrong(&self) -> bool {
        matches!(self, Decided::Result(result) if result.verdict == Verdict::Wrong)
    }
}

impl Pending {
    fn is_open(&self) -> bool {
        matches!(self.result, Decided::Open)
    }

    /// Decides it, unless it is decided.
    fn set(&mut self, verdict: Verdict, reason: Reason, detail: &str) {
        if self.is_open() {
            let result = verdict::result(&self.cell, verdict, reason, detail.into());
            self.result = Decided::Result(Box::new(result));
        }
    }

    fn finish(mut self, request: &Request<'_>) -> CaseResult {
        self.set(Verdict::NotTimed, Reason::Stopped, "stopped before it was decided");
        let Decided::Result(result) = self.result else {
            unreachable!("it was decided a line above");
        };
        let result = verdict::excused(*result, request.config, request.today());
        verdict::with_counted(result, self.counted.map(|counted| *counted))
    }
}

/// The cells of both programs; those of base alone are decided.
fn listed(request: &Request<'_>) -> Result<Vec<Pending>, GateError> {
    let list = |program: &Program, side| {
        let ask = || program.start.start(1, 0)?.list(&request.config.choice());
        ask().map_err(|source| GateError::Program { side, source })
    };
    let head: BTreeSet<CellId> = list(&request.head, "HEAD")?.into_iter().collect();
    let base: BTreeSet<CellId> = list(&request.base, "base")?.into_iter().collect();
    if let Some(cell) = head.iter().find(|cell| request.case(&cell.case).is_none()) {
        return Err(GateError::Unknown(cell.case.clone()));
    }
    let cells = base.union(&head).cloned().map(|cell| {
        let (in_base, in_head) = (base.contains(&cell), head.contains(&cell));
        let mut pending = Pending { cell, in_base, counted: None, result: Decided::Open };
        if !in_head {
            let detail = "base has it, HEAD does not or cannot run it";
            pending.set(Verdict::Removed, Reason::NotInHead, detail);
        }
        pending
    });
    Ok(cells.collect())
}

/// The files of every case that is open, in the order of the cells that are first to need them.
type Files = Vec<(String, Fixture)>;

fn fixtures(request: &Request<'_>, cases: &[Pending]) -> Result<Files, GateError> {
    let mut files: Files = Vec::new();
    for pending in cases.iter().filter(|case| case.is_open()) {
        let id = &pending.cell.case;
        if files.iter().any(|(made, _)| made == id) {
            continue;
        }
        let case = request.case(id).ok_or_else(|| GateError::Unknown(id.clone()))?;
        let made = Fixture::make(request.suite, case, request.naive, &std::env::temp_dir())
            .map_err(|source| GateError::Fixture { case: id.clone(), source })?;
        files.push((id.clone(), made));
    }
    Ok(files)
}

fn files_of<'f>(files: &'f Files, cell: &CellId) -> &'f Fixture {
    &files.iter().find(|(case, _)| *case == cell.case).expect("made for every open cell").1
}

/// Checks HEAD, and base where it has the case, and compares what is counted.
fn check(
    request: &Request<'_>,
    identical: bool,
    cases: &mut [Pending],
    files: &Files,
    observer: &mut dyn Observer,
) {
    let of = cases.len();
    for (at, pending) in cases.iter_mut().enumerate().filter(|(_, case)| case.is_open()) {
        if !observer.checking(&pending.cell, at + 1, of) {
            return;
        }
        let fixture = files_of(files, &pending.cell);
        let head = match facts(&request.head.start, &pending.cell, fixture) {
            Ok(facts) => facts,
            Err(Trouble::Wrong(finding)) => {
                pending.set(Verdict::Wrong, Reason::WrongResult, &finding);
                continue;
            }
            Err(Trouble::Failed(error)) => {
                pending.set(Verdict::Error, Reason::Failed, &format!("HEAD: {error}"));
                continue;
            }
        };
        if !pending.in_base {
            pending.set(Verdict::New, Reason::NotInBase, "right; base does not have it");
        } else if identical {
            pending.set(Verdict::Pass, Reason::Identical, "the same program as base");
        } else {
            against_base(request, pending, fixture, &head);
        }
    }
}

fn against_base(request: &Request<'_>, pending: &mut Pending, files: &Fixture, head: &Facts) {
    match facts(&request.base.start, &pending.cell, files) {
        Ok(base) => {
            let CellId { threads, .. } = pending.cell;
            let counted = compare(&base, head, threads, request.config.gate.accuracy_db);
            if !counted.is_empty() {
                let result = verdict::counted(&pending.cell, counted);
                let excused = verdict::excused(result, request.config, request.today());
                if excused.verdict.fails() {
                    pending.result = Decided::Result(Box::new(excused));
                } else {
                    // What is accepted goes on to be timed.
                    pending.counted = Some(Box::new(excused));
                }
            }
        }
        Err(Trouble::Wrong(finding)) => {
            let detail = format!("right; base is wrong, so there is nothing to compare: {finding}");
            pending.set(Verdict::New, Reason::WrongBase, &detail);
        }
        Err(Trouble::Failed(error)) => {
            pending.set(Verdict::Error, Reason::Failed, &format!("base: {error}"));
        }
    }
}

/// Why there are no facts.
pub(crate) enum Trouble {
    Wrong(String),
    Failed(WorkerError),
}

impl From<WorkerError> for Trouble {
    fn from(error: WorkerError) -> Self {
        Trouble::Failed(error)
    }
}

/// One fresh process: compute inputs A, count, compute inputs B and others; all results must be right.
pub(crate) fn facts(program: &Launcher, cell: &CellId, files: &Fixture) -> Result<Facts, Trouble> {
    let broken = |error| Trouble::Failed(WorkerError::Files(error));
    let results = files.results().map_err(broken)?;
    let setup = Setup {
        backend: cell.backend.clone(),
        on_device: false,
        threads: cell.threads,
        cpu: None,
        memory_limit: None,
        case: files.b.clone(),
        results: results.path().into(),
    };
    let mut dialogue = program.start(cell.threads, 0)?;
    let ready = dialogue.prepare(setup)?;
    let arithmetic = ready.info.arithmetic;
    let stored = dialogue.check(&files.a)?;
    let check = files.judge_first(results.path(), &stored, &arithmetic).map_err(broken)?;
    if let Some(finding) = check.findings.first() {
        return Err(Trouble::Wrong(finding.to_string()));
    }
    let counted = dialogue.count(false)?;
    let stored = dialogue.repeat()?;
    let found = files.judge_last(results.path(), &stored, &arithmetic);
    let found = found.map_err(broken)?;
    match found.wrong {
        Some(finding) => Err(Trouble::Wrong(finding)),
        None => Ok(Facts::of(&ready, &counted, [&check, &found.verdict])),
    }
}

/// Times everything that is open.
fn time(
    request: &Request<'_>,
    cases: &mut [Pending],
    files: &Files,
    observer: &mut dyn Observer,
) -> (Option<Control>, Vec<Taken>) {
    let open: Vec<usize> = (0..cases.len()).filter(|&at| cases[at].is_open()).collect();
    if open.is_empty() {
        return (None, Vec::new());
    }
    let timed = open.iter().map(|&at| {
        let cell = cases[at].cell.clone();
        let id = cell.to_string();
        let planted = request.planted.iter().find(|(part, _)| id.contains(part.as_str()));
        let planted = planted.map_or(0.0, |(_, share)| *share);
        Timed { fixture: files_of(files, &cell), cells: [cell.clone(), cell], planted }
    });
    let timed: Vec<Timed<'_>> = timed.collect();
    let rule = request.config.rule();
    let conditions = Conditions {
        ceilings: request.ceilings.clone(),
        cpu: request.cpu,
        replicate_ns: request.config.gate.replicate_ms as f64 * 1e6,
        seed: request.seed,
    };
    let sides = [
        live::Side { name: "base", program: &request.base.start },
        live::Side { name: "HEAD", program: &request.head.start },
    ];
    let mut on_round = |stage, cases| observer.round(stage, cases);
    let mut live = Live::new(sides, &timed, conditions, &mut on_round);
    let judged = judge(&rule, timed.len(), &mut live);
    let taken = live.into_taken();
    let stopped = judged.trials.iter().any(|trial| trial.end.is_none());
    for (&at, trial) in open.iter().zip(&judged.trials) {
        let timed = verdict::timed(&rule, &cases[at].cell, trial, judged.confirmed, &taken);
        if let Some(mut result) = timed {
            // A failure of the control takes away what times say, not that a result is wrong.
            if judged.void && result.time.is_some() && result.reason != Reason::WrongResult {
                result.verdict = Verdict::Void;
                result.reason = Reason::Control;
                result.detail = "base differs from itself: nothing that was timed counts".into();
            }
            cases[at].result = Decided::Result(Box::new(result));
        }
    }
    let control = hodges_lehmann(&judged.control).filter(|_| !stopped).map(|theta| Control {
        percent: percent(theta),
        p: Rule::control_p(&judged.control),
        replicates: judged.control.len(),
        void: judged.void,
    });
    (control, taken)
}
