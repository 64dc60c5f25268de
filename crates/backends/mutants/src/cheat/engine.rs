//! The honest plan beneath every cheat.

use std::ops::Range;
use std::sync::Arc;

use attn_core::{BackendError, DType, Feature, Inputs, Output, Problem, ScoreKind, Unsupported};

use super::kernel::{HONEST, Operands, Shortcut};

/// Operands of its own, and room for the result.
pub(super) struct Engine {
    /// What it computes.
    pub(super) problem: Problem,
    /// The result `[B, Hq, Nq, Dv]`.
    pub(super) o: Vec<f32>,
    operands: Arc<Operands>,
}

/// Whether the engine computes the problem as stated.
pub(super) fn supports(problem: &Problem) -> Result<(), Unsupported> {
    let known = |feature: &Feature| match feature {
        Feature::Batch | Feature::GroupedHeads | Feature::ValueDim | Feature::Causal => true,
        Feature::DType(dtype) => *dtype == DType::F32,
        Feature::Score(kind) => *kind == ScoreKind::ScaledDot,
        _ => false,
    };
    match problem.features().into_iter().find(|feature| !known(feature)) {
        Some(feature) => {
            Err(Unsupported { feature, why: "plain f32 attention alone is cheated in" })
        }
        None => Ok(()),
    }
}

impl Engine {
    /// Room for the result of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let o = vec![0.0; problem.shape().out().iter().product()];
        Engine { problem: problem.clone(), o, operands: Arc::new(Operands::new(problem)) }
    }

    /// Copies the operands, to where they were before if nobody else reads them.
    pub(super) fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        if Arc::get_mut(&mut self.operands).is_none() {
            self.operands = Arc::new(Operands::new(&self.problem));
        }
        let operands =
            Arc::get_mut(&mut self.operands).expect("nobody else has what was just made");
        operands.load(&self.problem, inputs)
    }

    /// What was loaded last.
    pub(super) fn operands(&self) -> &Arc<Operands> {
        &self.operands
    }

    /// Rows of all heads and batches.
    pub(super) fn rows(&self) -> usize {
        self.o.len() / self.width()
    }

    /// Columns of the result.
    pub(super) fn width(&self) -> usize {
        self.problem.shape().dim_v
    }

    /// Computes everything.
    pub(super) fn compute(&mut self) {
        self.attend(0..self.rows());
    }

    /// Computes `rows`, counted over all heads and batches.
    pub(super) fn attend(&mut self, rows: Range<usize>) {
        self.attend_with(rows, &HONEST);
    }

    /// Computes `count` rows, `next` being the first, and after the last the first again; the row that follows them.
    pub(super) fn attend_in_turn(&mut self, next: usize, count: usize) -> usize {
        let rows = self.rows();
        self.attend(next..(next + count).min(rows));
        self.attend(0..(next + count).saturating_sub(rows));
        (next + count) % rows
    }

    /// Computes `rows` and leaves out what the shortcut says.
    pub(super) fn attend_with(&mut self, rows: Range<usize>, shortcut: &Shortcut) {
        let operands = Arc::clone(self.operands());
        let width = self.width();
        operands.attend(rows.clone(), &mut self.o[rows.start * width..rows.end * width], shortcut);
    }

    /// Writes the result.
    pub(super) fn store(&self, out: &mut Output) -> Result<(), BackendError> {
        let found = out.o().dtype();
        let wrong = BackendError::DType { expected: DType::F32, found };
        out.o_mut().slice_mut::<f32>().ok_or(wrong)?.copy_from_slice(&self.o);
        Ok(())
    }
}
