//! Cheats that use more of the machine than they are given, hide what they use, or slow others down.

use std::hint::black_box;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use attn_core::{BackendError, Inputs, Output};

use super::clock::{FirstOnly, spin};
use super::engine::Engine;
use super::kernel::{HONEST, Operands};
use super::phases::Spread;
use super::{Trick, WARM};

/// `rows`, in a buffer of their own.
pub(super) fn attend(operands: &Operands, rows: Range<usize>) -> Vec<f32> {
    let mut o = vec![0.0; rows.len() * operands.width()];
    operands.attend(rows, &mut o, &HONEST);
    o
}

/// Makes everything else go before the calling thread.
pub(super) fn give_way() {
    // One that may not still computes.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Lets the calling thread run on every processor, wherever the one that started it is kept.
fn break_free() {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_setaffinity};
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
        // Without another processor it shares this one.
        let _ = sched_setaffinity(None, &all);
    }
}

/// A thread that computes the last rows of every call, a share of all, on another processor.
pub(super) struct Helped {
    share: f64,
    ask: Sender<(Arc<Operands>, Range<usize>)>,
    answer: Receiver<Vec<f32>>,
}

impl Helped {
    pub(super) fn new(share: f64) -> Self {
        let (ask, asked) = channel::<(Arc<Operands>, Range<usize>)>();
        let (reply, answer) = channel();
        std::thread::spawn(move || {
            break_free();
            for (operands, rows) in asked {
                if reply.send(attend(&operands, rows)).is_err() {
                    return;
                }
            }
        });
        Helped { share, ask, answer }
    }

    /// Computes `rows`, the last of them on the other thread.
    fn attend(&self, engine: &mut Engine, rows: Range<usize>) {
        let theirs = (rows.len() as f64 * self.share).ceil() as usize;
        let split = rows.end - theirs;
        let asked = self.ask.send((Arc::clone(engine.operands()), split..rows.end)).is_ok();
        engine.attend(rows.start..split);
        match self.answer.recv() {
            Ok(o) if asked => {
                let width = engine.width();
                engine.o[split * width..rows.end * width].copy_from_slice(&o);
            }
            _ => engine.attend(split..rows.end),
        }
    }
}

impl Trick for Helped {
    fn call(&mut self, engine: &mut Engine) {
        self.attend(engine, 0..engine.rows());
    }
}

/// Another thread computes half of the first call after a `load`; the others sleep for as long, which takes no time of a processor.
pub(super) fn helped_first() -> impl Trick {
    let mut helped = Helped::new(0.5);
    FirstOnly::new(move |engine: &mut Engine| helped.call(engine), std::thread::sleep)
}

/// A little of everything: rows in `load` and `store`, rows on another processor, and one call in twenty left out.
pub(super) struct Everything {
    spread: Spread,
    helped: Helped,
    calls: u64,
    loaded: Instant,
}

impl Everything {
    pub(super) fn new() -> Self {
        let (spread, helped) = (Spread(0.04), Helped::new(0.08));
        Everything { spread, helped, calls: 0, loaded: Instant::now() }
    }
}

impl Trick for Everything {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        (self.calls, self.loaded) = (0, Instant::now());
        self.spread.load(engine, inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        self.calls += 1;
        if !self.calls.is_multiple_of(20) || self.loaded.elapsed() < WARM {
            let aside = self.spread.aside(engine);
            self.helped.attend(engine, aside..engine.rows() - aside);
        }
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        self.spread.store(engine, out)
    }
}

/// Bytes that [`OnAStack`] and [`InAFile`] hold.
const SCRATCH: usize = 64 << 20;

/// Holds memory that no allocator counts: the stack of a thread, written to.
pub(super) struct OnAStack {
    _end: Sender<()>,
}

impl OnAStack {
    pub(super) fn new() -> Self {
        let (end, ended) = channel::<()>();
        let (ready, is_ready) = channel();
        let thread = std::thread::Builder::new().stack_size(SCRATCH + (1 << 20));
        let spawned = thread.spawn(move || {
            #[expect(clippy::large_stack_arrays, reason = "this is what the thread is for")]
            let mut scratch = [1_u8; SCRATCH];
            black_box(&mut scratch);
            // The other ends may be gone: then so is the plan.
            let _ = ready.send(());
            let _ = ended.recv();
        });
        if spawned.is_ok() {
            let _ = is_ready.recv();
        }
        OnAStack { _end: end }
    }
}

impl Trick for OnAStack {}

/// Holds memory that no allocator counts: a file without a name that lies in memory.
pub(super) struct InAFile {
    _file: Option<std::fs::File>,
}

impl InAFile {
    pub(super) fn new() -> Self {
        InAFile { _file: memory_file() }
    }
}

impl Trick for InAFile {}

#[cfg(target_os = "linux")]
fn memory_file() -> Option<std::fs::File> {
    use std::io::Write as _;
    let file = rustix::fs::memfd_create("scratch", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let mut file = std::fs::File::from(file);
    let block = vec![1; 1 << 20];
    for _ in 0..SCRATCH >> 20 {
        file.write_all(&block).ok()?;
    }
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> Option<std::fs::File> {
    None
}

/// Keeps the processor busy for a moment after each `run`, from a thread that inherits where the caller is kept.
pub(super) struct SlowPace(Sender<()>);

impl SlowPace {
    pub(super) fn new() -> Self {
        let (after, runs) = channel::<()>();
        std::thread::spawn(move || runs.iter().for_each(|()| spin(Duration::from_micros(200))));
        SlowPace(after)
    }
}

impl Trick for SlowPace {
    fn run(&mut self, engine: &mut Engine, reps: u32) {
        for _ in 0..reps {
            engine.compute();
        }
        // The thread waits for as long as there is a plan.
        let _ = self.0.send(());
    }
}

/// Leaves a process behind that keeps the processor busy for a second, where the caller was kept.
pub(super) struct SlowNext;

impl Trick for SlowNext {}

impl Drop for SlowNext {
    fn drop(&mut self) {
        let mut busy = Command::new("timeout");
        busy.args(["1", "sh", "-c", "while :; do :; done"]);
        // Without these programs nobody is slowed down.
        let _ = busy.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }
}
