//! The worker's end.

use std::io::{BufRead, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Instant;

use attn_core::{Backend, Exec, Work};
use attn_record::Outcome;
use attn_sys::sched::Watch;

use super::{Answer, Ask, CellId, Choice, PROTOCOL, Ready, Setup, Slot};
use crate::cell::{CellError, Prepared};
use crate::expected::Expected;
use crate::worker::{AnyError, open};

/// What the program that serves knows.
pub trait Host {
    /// The backend with this id.
    fn backend(&self, id: &str) -> Option<&dyn Backend>;

    /// The cells that a choice means and that can run here.
    fn cells(&self, choice: &Choice) -> Result<Vec<CellId>, AnyError>;
}

/// Says hello, then answers every line of `input` until it ends.
pub fn serve(
    host: &dyn Host,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> std::io::Result<()> {
    reply(output, &Answer::Hello { protocol: PROTOCOL.into() })?;
    let mut cell = None;
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = serde_json::from_str::<Ask>(&line)
            .map_err(|error| format!("malformed request: {error}").into())
            .and_then(|ask| answer(host, &mut cell, ask));
        reply(output, &answer.unwrap_or_else(|error| failed(&error)))?;
    }
}

fn reply(output: &mut dyn Write, answer: &Answer) -> std::io::Result<()> {
    // One write: the other end is woken once.
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

fn failed(error: &AnyError) -> Answer {
    let outcome = match error.downcast_ref::<CellError>() {
        Some(CellError::Unavailable(_)) => Outcome::Unavailable,
        Some(CellError::Unsupported(_)) => Outcome::Unsupported,
        _ => Outcome::Error,
    };
    Answer::Failed { outcome, reason: error.to_string() }
}

/// A plan with inputs B loaded, and what is expected of them.
struct Loaded<'h> {
    plan: Prepared<'h>,
    expected: Expected,
}

fn answer<'h>(
    host: &'h dyn Host,
    cell: &mut Option<Loaded<'h>>,
    ask: Ask,
) -> Result<Answer, AnyError> {
    match ask {
        Ask::List(choice) => Ok(Answer::Cells(host.cells(&choice)?)),
        Ask::Prepare(setup) => {
            let (ready, loaded) = prepare(host, &setup)?;
            *cell = loaded;
            Ok(Answer::Ready(Box::new(ready)))
        }
        Ask::Run { calls, warm } => {
            let Loaded { plan, .. } = cell.as_mut().ok_or(NOTHING)?;
            Ok(Answer::Ran(slot(plan, calls, warm)?))
        }
        Ask::Finish => {
            let Loaded { plan, expected } = cell.as_mut().ok_or(NOTHING)?;
            Ok(Answer::Finished(plan.judge(expected)?))
        }
    }
}

const NOTHING: &str = "nothing is prepared";

/// The plan with inputs B loaded and computed once; none if the result on inputs A is wrong.
fn prepare<'h>(host: &'h dyn Host, setup: &Setup) -> Result<(Ready, Option<Loaded<'h>>), AnyError> {
    if let Some(cpu) = setup.cpu {
        attn_sys::affinity::pin(cpu);
    }
    let backend = host.backend(&setup.backend);
    let backend = backend.ok_or_else(|| format!("there is no backend `{}`", setup.backend))?;
    let threads = NonZeroUsize::new(setup.threads).ok_or("a request for 0 threads")?;
    let (case, expected) = open(&setup.b)?;
    let mut plan = Prepared::new(backend, &case.problem, &Exec { threads })?;
    let mut ready = Ready {
        receipt: plan.receipt().clone(),
        footprint: plan.footprint(),
        work: Work::of(&case.problem, case.inputs.mask()),
        check: None,
        memory: None,
    };
    if let Some(a) = &setup.a {
        let (case, expected) = open(a)?;
        let check = plan.check(&case.inputs, &expected)?;
        let right = check.agrees();
        ready.check = Some(check);
        if !right {
            return Ok((ready, None));
        }
        ready.memory = plan.memory()?;
    }
    plan.load(&case.inputs)?;
    plan.run(NonZeroU32::MIN)?;
    Ok((ready, Some(Loaded { plan, expected })))
}

fn slot(plan: &mut Prepared<'_>, calls: NonZeroU32, warm: u32) -> Result<Slot, AnyError> {
    if let Some(warm) = NonZeroU32::new(warm) {
        plan.run(warm)?;
    }
    let watch = Watch::begin();
    let before = watch.now();
    let start = Instant::now();
    plan.run(calls)?;
    let ns = u64::try_from(start.elapsed().as_nanos())?;
    let disturbed = before.zip(watch.now()).map(|(before, now)| now.is_more_than(&before));
    Ok(Slot { ns, disturbed })
}
