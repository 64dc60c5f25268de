//! Cheats that do the work of `run` in another phase, or beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use attn_core::{BackendError, Inputs, Output};

use super::engine::Engine;
use super::kernel::{HONEST, Operands};
use super::{Trick, machine};

/// Computes in `load`.
pub(super) struct InLoad;

impl Trick for InLoad {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)?;
        engine.compute();
        Ok(())
    }

    fn call(&mut self, _: &mut Engine) {}
}

/// Computes in `store`.
pub(super) struct InStore;

impl Trick for InStore {
    fn call(&mut self, _: &mut Engine) {}

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        engine.compute();
        engine.store(out)
    }
}

/// Starts a thread that computes in `run`, and waits for it in `store`.
pub(super) struct InThread {
    /// Whether everything else goes before that thread.
    idle: bool,
    job: Option<JoinHandle<Vec<f32>>>,
    computed: bool,
}

impl InThread {
    pub(super) fn new(idle: bool) -> Self {
        InThread { idle, job: None, computed: false }
    }
}

impl Trick for InThread {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        (self.job, self.computed) = (None, false);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if self.computed || self.job.is_some() {
            return;
        }
        let (operands, idle) = (Arc::clone(engine.operands()), self.idle);
        self.job = Some(std::thread::spawn(move || {
            if idle {
                machine::give_way();
            }
            machine::attend(&operands, 0..operands.rows())
        }));
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        if let Some(job) = self.job.take() {
            let failed = |_| BackendError::Library {
                library: "fault",
                message: "the thread panicked".into(),
            };
            engine.o = job.join().map_err(failed)?;
            self.computed = true;
        }
        engine.store(out)
    }
}

/// Computes the first rows in `load` and the last in `store`, a share of all each, and the others in `run`.
pub(super) struct Spread(pub(super) f64);

impl Spread {
    /// Rows that `load` and `store` compute each.
    pub(super) fn aside(&self, engine: &Engine) -> usize {
        (engine.rows() as f64 * self.0) as usize
    }
}

impl Trick for Spread {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)?;
        engine.attend(0..self.aside(engine));
        Ok(())
    }

    fn call(&mut self, engine: &mut Engine) {
        engine.attend(self.aside(engine)..engine.rows() - self.aside(engine));
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        engine.attend(engine.rows() - self.aside(engine)..engine.rows());
        engine.store(out)
    }
}

/// Rows that the thread of [`Gaps`] computes before it looks again.
const CHUNK: usize = 16;

/// A thread computes the next result while nobody waits for one; a call computes the rows that are missing.
#[derive(Default)]
pub(super) struct Gaps(Option<Arc<Next>>);

/// The result that is computed ahead.
struct Next {
    operands: Arc<Operands>,
    /// While a call computes, the thread does not.
    waits: AtomicBool,
    /// The first rows of the next result, and how many they are.
    rows: Mutex<(Vec<f32>, usize)>,
}

impl Next {
    /// Computes up to `count` rows more.
    fn go_on(&self, count: usize) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (o, done) = &mut *rows;
        let end = (*done + count).min(self.operands.rows());
        let width = self.operands.width();
        self.operands.attend(*done..end, &mut o[*done * width..end * width], &HONEST);
        *done = end;
    }

    /// The whole result; the next is begun.
    fn take(&self, to: &mut [f32]) {
        self.waits.store(true, Ordering::Relaxed);
        self.go_on(usize::MAX / 2);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        to.copy_from_slice(&rows.0);
        rows.1 = 0;
        self.waits.store(false, Ordering::Relaxed);
    }
}

/// Computes ahead until the plan is gone or has loaded something else.
fn fill_gaps(next: &Weak<Next>) {
    while let Some(next) = next.upgrade() {
        if next.waits.load(Ordering::Relaxed) {
            std::thread::yield_now();
        } else {
            next.go_on(CHUNK);
        }
        drop(next);
        std::thread::sleep(Duration::from_micros(1));
    }
}

impl Trick for Gaps {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)?;
        let next = Arc::new(Next {
            operands: Arc::clone(engine.operands()),
            waits: AtomicBool::new(false),
            rows: Mutex::new((engine.o.clone(), 0)),
        });
        let ahead = Arc::downgrade(&next);
        self.0 = Some(next);
        std::thread::spawn(move || fill_gaps(&ahead));
        Ok(())
    }

    fn call(&mut self, engine: &mut Engine) {
        if let Some(next) = &self.0 {
            next.take(&mut engine.o);
        }
    }
}
