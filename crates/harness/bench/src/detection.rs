//! The detection limit: how wrong must a file be to be refused?
//!
//! `attn verify` judges a result of unknown origin by the truth and by what rounding explains
//! ([`claim_truth`](crate::claim_truth)). No rule can tell a mistake that is smaller than rounding, and at long sequences mistakes
//! become small: one key too many out of 8192 moves the output by one part in some thousands. So it is measured, type by type and length
//! by length, what becomes of the results of deliberately wrong kernels if they come in files, and how large an error must be that is
//! planted in an honest result. On each of a fixed set of [`statements`]:
//!
//! ```text
//! differs    the file is not the control's, bit for bit
//! visible    it holds NaN where the control's does not, or sqrt(sum (wrong - control)^2) > 4 sqrt(sum (honest - truth)^2) over the
//!            output or over the log-sum-exp, or > 10 times over one of their rows                        deviation.rs
//! refused    a verdict has a finding
//! ```
//!
//! The control is the wrong kernels' own without a bug. The honest error is the largest of several honest results: the control's, those of
//! honest kernels of other arithmetics, and the control's with the features of queries and keys in other orders, which changes nothing but
//! roundings. One result alone may be right by luck.
//!
//! Every visible result must be refused, and no honest one may be: those that are not as they should be are named. A difference that is not
//! visible is of the size of the honest kernel's own error. A kernel that is wrong from call to call makes a right file with its
//! first call, so on some statements there is a second file: that of the second call, after one on other inputs.
//!
//! Planted errors: elements of an honest result are multiplied by `1 + e`, all of them, those of one head, of one row, or one. The limit is
//! the smallest power of `sqrt(2)` from which on every `e` is refused.
//!
//! This module knows no backend: the honest kernel, the wrong ones and honest ones of other arithmetics are the caller's.

mod deviation;
mod planted;
mod reordered;
mod report;
pub mod statements;
mod summary;
mod trial;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use attn_core::{Backend, DType, Inputs};

use crate::claim_truth::ClaimTruth;
use crate::mutation::Subject;
use crate::share_out::share_out;

pub use deviation::Deviation;
pub use planted::{Place, Planted};
pub use report::{FalsePositive, HonestUse, Limit, Limits, Survivor, Unseen};
pub use statements::Statement;
pub use trial::{Fate, Shares, Trial, TrialError};

/// Who is tried, and on how much.
pub struct Detection<'a> {
    /// The mutants' kernel without a bug.
    pub control: Subject<'a>,
    /// Wrong kernels.
    pub mutants: &'a [Subject<'a>],
    /// Honest kernels of other arithmetics: nothing may be said against them.
    pub honest: &'a [Subject<'a>],
    /// Storage types.
    pub dtypes: &'a [DType],
    /// Lengths.
    pub lengths: &'a [usize],
    /// Threads, each with a statement of its own.
    pub threads: usize,
    /// Told which part of the work is done.
    pub progress: &'a (dyn Fn(f64) + Sync),
    /// Set from outside to stop early.
    pub cancel: &'a AtomicBool,
}

/// A statement could not be tried: an error of the harness, not an answer about a kernel.
#[derive(Debug, thiserror::Error)]
#[error("statement `{statement}`: {message}")]
pub struct DetectionError {
    /// The statement.
    pub statement: String,
    /// What failed.
    pub message: String,
}

type AnyError = Box<dyn std::error::Error>;

/// What became of everybody on one statement.
struct Tried {
    statement: Statement,
    /// The control's, then those of the honest kernels.
    honest: Vec<Fate>,
    /// In the order of the mutants.
    mutants: Vec<Fate>,
    planted: Option<Planted>,
}

impl Detection<'_> {
    /// Tries everybody on every statement, short ones first.
    pub fn run(&self) -> Result<Limits, DetectionError> {
        let per_type =
            |n: &usize| self.dtypes.iter().flat_map(|&dtype| statements::all(dtype, *n)).collect();
        let all: Vec<Statement> =
            self.lengths.iter().flat_map(|n| -> Vec<_> { per_type(n) }).collect();
        let total: usize = all.iter().map(Statement::pairs).sum();
        let (of, done) = (all.len(), AtomicUsize::new(0));
        let tried = Mutex::new(Vec::with_capacity(of));
        let until_cancelled =
            all.into_iter().enumerate().take_while(|_| !self.cancel.load(Ordering::Relaxed));
        share_out(self.threads, until_cancelled, |(at, statement)| {
            let pairs = statement.pairs();
            let outcome = self.attempt(statement);
            tried.lock().expect("no thread panics with the lock").push((at, outcome));
            let done = pairs + done.fetch_add(pairs, Ordering::Relaxed);
            (self.progress)(done as f64 / total as f64);
        });
        let mut tried = tried.into_inner().expect("no thread panics with the lock");
        tried.sort_by_key(|(at, _)| *at);
        let tried: Vec<Tried> =
            tried.into_iter().map(|(_, tried)| tried).collect::<Result<_, _>>()?;
        Ok(Limits::new(self, &tried, of))
    }

    /// The honest ones.
    fn kernels(&self) -> impl Iterator<Item = &Subject<'_>> {
        std::iter::once(&self.control).chain(self.honest)
    }

    fn attempt(&self, statement: Statement) -> Result<Tried, DetectionError> {
        let name = format!("{}, {}", statement.name, statement.problem);
        let failed =
            |error: AnyError| DetectionError { statement: name, message: error.to_string() };
        self.try_statement(statement).map_err(failed)
    }

    fn try_statement(&self, statement: Statement) -> Result<Tried, AnyError> {
        let problem = &statement.problem;
        let inputs = Inputs::generate(problem, statement.distribution, statements::SEED);
        let truth = ClaimTruth::of_all_rows(problem, &inputs)?;
        let kernels: Vec<&dyn Backend> = self.kernels().map(|kernel| kernel.backend).collect();
        let trial = Trial::new(problem, &inputs, &truth, &kernels)?;
        let trial = if statement.second_call { trial.with_second_calls() } else { trial };
        let fate = |subject: &Subject<'_>| Ok::<_, AnyError>(trial.fate(subject.backend)?);
        let mutants = self.mutants.iter().map(fate).collect::<Result<_, _>>()?;
        let honest = trial.honest();
        let planted = statement.plain.then(|| trial.plant());
        Ok(Tried { statement, honest, mutants, planted })
    }
}

#[cfg(test)]
mod tests;
