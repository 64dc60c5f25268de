//! Cheats that compute a part of the rows, or from a part of the keys.

use std::ops::Range;

use attn_core::{BackendError, Inputs, Output, Shape};

use super::Trick;
use super::engine::Engine;
use super::kernel::Shortcut;

/// What the rows hold that are not computed.
#[derive(Clone, Copy)]
pub(super) enum Fill {
    /// Zeros.
    Zeros,
    /// The last row before that is computed: plausible values.
    Copies,
}

/// Computes the rows alone that the oracle would compare.
pub(super) struct Chosen {
    fill: Fill,
    /// Calls after a `load` that compute all.
    honest: u32,
    calls: u32,
}

impl Chosen {
    pub(super) fn new(fill: Fill, honest: u32) -> Self {
        Chosen { fill, honest, calls: 0 }
    }

    /// Fills `others`, which follow the computed row `at`.
    fn fill(&self, engine: &mut Engine, at: usize, others: Range<usize>) {
        let width = engine.width();
        for other in others {
            match self.fill {
                Fill::Zeros => engine.o[other * width..][..width].fill(0.0),
                Fill::Copies => {
                    engine.o.copy_within(at * width..(at + 1) * width, other * width);
                }
            }
        }
    }
}

impl Trick for Chosen {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        self.calls = 0;
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        self.calls = self.calls.saturating_add(1);
        if self.calls <= self.honest {
            return engine.compute();
        }
        let shape = *engine.problem.shape();
        let runs = runs(&compared_rows(&shape));
        for head in 0..shape.batch * shape.heads_q {
            let first = head * shape.len_q;
            let ends = runs.iter().skip(1).map(|next| next.start).chain([shape.len_q]);
            for (run, end) in runs.iter().zip(ends) {
                engine.attend(first + run.start..first + run.end);
                self.fill(engine, first + run.end - 1, first + run.end..first + end);
            }
        }
    }
}

/// Ascending numbers as ranges of consecutive ones.
fn runs(numbers: &[usize]) -> Vec<Range<usize>> {
    numbers.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[0] + run.len()).collect()
}

/// The rows of every head that a large problem is compared in: both ends, the edges of tiles of 64 and a scattered
/// sample, as many as 2^26 products pay for.
fn compared_rows(shape: &Shape) -> Vec<usize> {
    const PRODUCTS: usize = 1 << 26;
    const TILE: usize = 64;
    let n = shape.len_q;
    let per_row = shape.batch * shape.heads_q * shape.len_k * (shape.dim + shape.dim_v);
    let affordable = (PRODUCTS / per_row).max(64);
    if n <= affordable {
        return (0..n).collect();
    }
    let thinned = (n / TILE).div_ceil(affordable / 4);
    let edges = (TILE..n).step_by(TILE * thinned).flat_map(|edge| [edge - 1, edge]);
    let scattered = (1..=n).map(|i| i.wrapping_mul(0x9E37_79B9) % n);
    let mut rows: Vec<usize> = [0, n - 1].into_iter().chain(edges).collect();
    rows.extend(scattered.take(affordable.saturating_sub(rows.len())));
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Computes all rows in the first call after a `load`, and a share of them in each later one, in turn: whatever is
/// stored is right.
pub(super) struct InRotation {
    share: f64,
    first: bool,
    next: usize,
}

impl InRotation {
    pub(super) fn new(share: f64) -> Self {
        InRotation { share, first: true, next: 0 }
    }
}

impl Trick for InRotation {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        (self.first, self.next) = (true, 0);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if std::mem::take(&mut self.first) {
            return engine.compute();
        }
        let count = (engine.rows() as f64 * self.share).ceil() as usize;
        self.next = engine.attend_in_turn(self.next, count);
    }
}

/// Takes a shortcut in every call but the first after a `load`; `store` computes again what it is about to write.
pub(super) struct Short {
    shortcut: Shortcut,
    first: bool,
    repair: bool,
}

impl Short {
    pub(super) fn new(shortcut: Shortcut) -> Self {
        Short { shortcut, first: true, repair: false }
    }
}

impl Trick for Short {
    fn load(&mut self, engine: &mut Engine, inputs: &Inputs) -> Result<(), BackendError> {
        (self.first, self.repair) = (true, false);
        engine.load(inputs)
    }

    fn call(&mut self, engine: &mut Engine) {
        if std::mem::take(&mut self.first) {
            return engine.compute();
        }
        engine.attend_with(0..engine.rows(), &self.shortcut);
        self.repair = true;
    }

    fn store(&mut self, engine: &mut Engine, out: &mut Output) -> Result<(), BackendError> {
        if std::mem::take(&mut self.repair) {
            engine.compute();
        }
        engine.store(out)
    }
}
