//! One attn-case file, judged: its own result if it has one, and every backend's.

use std::path::Path;
use std::time::Duration;

use attn_core::{Backend, ByRows, Exec, ThreadPolicy, Verdict, Work};
use attn_oracle::{Effort, OracleError, Rows};
use attn_record::Outcome;
use serde::Serialize;

use crate::attn_case::{AttnCase, Claim};
use crate::cell::{CellError, Prepared};
use crate::claim_truth::{ClaimTruth, Terms};
use crate::diagnosis::{Diagnosis, diagnose, undetermined_rows};
use crate::expected::{Expected, ExpectedError};
use crate::run::read_output;
use crate::worker::{AnyError, Launcher, Setup, WorkerError};

/// A program that has not computed a file by then never will.
const PATIENCE: Duration = Duration::from_secs(120);
/// Multiplications that judging a claim may cost before rows are chosen: about half a minute on two cores.
const MAX_PRODUCTS: u64 = 1 << 35;

/// Who judges, and how.
#[derive(Clone, Copy)]
pub struct Jury<'a> {
    /// Whose results are judged beside the file's own.
    pub backends: &'a [&'a dyn Backend],
    /// The yardstick.
    pub naive: &'a dyn ByRows,
    /// Threads of the backends that obey every call.
    pub exec: Exec,
    /// Threads of the oracle, and who watches.
    pub effort: Effort<'a>,
    /// Whether the file's own result is judged on every row, whatever that costs.
    pub all_rows: bool,
    /// Floating-point operations beyond which backends are skipped where the file has a result of its own.
    pub max_flops: u64,
}

/// What became of one file.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The problem in one line.
    pub problem: String,
    /// The file's own result; `null` if it has none.
    pub out: Option<Judged>,
    /// One per backend.
    pub backends: Vec<Judged>,
}

/// One result.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// `out` or the backend.
    pub name: String,
    /// `ok`, `disagrees`, `unsupported`, `unavailable`, `skipped` or `error`.
    pub outcome: Outcome,
    /// Why, unless it is `ok`.
    pub reason: Option<String>,
    /// The numbers behind it.
    pub verdict: Option<Verdict>,
    /// Where the wrong elements are, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where rows are undetermined, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<String>,
    /// Which other statement of the problem, or which known mistake, it agrees with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Judged {
    fn of(name: &str, verdict: Verdict) -> Self {
        let reason = verdict.findings.first().map(ToString::to_string);
        let outcome = if verdict.agrees() { Outcome::Ok } else { Outcome::Disagrees };
        let (name, verdict) = (name.into(), Some(verdict));
        Judged { name, outcome, reason, verdict, place: None, undetermined: None, hint: None }
    }

    fn without(name: &str, outcome: Outcome, reason: String) -> Self {
        let (name, reason) = (name.into(), Some(reason));
        Judged { name, outcome, reason, verdict: None, place: None, undetermined: None, hint: None }
    }
}

/// Judges `case`. Fails if there is nothing to judge by.
pub fn verify(case: &AttnCase, jury: &Jury<'_>) -> Result<Verified, ExpectedError> {
    let out = case.claim.as_ref().map(|claim| judge_claim(case, claim, jury)).transpose()?;
    Ok(Verified { problem: case.problem.statement(), out, backends: judge_backends(case, jury)? })
}

/// The file's own result against the oracle.
fn judge_claim(case: &AttnCase, claim: &Claim, jury: &Jury<'_>) -> Result<Judged, OracleError> {
    let problem = &case.problem;
    let rows = if jury.all_rows { Rows::all(problem) } else { Rows::choose(problem, MAX_PRODUCTS) };
    let terms = Terms::of(problem, claim);
    let truth = ClaimTruth::compute(problem, &case.inputs, rows, terms, jury.effort)?;
    let verdict = truth.judge(problem, claim);
    let Diagnosis { place, hint } = diagnose(case, claim, &truth, &verdict);
    let undetermined = undetermined_rows(problem, truth.reference());
    Ok(Judged { place, undetermined, hint, ..Judged::of("out", verdict) })
}

fn judge_backends(case: &AttnCase, jury: &Jury<'_>) -> Result<Vec<Judged>, ExpectedError> {
    let flops = Work::of(&case.problem, case.inputs.mask()).flops.0;
    if case.claim.is_some() && flops > jury.max_flops {
        let reason = format!(
            "{:.0} GFLOP are more than {:.0}: name the backend to have it computed",
            flops as f64 / 1e9,
            jury.max_flops as f64 / 1e9
        );
        let skipped = |backend: &&dyn Backend| {
            Judged::without(backend.id().as_str(), Outcome::Skipped, reason.clone())
        };
        return Ok(jury.backends.iter().map(skipped).collect());
    }
    if jury.backends.is_empty() {
        return Ok(Vec::new());
    }
    let expected = Expected::compute(&case.problem, &case.inputs, jury.naive)?;
    let judged = |backend: &&dyn Backend| judge_backend(*backend, case, &expected, jury.exec);
    Ok(jury.backends.iter().map(judged).collect())
}

fn judge_backend(
    backend: &dyn Backend,
    case: &AttnCase,
    expected: &Expected,
    exec: Exec,
) -> Judged {
    let id = backend.id();
    if let (Some(program), Ok(_)) = (backend.runner(), backend.probe()) {
        return match judge_by(program, id.as_str(), case, expected) {
            Ok(verdict) => Judged::of(id.as_str(), verdict),
            Err(error) => {
                let lost = error.downcast_ref::<WorkerError>().map(WorkerError::outcome);
                Judged::without(id.as_str(), lost.unwrap_or(Outcome::Error), error.to_string())
            }
        };
    }
    let checked = Prepared::new(backend, &case.problem, &obeyed(backend, exec))
        .and_then(|mut cell| Ok(cell.check(&case.inputs, expected)?));
    let (outcome, error) = match checked {
        Ok(verdict) => return Judged::of(id.as_str(), verdict),
        Err(error @ CellError::Unsupported(_)) => (Outcome::Unsupported, error),
        Err(error @ CellError::Unavailable(_)) => (Outcome::Unavailable, error),
        Err(error @ CellError::Backend(_)) => (Outcome::Error, error),
    };
    Judged::without(id.as_str(), outcome, error.to_string())
}

/// `exec` where the backend obeys it in every call; one thread where the process decides.
pub(crate) fn obeyed(backend: &dyn Backend, exec: Exec) -> Exec {
    let per_call = backend.probe().is_ok_and(|info| info.threads == ThreadPolicy::PerCall);
    if per_call { exec } else { Exec::SINGLE }
}

/// The verdict on what the `worker` of `program` computes.
fn judge_by(
    program: &Path,
    backend: &str,
    case: &AttnCase,
    expected: &Expected,
) -> Result<Verdict, AnyError> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("case");
    std::fs::write(&file, case.to_bytes())?;
    let mut worker = Launcher::new(program, &[], PATIENCE).start_for_a_cell(1)?;
    let ready = worker.prepare(Setup {
        backend: backend.into(),
        on_device: true,
        threads: 1,
        cpu: None,
        memory_limit: None,
        case: file.clone(),
        results: folder.path().into(),
    })?;
    let stored = worker.check(&file)?;
    let (name, _) = stored.results.first().ok_or("the worker stored no result")?;
    let out = read_output(&case.problem, &folder.path().join(name))?;
    Ok(expected.judge(&case.problem, &ready.info.arithmetic, &out))
}
