//! Work that is put off to a call, or to `store`, in the hope that it is not timed there.

use std::time::{Duration, Instant};

use attn_core::{BackendError, Inputs, Output};

use super::Trick;
use super::clock::spin;
use super::engine::Engine;

/// A share of the rows in every call, in turn, the first included; `store` computes what is missing.
pub(super) struct HalfByHalf {
    share: f64,
    next: usize,
    missing: usize,
}

impl HalfByHalf {
    pub(super) fn new(share: f64) -> Self {
        HalfByHalf { share, next: 0, missing: 0 }
    }

    fn some(&mut self, engine: &mut Engine, count: usize) {
        self.next = engine.attend_in_turn(self.next, count);
        self.missing = self.missing.saturating_sub(count);
    }
}

impl Trick for HalfByHalf {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)?;
        self.missing = engine.rows();
        Ok(())
    }

    fn call(&mut self, engine: &mut Engine) {
        let count = (engine.rows() as f64 * self.share).ceil() as usize;
        self.some(engine, count);
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        if self.missing > 0 {
            self.some(engine, self.missing);
        }
        engine.store(out)
    }
}

/// Computes in this call after a load, or, where that is 0, in `store`; waits in the others.
pub(super) struct Once {
    /// Of an honest call, that the others wait.
    share: f64,
    /// The number of the call, for the number of the load.
    at: fn(u64) -> u64,
    loads: u64,
    calls: u64,
    done: bool,
    honest: Option<Duration>,
}

impl Once {
    pub(super) fn new(share: f64, at: fn(u64) -> u64) -> Self {
        Once {
            share,
            at,
            loads: u64::from(std::process::id()) << 20,
            calls: 0,
            done: false,
            honest: None,
        }
    }

    fn compute(&mut self, engine: &mut Engine) {
        let start = Instant::now();
        engine.compute();
        let took = start.elapsed();
        self.honest = Some(self.honest.map_or(took, |known| known.min(took)));
        self.done = true;
    }
}

impl Trick for Once {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        (self.loads, self.calls, self.done) = (self.loads + 1, 0, false);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        self.calls += 1;
        match self.honest {
            Some(honest) if self.done || self.calls != (self.at)(self.loads) => {
                spin(honest.mul_f64(self.share));
            }
            _ => self.compute(engine),
        }
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        if !self.done {
            self.compute(engine);
        }
        engine.store(out)
    }
}
