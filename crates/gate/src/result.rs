//! `gate.json`: what every other output is made from.
//!
//! The schema is published beside the crate, `gate.schema.json`; a test holds both together. Replicates with
//! their blocks are in `replicates.jsonl` beside it.

use std::path::Path;

use attn_bench::worker::CellId;
use attn_record::Machine;
use attn_record::disk::{self, FileError};
use serde::{Deserialize, Serialize};

use crate::exact::Change;
use crate::pair::Replicate;

/// The schema that this program writes and reads.
pub const SCHEMA: &str = "attn-gate/1";

/// What is said of a case, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not slower by as much as must be detected, and not worse.
    Pass,
    /// Faster by more than is tolerated.
    Improved,
    /// Worse, as `gate.toml` accepts.
    Accepted,
    /// Not in base: checked, not compared.
    New,
    /// Right, and not timed because something else is wrong or the gate was stopped.
    NotTimed,
    /// So few replicates do not decide.
    Inconclusive,
    /// The control failed.
    Void,
    /// A worker failed.
    Error,
    /// In base and not in HEAD.
    Removed,
    /// More allocations, more memory, other work or less accuracy.
    Worse,
    /// Slower by more than is tolerated.
    Regressed,
    /// The result disagrees with the oracle.
    Wrong,
}

impl Verdict {
    /// Every verdict, best first.
    pub const ALL: [Verdict; 12] = [
        Verdict::Pass,
        Verdict::Improved,
        Verdict::Accepted,
        Verdict::New,
        Verdict::NotTimed,
        Verdict::Inconclusive,
        Verdict::Void,
        Verdict::Error,
        Verdict::Removed,
        Verdict::Worse,
        Verdict::Regressed,
        Verdict::Wrong,
    ];

    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Improved => "IMPROVED",
            Verdict::Accepted => "ACCEPTED",
            Verdict::New => "NEW",
            Verdict::NotTimed => "NOT TIMED",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Void => "VOID",
            Verdict::Error => "ERROR",
            Verdict::Removed => "REMOVED",
            Verdict::Worse => "WORSE",
            Verdict::Regressed => "REGRESSED",
            Verdict::Wrong => "WRONG",
        }
    }

    /// Whether the answer is no.
    pub const fn fails(self) -> bool {
        matches!(self, Verdict::Removed | Verdict::Worse | Verdict::Regressed | Verdict::Wrong)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Why a case has its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Both are the same program.
    Identical,
    /// The screen's bound lies under what must be detected.
    Screened,
    /// The bound over all replicates does.
    Closed,
    /// The screen's bound lies under minus what is tolerated.
    Faster,
    /// The exact test rejects that the slowdown is tolerated.
    Slower,
    /// Neither the test nor the bound decides.
    Noise,
    /// Base differs from itself.
    Control,
    /// HEAD's result is wrong.
    WrongResult,
    /// Base's result is wrong, so that there is nothing to compare with.
    WrongBase,
    /// Something that is counted got worse.
    Counted,
    /// Base does not know the case.
    NotInBase,
    /// HEAD does not know the case.
    NotInHead,
    /// The worker died, hung or could not compute.
    Failed,
    /// Something else is wrong, so that nothing is timed.
    Elsewhere,
    /// Stopped before it was decided.
    Stopped,
}

/// The difference in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// How much slower HEAD is, percent: Hodges and Lehmann's estimate over replicates.
    pub percent: f64,
    /// The interval at 95 %, percent.
    pub interval: Option<[f64; 2]>,
    /// Standard deviation of a replicate, percent.
    pub sd: Option<f64>,
    /// Nanoseconds per call of base and HEAD: the medians.
    pub ns: [f64; 2],
    /// Replicates of the screen, and fresh ones.
    pub replicates: [usize; 2],
    /// The exact p-value, and the same after Holm; absent where the screen decided.
    pub p: Option<[f64; 2]>,
    /// The smallest slowdown that a confirmation detects at this spread, percent.
    pub smallest: Option<f64>,
    /// Fresh replicates that would decide, where nothing did.
    pub needed: Option<usize>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseResult {
    /// `BACKEND:CASE`, and `@THREADS` if there are several.
    pub id: String,
    /// The parts of the id.
    pub cell: CellId,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The same as a sentence, with numbers.
    pub detail: String,
    /// The difference in time, where it was measured.
    pub time: Option<Time>,
    /// What is counted and got worse.
    pub counted: Vec<Change>,
    /// Why what got worse is accepted.
    pub accepted: Option<String>,
}

/// One of the two programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Commit, or the path of a program that was given.
    pub name: String,
    /// [`code`](attn_record::code()) of it; `null` where it cannot be read.
    pub code: Option<String>,
}

/// The parameters of the decision, percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Must be found.
    pub detect: f64,
    /// Must not fail.
    pub tolerate: f64,
    /// Probability of a false fail, per suite.
    pub alpha: f64,
}

/// Base compared with itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The estimate, percent.
    pub percent: f64,
    /// How likely a difference like this is.
    pub p: f64,
    /// Replicates.
    pub replicates: usize,
    /// Whether the run is void.
    pub void: bool,
}

/// `gate.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// [`SCHEMA`].
    pub schema: String,
    /// The worst verdict of all cases.
    pub verdict: Verdict,
    /// The exit code.
    pub exit: u8,
    /// What is compared with.
    pub base: Side,
    /// What is gated.
    pub head: Side,
    /// Whether both are the same program, as `attn_record::code` tells.
    pub identical: bool,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// Wall time, seconds, without the builds.
    pub seconds: f64,
    /// The machine.
    pub machine: Machine,
    /// The parameters of the decision.
    pub parameters: Parameters,
    /// Base compared with itself; `null` where nothing was timed.
    pub control: Option<Control>,
    /// Every case.
    pub cases: Vec<CaseResult>,
    /// What else a reader should know, such as entries of `gate.toml` that have expired.
    pub notes: Vec<String>,
}

impl Gate {
    /// The cases with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(move |case| case.verdict == verdict)
    }

    /// `2 REGRESSED, 18 PASS`: how many cases have which verdict, worst first.
    pub fn summary(&self) -> String {
        let count = |verdict: &Verdict| (self.with(*verdict).count(), verdict.name());
        let counts = Verdict::ALL.iter().rev().map(count).filter(|(n, _)| *n > 0);
        counts.map(|(n, name)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
    }

    /// The exit code that `cases` mean: 1 the answer is no, 3 a worker failed or nothing was there, 4 nobody
    /// can tell, 0 otherwise.
    pub fn exit_of(cases: &[CaseResult]) -> u8 {
        let any = |wanted: &dyn Fn(Verdict) -> bool| cases.iter().any(|case| wanted(case.verdict));
        if any(&Verdict::fails) {
            1
        } else if cases.is_empty() || any(&|v| v == Verdict::Error) {
            3
        } else {
            let open = [Verdict::Inconclusive, Verdict::Void, Verdict::NotTimed];
            4 * u8::from(any(&|verdict| open.contains(&verdict)))
        }
    }
}

/// One line of `replicates.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// The case; of the control, the case that base was compared with itself on.
    pub id: String,
    /// Part of the procedure.
    pub stage: TakenFor,
    /// The replicate.
    pub replicate: Replicate,
}

/// What a replicate was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenFor {
    /// The screen.
    Screen,
    /// The confirmation.
    Confirm,
    /// Base against itself.
    Control,
}

/// Why a gate's folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what it should be.
    #[error("{path}: {message}, expected a file that this version of attn gate wrote")]
    Malformed {
        /// The file.
        path: String,
        /// What was found.
        message: String,
    },
}

/// Reads `gate.json` in `folder`.
pub fn read(folder: &Path) -> Result<Gate, FolderError> {
    let path = folder.join("gate.json");
    let gate: Gate = parse(&path, &text(&path)?)?;
    if gate.schema == SCHEMA {
        return Ok(gate);
    }
    let message = format!("schema {}", gate.schema);
    Err(FolderError::Malformed { path: path.display().to_string(), message })
}

/// Reads `replicates.jsonl` in `folder`.
pub fn read_replicates(folder: &Path) -> Result<Vec<Taken>, FolderError> {
    let path = folder.join("replicates.jsonl");
    text(&path)?.lines().map(|line| parse(&path, line)).collect()
}

fn text(path: &Path) -> Result<String, FolderError> {
    Ok(disk::text(path, disk::LARGE)?)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, FolderError> {
    serde_json::from_str(text).map_err(|error| FolderError::Malformed {
        path: path.display().to_string(),
        message: error.to_string(),
    })
}
