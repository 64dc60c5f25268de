//! Cheats that spend time, where it is not counted or to make something plausible.

use std::time::{Duration, Instant};

use attn_core::{BackendError, Inputs};

use super::Trick;
use super::engine::Engine;

/// Keeps the processor busy.
pub(super) fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Ten times slower for a while after the first `load`.
pub(super) struct WhileYoung {
    time: Duration,
    since: Option<Instant>,
}

impl WhileYoung {
    pub(super) fn new(time: Duration) -> Self {
        WhileYoung { time, since: None }
    }
}

impl Trick for WhileYoung {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.since.get_or_insert_with(Instant::now);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        let start = Instant::now();
        engine.compute();
        if self.since.is_some_and(|since| since.elapsed() < self.time) {
            spin(9 * start.elapsed());
        }
    }
}

/// Busy for a long time in the first `run` of a plan, or in the first `load`.
pub(super) struct FirstTime {
    in_load: bool,
    time: Option<Duration>,
}

impl FirstTime {
    pub(super) fn new(in_load: bool, time: Duration) -> Self {
        FirstTime { in_load, time: Some(time) }
    }
}

impl Trick for FirstTime {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        if self.in_load
            && let Some(time) = self.time.take()
        {
            spin(time);
        }
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if let Some(time) = self.time.take() {
            spin(time);
        }
        engine.compute();
    }
}

/// Makes the `first` call after every `load`, and in all the others waits as the time that this took says.
pub(super) struct FirstOnly<F, W> {
    first: F,
    wait: W,
    took: Option<Duration>,
}

impl<F: FnMut(&mut Engine), W: Fn(Duration)> FirstOnly<F, W> {
    pub(super) fn new(first: F, wait: W) -> Self {
        FirstOnly { first, wait, took: None }
    }
}

impl<F: FnMut(&mut Engine), W: Fn(Duration)> Trick for FirstOnly<F, W> {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.took = None;
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if let Some(took) = self.took {
            return (self.wait)(took);
        }
        let start = Instant::now();
        (self.first)(engine);
        self.took = Some(start.elapsed());
    }
}

/// Computes once per `load`, then keeps the processor busy for a share of the time that this took.
pub(super) fn throttled(share: f64) -> impl Trick {
    FirstOnly::new(Engine::compute, move |took| spin(took.mul_f64(share)))
}
