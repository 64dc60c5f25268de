//! The worker's end.

use std::io::{self, BufRead, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use attn_core::{Backend, Exec, Verdict};
use attn_record::{Outcome, Process};

use super::{Exercise, Reply, Request};
use crate::attn_case::AttnCase;
use crate::cell::{CellError, Prepared};
use crate::expected::Expected;

/// Is a worker: answers the one request on standard input, and ends when its harness does. `find` is the registry of
/// backends.
pub fn work<'r>(find: impl Fn(&str) -> Option<&'r dyn Backend>) -> io::Result<()> {
    attn_sys::parent::die_with_it()?;
    serve(find, &mut io::stdin().lock(), &mut io::stdout().lock())
}

/// Answers the one request on `input`. `find` is the registry of backends.
pub fn serve<'r>(
    find: impl Fn(&str) -> Option<&'r dyn Backend>,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => answer(find, &request),
        Err(error) => Reply::ended(Outcome::Error, format!("malformed request: {error}")),
    };
    serde_json::to_writer(&mut *output, &reply)?;
    output.write_all(b"\n")?;
    output.flush()
}

fn answer<'r>(find: impl Fn(&str) -> Option<&'r dyn Backend>, request: &Request) -> Reply {
    let Some(backend) = find(&request.backend) else {
        let reason = format!("the worker has no backend `{}`", request.backend);
        return Reply::ended(Outcome::Error, reason);
    };
    execute(backend, request).unwrap_or_else(|error| {
        let outcome = match error.downcast_ref::<CellError>() {
            Some(CellError::Unavailable(_)) => Outcome::Unavailable,
            Some(CellError::Unsupported(_)) => Outcome::Unsupported,
            _ => Outcome::Error,
        };
        Reply::ended(outcome, error.to_string())
    })
}

pub(crate) type AnyError = Box<dyn std::error::Error>;

/// Calls on inputs B of a cell that is not timed: what is right only once shows.
const RECHECK_CALLS: NonZeroU32 = NonZeroU32::new(3).expect("3 is not 0");

/// Check on A, if that is asked for; only if it agrees, compute or time on B and check the last result.
fn execute(backend: &dyn Backend, request: &Request) -> Result<Reply, AnyError> {
    if let Some(bytes) = request.memory_limit {
        attn_sys::limit::address_space(bytes)?;
    }
    let pinned = request.cpu.filter(|&cpu| attn_sys::affinity::pin(cpu));
    let (case, expected) = open(&request.b)?;
    let threads = NonZeroUsize::new(request.threads).ok_or("a request for 0 threads")?;
    let mut cell = Prepared::new(backend, &case.problem, &Exec { threads })?;
    let reply = match &request.a {
        None => Reply::ended(Outcome::Ok, String::new()),
        Some(a) => first(&mut cell, a, request.timed.is_some())?,
    };
    let clock_ns = attn_sys::clock::step_ns();
    let (receipt, footprint) = (Some(cell.receipt().clone()), Some(cell.footprint()));
    let reply = Reply { receipt, footprint, clock_ns, ..reply };
    if reply.outcome != Outcome::Ok {
        return Ok(reply);
    }
    let (process, out) = match &request.timed {
        None => {
            cell.load(&case.inputs)?;
            cell.run(RECHECK_CALLS)?;
            (None, cell.store()?)
        }
        Some(timed) => {
            if request.a.is_none() {
                cell.wake(&case.inputs)?;
            }
            let (process, out) = cell.measure(timed, &case.inputs)?;
            (Some(Process { cpu: pinned, ..process }), out)
        }
    };
    let recheck = cell.judge_output(&out, &expected);
    let Reply { outcome, reason, .. } = judged("on the second inputs: ", &recheck);
    let process = process.filter(|_| recheck.agrees());
    Ok(Reply { outcome, reason, recheck: Some(recheck), process, ..reply })
}

/// What the first process of a cell finds before anything else: whether the result on A is right, and if so, what a
/// call allocates and where its time goes.
fn first(cell: &mut Prepared<'_>, a: &Exercise, timed: bool) -> Result<Reply, AnyError> {
    let (case, expected) = open(a)?;
    let check = cell.check(&case.inputs, &expected)?;
    let right = check.agrees();
    let memory = if right { cell.memory()? } else { None };
    let phases = if right && timed { cell.phases()? } else { Vec::new() };
    let reply = judged("", &check);
    Ok(Reply { memory, phases, check: Some(check), ..reply })
}

/// The outcome that a verdict means.
fn judged(when: &str, verdict: &Verdict) -> Reply {
    let (outcome, reason) = match verdict.findings.first() {
        None => (Outcome::Ok, None),
        Some(finding) => (Outcome::Disagrees, Some(format!("{when}{finding}"))),
    };
    Reply { outcome, reason, ..Reply::ended(outcome, String::new()) }
}

/// The problem with its inputs, and what is expected of them.
pub(crate) fn open(exercise: &Exercise) -> Result<(AttnCase, Expected), AnyError> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let case = AttnCase::parse(&read(&exercise.case)?)
        .map_err(|error| format!("{}: {error}", exercise.case.display()))?;
    Ok((case, Expected::load(&exercise.expected)?))
}
