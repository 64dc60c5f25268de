//! One attn-case file, judged: its own result if it has one, and every backend's.

use std::path::Path;
use std::time::Duration;

use attn_core::{Backend, ByRows, Exec, Verdict};
use attn_oracle::{Budget, Reference, Rows, Rule, judge};
use attn_record::Outcome;
use serde::Serialize;

use crate::attn_case::{AttnCase, Tolerance};
use crate::cell::{CellError, Prepared};
use crate::expected::{Expected, ExpectedError};
use crate::worker::{AnyError, Exercise, Launcher, Request};

/// A program that has not computed a file by then never will.
const PATIENCE: Duration = Duration::from_secs(120);

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
    /// `ok`, `disagrees`, `unsupported`, `unavailable` or `error`.
    pub outcome: Outcome,
    /// Why, unless it is `ok`.
    pub reason: Option<String>,
    /// The numbers behind it.
    pub verdict: Option<Verdict>,
}

impl Judged {
    fn of(name: &str, verdict: Verdict) -> Self {
        let reason = verdict.findings.first().map(ToString::to_string);
        let outcome = if verdict.agrees() { Outcome::Ok } else { Outcome::Disagrees };
        Judged { name: name.into(), outcome, reason, verdict: Some(verdict) }
    }
}

/// Judges `case`. Fails if there is nothing to judge by.
pub fn verify(
    case: &AttnCase,
    backends: &[&dyn Backend],
    naive: &dyn ByRows,
) -> Result<Verified, ExpectedError> {
    let expected = Expected::compute(&case.problem, &case.inputs, naive)?;
    Ok(Verified {
        problem: case.problem.to_string(),
        out: judge_claim(case)?,
        backends: backends.iter().map(|backend| judge_backend(*backend, case, &expected)).collect(),
    })
}

/// The file's own result against the oracle on every row.
fn judge_claim(case: &AttnCase) -> Result<Option<Judged>, ExpectedError> {
    let Some(claim) = &case.claim else { return Ok(None) };
    let (problem, rows) = (&case.problem, Rows::all(&case.problem));
    let reference = Reference::compute(problem, &case.inputs, rows)?;
    let budget = Budget::foreign(problem, claim.out.dtype());
    let rule = match claim.tolerance {
        None => Rule::Budget(&budget, None),
        Some(Tolerance { rtol, atol }) => Rule::Tolerance { rtol, atol, budget: &budget },
    };
    let verdict = judge(problem, &reference, rule, &claim.out, claim.lse.as_ref());
    Ok(Some(Judged::of("out", verdict)))
}

fn judge_backend(backend: &dyn Backend, case: &AttnCase, expected: &Expected) -> Judged {
    let id = backend.id();
    if let (Some(program), Ok(_)) = (backend.runner(), backend.probe()) {
        let judged = judge_by(program, id.as_str(), case, expected);
        let error = |reason: AnyError| (Outcome::Error, Some(reason.to_string()), None);
        let (outcome, reason, verdict) = judged.unwrap_or_else(error);
        return Judged { name: id.to_string(), outcome, reason, verdict };
    }
    let checked = Prepared::new(backend, &case.problem, &Exec::SINGLE)
        .and_then(|mut cell| Ok(cell.check(&case.inputs, expected)?));
    let (outcome, error) = match checked {
        Ok(verdict) => return Judged::of(id.as_str(), verdict),
        Err(error @ CellError::Unsupported(_)) => (Outcome::Unsupported, error),
        Err(error @ CellError::Unavailable(_)) => (Outcome::Unavailable, error),
        Err(error @ CellError::Backend(_)) => (Outcome::Error, error),
    };
    Judged { name: id.to_string(), outcome, reason: Some(error.to_string()), verdict: None }
}

/// What the `worker` of `program` finds.
fn judge_by(
    program: &Path,
    backend: &str,
    case: &AttnCase,
    expected: &Expected,
) -> Result<(Outcome, Option<String>, Option<Verdict>), AnyError> {
    let folder = tempfile::tempdir()?;
    let [file, beside] = ["case", "expected"].map(|name| folder.path().join(name));
    std::fs::write(&file, case.to_bytes())?;
    expected.save(&beside)?;
    let launcher = Launcher {
        program: program.into(),
        args: vec!["worker".into()],
        thread_variables: Vec::new(),
        timeout: PATIENCE,
    };
    let reply = launcher.run(&Request {
        backend: backend.into(),
        threads: 1,
        cpu: None,
        memory_limit: None,
        a: None,
        b: Exercise { case: file, expected: beside },
        timed: None,
    })?;
    Ok((reply.outcome, reply.reason, reply.recheck))
}
