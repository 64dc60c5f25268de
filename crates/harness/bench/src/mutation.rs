//! The detector is itself tested: which wrong backends does the check catch, and on which cases?
//!
//! Every mutant runs every case the way a worker would, in this process:
//!
//! ```text
//! load A, run once, judge -> if that agrees: load B, run on, judge
//!
//! killed       a verdict has a finding
//! exercised    an output is not the control's, bit for bit
//! ```
//!
//! The same outputs go before the published [`rules`](crate::rules). A rule misses a mutant if it
//! accepts it on every case, leaving out cases on which it refuses the control as well.
//!
//! This module knows no backend: mutants, control and yardstick are the caller's.

mod matrix;
mod summary;
mod trial;

use std::sync::Mutex;

use attn_core::{Backend, ByRows, Problem};

use crate::share_out::share_out;
use crate::suite::{Case, Suite};

pub use matrix::{Example, FindingKind, KillMatrix, MutantRow, RuleScore, Tally};

/// A backend on trial.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the bug.
    pub id: &'a str,
    /// The bug in one line.
    pub description: &'a str,
    /// What kind of bug it is.
    pub theme: &'a str,
    /// The backend. Supports every problem.
    pub backend: &'a dyn Backend,
}

/// Mutants and the cases that they are to be killed on.
pub struct Mutation<'a> {
    /// Where the cases and their inputs come from.
    pub suite: &'a Suite,
    /// The cases.
    pub cases: &'a [&'a Case],
    /// Cases whose whole score matrix costs more operations are left out.
    pub max_flops: u64,
    /// The yardstick.
    pub naive: &'a dyn ByRows,
    /// The mutants' kernel without a bug: nothing may kill it.
    pub control: Subject<'a>,
    /// The mutants.
    pub mutants: &'a [Subject<'a>],
    /// Threads, each with a case of its own.
    pub threads: usize,
}

/// A case could not be tried: an error of the harness, not an answer about a mutant.
#[derive(Debug, thiserror::Error)]
#[error("case `{case}`: {message}")]
pub struct MutationError {
    /// The case.
    pub case: String,
    /// What failed.
    pub message: String,
}

impl Mutation<'_> {
    /// Tries every mutant on every case.
    pub fn run(&self) -> Result<KillMatrix, MutationError> {
        let small = |case: &&&Case| dense_flops(&case.problem) <= self.max_flops;
        let cases: Vec<&Case> = self.cases.iter().filter(small).copied().collect();
        let trials = Mutex::new(Vec::new());
        share_out(self.threads, cases.iter(), |case| {
            let trial = self.try_case(case);
            trials.lock().expect("no thread panics with the lock").push(trial);
        });
        let trials = trials.into_inner().expect("no thread panics with the lock");
        let mut trials = trials.into_iter().collect::<Result<Vec<_>, _>>()?;
        trials.sort_by(|a, b| a.case.cmp(&b.case));
        Ok(KillMatrix::new(&self.control, self.mutants, &trials, self.cases.len() - cases.len()))
    }
}

/// Operations of all scores and weighted values, masked or not: mutants may compute them all.
fn dense_flops(problem: &Problem) -> u64 {
    let shape = problem.shape();
    let pairs: usize = shape.scores().iter().product();
    pairs as u64 * 2 * (shape.dim + shape.dim_v) as u64
}

#[cfg(test)]
mod tests;
