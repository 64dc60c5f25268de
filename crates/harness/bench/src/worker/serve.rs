//! The worker's end.

use std::io::{self, BufRead, BufReader, Write};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use attn_core::{Backend, Exec, Inputs, Output, Problem, Variation, Work};
use attn_record::{Audit, Outcome};
use attn_sys::clock::Clocks;
use attn_sys::sched::Watch;
use attn_sys::usage;

use super::{
    Answer, Ask, CellId, Choice, Counted, Opening, PROTOCOL, Ready, Reply, Setup, Slot, Stored,
};
use crate::attn_case::{self, AttnCase};
use crate::cell::measure::{FirstCall, Measured, copy_ns, fault_ns};
use crate::cell::sampling::{Beside, nanos};
use crate::cell::secret::Secret;
use crate::cell::{CellError, Prepared};

/// What the program that serves knows.
pub trait Host {
    /// The backend with this id.
    fn backend(&self, id: &str) -> Option<&dyn Backend>;

    /// Whether the backend with this id is an engine, which computes in a process of its own.
    fn is_engine(&self, _id: &str) -> bool {
        false
    }

    /// The cells that a choice means and that can run here.
    fn cells(&self, choice: &Choice) -> Result<Vec<CellId>, AnyError>;
}

pub(crate) type AnyError = Box<dyn std::error::Error>;

/// Is a worker: answers what it is asked on standard input, and ends when its harness does.
pub fn work(host: &dyn Host) -> io::Result<()> {
    attn_sys::parent::die_with_it()?;
    attn_sys::usage::keep_children()?;
    settle_allocator();
    let (asks, mut answers) = attn_sys::stdio::take()?;
    serve(host, &mut BufReader::new(asks), &mut answers)
}

/// Frees a large block once, as every process has that lives for a while: from then on glibc keeps memory of up to this size instead of
/// giving it back to the system whenever it is freed. Else the times of kernels that allocate would depend on which sizes the
/// harness happened to free before: a new page takes microseconds.
fn settle_allocator() {
    /// glibc remembers no size above 32 MiB.
    const BYTES: usize = (32 << 20) - (64 << 10);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BYTES)));
}

/// Answers every line of `input` until it ends.
pub fn serve(host: &dyn Host, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let Opening { nonce } = serde_json::from_str(&line)?;
    let mut reply = |answer| {
        // One write: the other end is woken once.
        let mut line = serde_json::to_vec(&Reply { nonce: nonce.clone(), answer })?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()
    };
    reply(Answer::Hello { protocol: PROTOCOL.into() })?;
    let mut cell = None;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = serde_json::from_str::<Ask>(&line)
            .map_err(|error| format!("malformed request: {error}").into())
            .and_then(|ask| answer(host, &mut cell, ask));
        reply(answer.unwrap_or_else(|error| failed(&error)))?;
    }
}

fn failed(error: &AnyError) -> Answer {
    let outcome = match error.downcast_ref::<CellError>() {
        Some(CellError::Unavailable(_)) => Outcome::Unavailable,
        Some(CellError::Unsupported(_)) => Outcome::Unsupported,
        _ if error.is::<io::Error>() => Outcome::Untried,
        _ => Outcome::Error,
    };
    Answer::Failed { outcome, reason: error.to_string() }
}

/// Processor time that waiting for a request, reading it and sending the answer take at most.
const REQUEST_NS: u64 = 100_000;

/// Other inputs in a row one of which is a rotation.
const ROTATE_ONE_OF: u32 = 3;

/// Calls before a first call on other inputs if another process has had the processor, at most,
const WARM_CALLS: u32 = 16;
/// unless they take this long.
const WARM_TIME: Duration = Duration::from_micros(1500);

/// Calls on inputs B of a cell that is not timed: what is right only once shows.
const REPEATED: NonZeroU32 = NonZeroU32::new(3).expect("3 is not 0");

/// A plan, the inputs that are timed, and where results go.
struct Cell<'h> {
    plan: Prepared<'h>,
    problem: Problem,
    inputs: Inputs,
    /// How they differ from those in the file.
    timed: Option<Variation>,
    on_device: bool,
    checked: bool,
    results: Results,
    /// Where the results of other inputs are written to.
    outs: [Output; 2],
    secret: Secret,
    audit: Audit,
    /// Of a call when it was timed last, nanoseconds.
    last_ns: u64,
    beside: Beside,
    /// Calls of the slots that it is about.
    beside_of: NonZeroU32,
    /// Whether no call was made since the plan went back to what is timed.
    went_back: bool,
    /// Processor time at [`Ask::Load`].
    loaded: (Option<Duration>, Duration),
}

fn answer<'h>(
    host: &'h dyn Host,
    cell: &mut Option<Cell<'h>>,
    ask: Ask,
) -> Result<Answer, AnyError> {
    match ask {
        Ask::List(choice) => return Ok(Answer::Cells(host.cells(&choice)?)),
        Ask::Prepare(setup) => {
            let (ready, prepared) = prepare(host, setup)?;
            *cell = Some(prepared);
            return Ok(Answer::Ready(Box::new(ready)));
        }
        _ => {}
    }
    let cell = cell.as_mut().ok_or("nothing is prepared")?;
    let clocks = Clocks::start();
    let answer = cell.answer(ask);
    // What a backend does between two requests takes processor time, but is no part of this.
    let (clock_ns, kernel_ns) = clocks.elapsed_ns();
    cell.audit.clock_ns += clock_ns + REQUEST_NS;
    // Where the kernel cannot be asked, one clock is all there is.
    cell.audit.wall_ns += if kernel_ns > 0 { kernel_ns } else { clock_ns } + REQUEST_NS;
    answer
}

fn prepare(host: &dyn Host, setup: Setup) -> Result<(Ready, Cell<'_>), AnyError> {
    if let Some(bytes) = setup.memory_limit {
        attn_sys::limit::address_space(bytes)?;
    }
    let cpu = setup.cpu.filter(|&cpu| attn_sys::affinity::pin(cpu));
    let backend = host.backend(&setup.backend);
    let backend =
        backend.ok_or_else(|| format!("the worker has no backend `{}`", setup.backend))?;
    let threads = NonZeroUsize::new(setup.threads).ok_or("a request for 0 threads")?;
    let AttnCase { problem, inputs, .. } = open(&setup.case)?;
    let plan = Prepared::new(backend, &problem, &Exec { threads })?;
    let plan = plan.on_device(setup.on_device).engine(host.is_engine(&setup.backend));
    let ready = Ready {
        info: plan.info().clone(),
        footprint: plan.footprint(),
        work: Work::of(&problem, inputs.mask()),
        cpu,
    };
    let secret = Secret::draw();
    let audit = Audit { seed: secret.seed(), single_ns: u64::MAX, ..Audit::default() };
    let cell = Cell {
        plan,
        outs: [Output::poisoned(&problem), Output::poisoned(&problem)],
        problem,
        inputs,
        timed: None,
        on_device: setup.on_device,
        checked: false,
        results: Results { folder: setup.results, stored: 0 },
        secret,
        audit,
        last_ns: 0,
        beside: Beside::default(),
        beside_of: NonZeroU32::MIN,
        went_back: false,
        loaded: (None, Duration::ZERO),
    };
    Ok((ready, cell))
}

impl Cell<'_> {
    fn answer(&mut self, ask: Ask) -> Result<Answer, AnyError> {
        match ask {
            Ask::List(_) | Ask::Prepare(_) => Err("not a request to a cell".into()),
            Ask::Check { case } => self.check(&case),
            Ask::Count { phases } => {
                let memory = self.plan.memory()?;
                let phases = if phases { self.plan.phases()? } else { Vec::new() };
                Ok(Answer::Counted(Counted { memory, phases }))
            }
            Ask::Measure(timed) => {
                self.draw_timed();
                if self.on_device && !self.checked {
                    self.plan.warm_up_device(&self.inputs)?;
                }
                let measured = self.plan.measure(&timed, &mut self.inputs)?;
                let Measured { process, out, varied, unwritten } = measured;
                let mut stored = Stored { unwritten, ..self.store(&out, None)? };
                for (variation, out) in varied {
                    stored.results.extend(self.store(&out, Some(variation))?.results);
                }
                let clock_ns = attn_sys::clock::step_ns();
                Ok(Answer::Measured { process: Box::new(process), clock_ns, stored })
            }
            Ask::Repeat => {
                self.plan.load(&self.inputs)?;
                self.plan.run(REPEATED)?;
                let out = self.plan.store()?;
                let stored = self.store(&out, None)?;
                let mut both = self.fresh()?;
                both.results.splice(..0, stored.results);
                Ok(Answer::Stored(both))
            }
            Ask::Load => {
                self.draw_timed();
                self.plan.load(&self.inputs)?;
                self.plan.run(NonZeroU32::MIN)?;
                self.secret.rotate_one_of(ROTATE_ONE_OF);
                self.loaded = (usage::processor(), usage::children());
                (self.audit.wall_ns, self.audit.clock_ns) = (0, 0);
                Ok(Answer::Stored(Stored::default()))
            }
            Ask::Run { calls, warm } => Ok(Answer::Ran(self.slot(calls, warm)?)),
            Ask::Fresh => {
                self.warm_up_again()?;
                let mut stored = self.fresh()?;
                if let Some(fresh) = &mut stored.fresh {
                    fresh.before_ns = self.last_ns;
                }
                self.audit.fresh.extend(stored.fresh);
                Ok(Answer::Stored(stored))
            }
            Ask::Finish => self.finish(),
        }
    }

    fn check(&mut self, case: &Path) -> Result<Answer, AnyError> {
        let out = self.plan.compute(&open(case)?.inputs)?;
        self.checked = true;
        let results = vec![(self.results.store(&out)?, None)];
        Ok(Answer::Stored(Stored { results, ..Stored::default() }))
    }

    /// Gives the inputs other signs, so that neither their file nor a process before has told anybody what is timed.
    fn draw_timed(&mut self) {
        if self.timed.is_none() {
            let signs = Variation::Signs(Secret::draw().seed());
            signs.apply(&self.problem, &mut self.inputs);
            self.timed = Some(signs);
        }
    }

    fn store(&mut self, out: &Output, variation: Option<Variation>) -> Result<Stored, AnyError> {
        let file = self.results.store(out)?;
        Ok(self.stored(vec![(file, variation)]))
    }

    /// Results of what is timed, or of what was changed in it.
    fn stored(&self, results: Vec<(PathBuf, Option<Variation>)>) -> Stored {
        Stored { results, timed: self.timed, ..Stored::default() }
    }

    fn slot(&mut self, calls: NonZeroU32, warm: u32) -> Result<Slot, AnyError> {
        let warm = NonZeroU32::new(warm);
        if let Some(warm) = warm {
            self.time(warm)?;
        }
        let watch = Watch::begin();
        let before = watch.now();
        let ns = nanos(self.time(calls)?);
        self.last_ns = ns / u64::from(calls.get());
        if warm.is_some() && calls > NonZeroU32::MIN {
            // Trials of other numbers of calls came before the machine had settled.
            if std::mem::replace(&mut self.beside_of, calls) != calls {
                self.beside = Beside::default();
            }
            let plan = &mut self.plan;
            self.beside.time(self.last_ns as f64, || plan.run(NonZeroU32::MIN))?;
        }
        let disturbed = before.zip(watch.now()).map(|(before, now)| now.is_more_than(&before));
        Ok(Slot { ns, disturbed })
    }

    /// Calls until caches and predictors of branches are this process's again: another one has had the processor since.
    fn warm_up_again(&mut self) -> Result<(), AnyError> {
        let start = Instant::now();
        for _ in 0..WARM_CALLS {
            self.plan.run(NonZeroU32::MIN)?;
            self.went_back = false;
            if start.elapsed() >= WARM_TIME {
                break;
            }
        }
        Ok(())
    }

    /// The time of so many calls. That of single ones is remembered if it is the least.
    fn time(&mut self, calls: NonZeroU32) -> Result<Duration, AnyError> {
        let start = Instant::now();
        self.plan.run(calls)?;
        let elapsed = start.elapsed();
        self.went_back = false;
        if calls == NonZeroU32::MIN {
            self.audit.single_ns = self.audit.single_ns.min(nanos(elapsed));
        }
        Ok(elapsed)
    }

    fn fresh(&mut self) -> Result<Stored, AnyError> {
        let [first, second] = &mut self.outs;
        first.poison_again();
        second.poison_again();
        let FirstCall { fresh, variation, stored_again } =
            self.plan.fresh(&mut self.inputs, &mut self.secret, [first, second])?;
        self.went_back = true;
        let mut results = Vec::new();
        for out in &self.outs[..=usize::from(stored_again)] {
            results.push((self.results.store(out)?, Some(variation)));
        }
        Ok(Stored { fresh: Some(fresh), ..self.stored(results) })
    }

    fn finish(&mut self) -> Result<Answer, AnyError> {
        if self.went_back {
            self.plan.run(NonZeroU32::MIN)?;
        }
        let used = self.loaded.0.zip(usage::processor());
        let children = usage::children();
        let [out, _] = &mut self.outs;
        out.poison_again();
        let store_ns = self.plan.time_store(out)?;
        let results = vec![(self.results.store(out)?, None)];
        let stored = self.stored(results);
        let used = used.map(|(before, now)| now.saturating_sub(before));
        // No call was made alone.
        let single_ns = Some(self.audit.single_ns).filter(|&ns| ns < u64::MAX).unwrap_or(0);
        let audit = Audit {
            single_ns,
            beside_permille: self.beside.permille(),
            first_call_ns: self.plan.first_call_ns(),
            copy_ns: copy_ns(&self.problem, &self.outs[0]),
            fault_ns: fault_ns(),
            store_ns,
            processor_ns: used.map_or(0, nanos),
            children_ns: nanos(children.saturating_sub(self.loaded.1)),
            asked: self.plan.asked(),
            ..std::mem::take(&mut self.audit)
        };
        Ok(Answer::Finished { stored, audit })
    }
}

/// Files of results.
struct Results {
    folder: PathBuf,
    stored: usize,
}

impl Results {
    fn store(&mut self, out: &Output) -> Result<PathBuf, AnyError> {
        let file = PathBuf::from(format!("{}.out", self.stored));
        self.stored += 1;
        let path = self.folder.join(&file);
        std::fs::write(&path, out.to_le_bytes()).map_err(named(&path))?;
        Ok(file)
    }
}

/// The problem with its inputs.
fn open(path: &Path) -> Result<AttnCase, AnyError> {
    let bytes = attn_case::read(path).map_err(named(path))?;
    Ok(AttnCase::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The error with the file that it is about.
fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
