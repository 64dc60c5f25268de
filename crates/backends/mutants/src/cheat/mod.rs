//! Backends that look faster to a harness than they are.
//!
//! Each is one honest kernel beneath a trick. Used the plain way, `prepare`, `load`, one call of `run`, `store`, each
//! gives the right result (`fault/oracle-rows-always` only where all rows are compared), the last two excepted, which end their process. All are hidden like the faults.
//! `CHEATS` says what each does.
//!
//! | module | contents |
//! |---|---|
//! | `kernel`, `engine` | the honest kernel |
//! | `calls` | calls that are left out |
//! | `clock` | time that is wasted where it is not seen, or where it should be seen |
//! | `deferred` | work that is put off to where it is not timed |
//! | `parts` | rows and keys that are left out |
//! | `memo` | results that are remembered |
//! | `phases` | work in another phase, or beside all of them |
//! | `weights` | weights that are remembered |
//! | `machine` | more of the machine than is given, memory that is hidden, others that are slowed down |
//! | `harness` | the harness's files, pipes and memory |

mod calls;
mod clock;
mod deferred;
mod engine;
mod harness;
mod kernel;
mod machine;
mod memo;
mod parts;
mod phases;
mod weights;

use std::num::NonZeroU32;
use std::time::Duration;

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Inputs, Output, Plan, Problem,
    Unavailable, Unsupported,
};

use calls::{Calls, Reps, scattered};
use clock::{FirstTime, WhileYoung, throttled};
use deferred::{HalfByHalf, Once};
use engine::Engine;
use harness::{EditedSamples, answer_on_every_pipe, answer_on_stdout, found_inputs};
use kernel::{HONEST, Shortcut};
use machine::{Everything, Helped, InAFile, OnAStack, SlowNext, SlowPace, helped_first};
use memo::{InPlace, Remembered, Shelf};
use parts::{Chosen, Fill, InRotation, Short};
use phases::{Gaps, InLoad, InStore, InThread, Spread};
use weights::{ForLoad, ForQueriesAndKeys, OncePerRun, UpToSigns};

/// A backend that looks faster to a harness than it is.
pub struct Cheat {
    /// `fault/` and the trick's name; also the id of the backend.
    pub id: &'static str,
    /// What it does and what it hopes for, in one line.
    pub description: &'static str,
    /// The backend. Supports plain and causal attention in f32 with grouped heads.
    pub backend: Box<dyn Backend>,
}

/// What a cheat does in place of the honest phases; what it leaves alone is honest.
trait Trick {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)
    }

    fn run(&mut self, engine: &mut Engine, reps: u32) {
        for _ in 0..reps {
            self.call(engine);
        }
    }

    /// One of the calls of `run`.
    fn call(&mut self, engine: &mut Engine) {
        engine.compute();
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        engine.store(out)
    }
}

/// No trick.
struct Honest;

impl Trick for Honest {}

type Make = fn(&Problem) -> Box<dyn Trick>;

/// Every cheat: its id, what it does, and its trick. The control comes first.
const CHEATS: &[(&str, &str, Make)] = &[
    ("fault/honest", "the honest kernel", |_| Box::new(Honest)),
    ("fault/memo-per-load", "computes once per load", |_| Box::new(Calls::new(|_, _, _| false))),
    ("fault/once-per-run", "computes once, whatever reps says", |_| Box::new(Reps::new(|_| 1))),
    (
        "fault/memo-by-pointer",
        "remembers results by addresses, lengths and ends of the inputs, across plans",
        |_| Box::new(Remembered::new(Shelf::ByPointer)),
    ),
    ("fault/memo-by-digest", "remembers results by a hash of all operands, across plans", |_| {
        Box::new(Remembered::new(Shelf::ByDigest))
    }),
    (
        "fault/memo-on-disk",
        "remembers results by a hash of all operands in files, for later processes",
        |_| Box::new(Remembered::new(Shelf::OnDisk)),
    ),
    ("fault/work-in-load", "computes in load", |_| Box::new(InLoad)),
    ("fault/work-in-store", "computes in store", |_| Box::new(InStore)),
    ("fault/work-in-thread", "run starts a thread that computes, store waits for it", |_| {
        Box::new(InThread::new(false))
    }),
    (
        "fault/work-in-idle-thread",
        "run starts a thread that everything else goes before, store waits for it: hopes that its time is not seen",
        |_| Box::new(InThread::new(true)),
    ),
    ("fault/honest-for-12-ms", "computes for 12 ms after load", |_| {
        Box::new(Calls::new(|_, loaded, _| loaded < Duration::from_millis(12)))
    }),
    ("fault/honest-for-4-calls", "computes in the first 4 calls after load", |_| {
        Box::new(Calls::new(|call, _, _| call < 4))
    }),
    (
        "fault/honest-after-pauses",
        "computes in the first call after load and after 0.2 ms without a call: hopes that a check takes its time and samples follow each other",
        |_| Box::new(Calls::new(|_, _, pause| pause > Duration::from_micros(200))),
    ),
    ("fault/every-second", "computes in every second call", |_| {
        Box::new(Calls::new(|call, _, _| call % 2 == 0))
    }),
    ("fault/every-third", "computes in every third call", |_| {
        Box::new(Calls::new(|call, _, _| call % 3 == 0))
    }),
    ("fault/every-fiftieth", "computes in every fiftieth call", |_| {
        Box::new(Calls::new(|call, _, _| call % 50 == 0))
    }),
    (
        "fault/every-third-when-warm",
        "computes in every third call from 60 ms after load on: hopes that samples are planned from the calls before",
        |_| Box::new(Calls::new(|call, loaded, _| loaded < WARM || call % 3 == 0)),
    ),
    ("fault/random-third", "once warm, computes in a third of the calls, chosen by a hash", |_| {
        Box::new(Calls::new(|call, loaded, _| loaded < WARM || scattered(call, 3) == 0))
    }),
    (
        "fault/skips-every-tenth",
        "once warm, leaves out every tenth call: hopes to stay below what is noticed",
        |_| Box::new(Calls::new(|call, loaded, _| loaded < WARM || call % 10 != 9)),
    ),
    ("fault/learns-reps", "honest where reps is 1, does nothing where it is more", |_| {
        Box::new(Reps::new(|reps| u32::from(reps == 1)))
    }),
    (
        "fault/skips-last-reps",
        "leaves out the last quarter of reps: hopes that single calls are not compared with many",
        |_| Box::new(Reps::new(|reps| reps - reps / 4)),
    ),
    (
        "fault/end-to-end-pointer",
        "load and run do nothing at known addresses, store nothing where the result is already",
        |_| Box::new(InPlace::default()),
    ),
    (
        "fault/throttled-memo",
        "computes once per load, then waits for half of the time that this took",
        |_| Box::new(throttled(0.5)),
    ),
    (
        "fault/throttled-to-nine-tenths",
        "computes once per load, then waits for nine tenths of that time: hopes to stay below what is noticed",
        |_| Box::new(throttled(0.9)),
    ),
    (
        "fault/memo-up-to-signs",
        "knows inputs again that differ by signs, or in v by a power of two in each column",
        |_| Box::new(UpToSigns::default()),
    ),
    (
        "fault/throttled-up-to-signs",
        "the same, and waits for three quarters of the time that computing took: hopes that signs are all that is new",
        |_| Box::new(UpToSigns::throttled(0.75)),
    ),
    (
        "fault/patient-up-to-signs",
        "the same for two fifths, once it was given other inputs and then known ones again: hopes that a process does so once",
        |_| Box::new(UpToSigns::patient(0.4)),
    ),
    (
        "fault/weights-per-load",
        "computes the weights once per load and their product with v in each call",
        |_| Box::new(ForLoad::default()),
    ),
    (
        "fault/weights-once-per-run",
        "computes the weights once per run, their product with v reps times",
        |_| Box::new(OncePerRun),
    ),
    (
        "fault/weights-of-known-keys",
        "keeps the weights while q and k are the same: hopes that other inputs differ in v alone",
        |_| Box::new(ForQueriesAndKeys::default()),
    ),
    (
        "fault/oracle-rows",
        "after the first call computes the rows that are compared, and zeros",
        |_| Box::new(Chosen::new(Fill::Zeros, 1)),
    ),
    (
        "fault/oracle-rows-plausible",
        "after the first call computes the rows that are compared, and copies them to the others",
        |_| Box::new(Chosen::new(Fill::Copies, 1)),
    ),
    (
        "fault/oracle-rows-always",
        "computes the rows that are compared, from the first call on, and copies them to the others",
        |_| Box::new(Chosen::new(Fill::Copies, 0)),
    ),
    (
        "fault/rotating-tenth",
        "computes a tenth of the rows in each call but the first after load, in turn: what is stored is right",
        |_| Box::new(InRotation::new(0.1)),
    ),
    (
        "fault/rotating-nine-tenths",
        "computes nine tenths of the rows in each call but the first after load, in turn: hopes to stay below what is noticed, every call being as long as the other",
        |_| Box::new(InRotation::new(0.9)),
    ),
    (
        "fault/skips-small-weights",
        "after the first call leaves out weights below a thousandth of the largest, and computes again in store",
        |_| Box::new(Short::new(Shortcut { least: 1e-3, ..HONEST })),
    ),
    (
        "fault/skips-blocks",
        "after the first call leaves out 64 keys at a time by a few of their scores, and computes again in store",
        |_| {
            Box::new(Short::new(Shortcut {
                keeps: |operands, row, block| block == 0 || operands.typical(row, block) > 0.0,
                ..HONEST
            }))
        },
    ),
    (
        "fault/half-of-the-keys",
        "after the first call reads half of the keys for the second half of the rows, and computes again in store: hopes that those rows are not looked at",
        |_| {
            Box::new(Short::new(Shortcut {
                keeps: |operands, row, block| block % 2 == 0 || !operands.is_far(row),
                ..HONEST
            }))
        },
    ),
    (
        "fault/half-of-the-depth",
        "after the first call sums half of the products of a score, and computes again in store: hopes that nobody looks at later calls",
        |_| Box::new(Short::new(Shortcut { depth: |dim| dim.div_ceil(2), ..HONEST })),
    ),
    (
        "fault/bf16-after-first",
        "after the first call cuts scores and weights off to bf16, and computes again in store",
        |_| Box::new(Short::new(Shortcut { cuts: true, ..HONEST })),
    ),
    (
        "fault/spread-thinly",
        "computes 8 % of the rows in load and 8 % in store: hopes to stay below what is noticed there; all results are right",
        |_| Box::new(Spread(0.08)),
    ),
    (
        "fault/works-in-gaps",
        "a thread computes ahead between load and run and between calls: hopes that nobody counts these gaps",
        |_| Box::new(Gaps::default()),
    ),
    (
        "fault/half-by-half",
        "computes half of the rows in every call, in turn, and what is missing in store: hopes that there was a second call before",
        |_| Box::new(HalfByHalf::new(0.5)),
    ),
    (
        "fault/second-call",
        "computes in the second call after load, and waits for a third of that time in the others: hopes that the first alone is timed",
        |_| Box::new(Once::new(0.33, |_| 2)),
    ),
    (
        "fault/first-call-or-store",
        "the same in the first call after some loads, in store after others: hopes that no moment is looked at as a whole",
        |_| Box::new(Once::new(0.33, |load| scattered(load, 2))),
    ),
    (
        "fault/slow-first-60-ms",
        "ten times slower for 60 ms after the first load: hopes that samples are planned from it",
        |_| Box::new(WhileYoung::new(WARM)),
    ),
    (
        "fault/lazy-compile",
        "busy for 300 ms in the first call of a plan: hopes that it is part of no time",
        |_| Box::new(FirstTime::new(false, Duration::from_millis(300))),
    ),
    (
        "fault/lazy-load",
        "busy for 300 ms in the first load of a plan: hopes that it is part of no time",
        |_| Box::new(FirstTime::new(true, Duration::from_millis(300))),
    ),
    (
        "fault/two-threads",
        "computes half of the rows on another thread and on another processor, however many it may use",
        |_| Box::new(Helped::new(0.5)),
    ),
    (
        "fault/two-threads-at-first",
        "computes half of the rows of the first call after load on another processor, and sleeps for as long in the others: hopes that the time of the processors evens out",
        |_| Box::new(helped_first()),
    ),
    (
        "fault/two-threads-thinly",
        "computes 9 % of the rows on another processor: hopes to stay below what is noticed of the time of the processors",
        |_| Box::new(Helped::new(0.09)),
    ),
    (
        "fault/thin-everything",
        "4 % of the rows in load, 4 % in store, 8 % of the others on another processor, once warm one call in twenty left out",
        |_| Box::new(Everything::new()),
    ),
    (
        "fault/mmap-scratch",
        "honest, but holds 64 MiB on the stack of a thread, which no allocator counts",
        |_| Box::new(OnAStack::new()),
    ),
    ("fault/memfd-scratch", "honest, but holds 64 MiB in a file without a name", |_| {
        Box::new(InAFile::new())
    }),
    (
        "fault/device-gpu",
        "honest, but says that a device computes: memory is not counted then",
        |_| Box::new(Honest),
    ),
    (
        "fault/slows-the-pace",
        "honest, but a thread keeps the processor busy for 0.2 ms after each run: hopes that times are compared at equal clock",
        |_| Box::new(SlowPace::new()),
    ),
    (
        "fault/slows-the-next",
        "honest, but leaves a process behind that keeps the processor busy for a second: hopes that others are measured there",
        |_| Box::new(SlowNext),
    ),
    (
        "fault/reads-scratch",
        "computes in prepare what it finds in the harness's files of inputs, and knows them again with other signs",
        |problem| Box::new(found_inputs(problem)),
    ),
    (
        "fault/edits-samples",
        "looks for its samples in the memory of the process and halves them",
        |_| Box::new(EditedSamples::default()),
    ),
    (
        "fault/forged-reply",
        "answers on stdout in place of the worker in prepare, and exits",
        |problem| answer_on_stdout(problem),
    ),
    (
        "fault/forged-reply-fd",
        "answers on every pipe that is open in prepare, and exits",
        |problem| answer_on_every_pipe(problem),
    ),
];

/// From this time after a `load` on, some cheats take it that the warm-up is over.
const WARM: Duration = Duration::from_millis(60);

/// The cheat that says it runs on another device than the processor.
const ON_A_GPU: &str = "fault/device-gpu";

/// Every cheat and, first, the honest kernel that all of them share.
pub fn cheats() -> Vec<Cheat> {
    let cheats = CHEATS.iter();
    cheats
        .map(|&(id, description, make)| Cheat {
            id,
            description,
            backend: Box::new(Cheating { id, make }),
        })
        .collect()
}

struct Cheating {
    id: &'static str,
    make: Make,
}

impl Backend for Cheating {
    fn id(&self) -> BackendId {
        BackendId::new(self.id)
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        let on_cpu = BackendInfo::on_cpu(concat!("attn-mutants ", env!("CARGO_PKG_VERSION")));
        let elsewhere = self.id == ON_A_GPU;
        Ok(if elsewhere { BackendInfo { device: "gpu".into(), ..on_cpu } } else { on_cpu })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        engine::supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        let engine = Engine::new(problem);
        Ok(Box::new(CheatingPlan { engine, trick: (self.make)(problem), loaded: false }))
    }
}

struct CheatingPlan {
    engine: Engine,
    trick: Box<dyn Trick>,
    loaded: bool,
}

impl CheatingPlan {
    fn is_loaded(&self) -> Result<(), BackendError> {
        if self.loaded { Ok(()) } else { Err(BackendError::NotLoaded) }
    }
}

impl Plan for CheatingPlan {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        self.trick.load(&mut self.engine, inputs)?;
        self.loaded = true;
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self.is_loaded()?;
        self.trick.run(&mut self.engine, reps.get());
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.is_loaded()?;
        self.trick.store(&mut self.engine, out)
    }
}
