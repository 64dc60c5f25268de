//! Cheats that leave out whole calls.

use std::time::{Duration, Instant};

use attn_core::{BackendError, Inputs};

use super::Trick;
use super::engine::Engine;

/// Whether a call computes, from the number of calls and the time since `load` and the time since the last call.
pub(super) type Computes = fn(u64, Duration, Duration) -> bool;

/// Leaves calls out. The first after a `load` computes, so that the result is always right.
pub(super) struct Calls {
    computes: Computes,
    made: u64,
    loaded: Instant,
    last: Instant,
}

impl Calls {
    pub(super) fn new(computes: Computes) -> Self {
        let now = Instant::now();
        Calls { computes, made: 0, loaded: now, last: now }
    }
}

impl Trick for Calls {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        engine.load(inputs)?;
        *self = Calls::new(self.computes);
        Ok(())
    }

    fn call(&mut self, engine: &mut Engine) {
        if self.made == 0 || (self.computes)(self.made, self.loaded.elapsed(), self.last.elapsed())
        {
            engine.compute();
        }
        self.made += 1;
        self.last = Instant::now();
    }
}

/// Leaves out some of the `reps` that one `run` is asked for.
pub(super) struct Reps {
    computed: fn(u32) -> u32,
    first: bool,
}

impl Reps {
    pub(super) fn new(computed: fn(u32) -> u32) -> Self {
        Reps { computed, first: true }
    }
}

impl Trick for Reps {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.first = true;
        engine.load(inputs)
    }

    fn run(&mut self, engine: &mut Engine, reps: u32) {
        let first = u32::from(std::mem::take(&mut self.first));
        for _ in 0..(self.computed)(reps).max(first) {
            engine.compute();
        }
    }
}

/// A number below `n` that looks random, the same for the same call.
pub(super) const fn scattered(call: u64, n: u64) -> u64 {
    let mixed = (call + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 33) % n
}
