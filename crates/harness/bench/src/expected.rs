//! What a result is judged by: oracle and yardstick of one set of inputs.
//!
//! Computed once per case and set of inputs by whoever judges; no worker sees it.

use attn_core::{Arithmetic, BackendError, ByRows, Inputs, Output, Problem, Verdict};
use attn_oracle::{Bounds, OracleError, Reference, Rows, Yardstick, judge_output};

/// Multiplications that the oracle may spend on one set of inputs: about a quarter of a second.
const MAX_PRODUCTS: u64 = 1 << 26;

/// Oracle and yardstick.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    reference: Reference,
    yardstick: Yardstick,
}

/// Why there is nothing to judge by: an error of the harness, whatever the backends do.
#[derive(Debug, thiserror::Error)]
pub enum ExpectedError {
    /// The oracle failed.
    #[error("oracle: {0}")]
    Oracle(#[from] OracleError),
    /// The yardstick could not be computed.
    #[error("yardstick `naive`: {0}")]
    Run(#[from] BackendError),
}

impl Expected {
    /// Computes the oracle on a choice of rows, which depends on the problem alone, then measures the yardstick with `naive`
    /// on the same rows. Where that is beyond its own a-priori bound it widens nobody's bounds.
    pub fn compute(
        problem: &Problem,
        inputs: &Inputs,
        naive: &dyn ByRows,
    ) -> Result<Self, ExpectedError> {
        let rows = Rows::choose(problem, MAX_PRODUCTS);
        let (reference, noise) = Reference::with_noise(problem, inputs, rows)?;
        let out = naive.compute_rows(problem, inputs, reference.rows.indices())?;
        let bounds = Bounds::new(problem, &Arithmetic::PLAIN);
        let verdict = judge_output(problem, &reference, &bounds, None, &out);
        let naive = out.o().tensor();
        let yardstick = Yardstick::measure(problem, (&reference, noise), &naive, verdict.agrees());
        Ok(Expected { reference, yardstick })
    }

    /// The same inputs judged on `rows`, by the yardstick of these expectations: few rows alone may flatter naive.
    pub fn on_rows(
        &self,
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
    ) -> Result<Self, ExpectedError> {
        let reference = Reference::compute(problem, inputs, rows)?;
        Ok(Expected { reference, yardstick: self.yardstick })
    }

    /// Whether every row is judged.
    pub fn is_whole(&self, problem: &Problem) -> bool {
        self.reference.rows.len() == problem.shape().len_q
    }

    /// Judges what a backend with the given arithmetic stored.
    pub fn judge(&self, problem: &Problem, arithmetic: &Arithmetic, out: &Output) -> Verdict {
        let bounds = Bounds::new(problem, arithmetic);
        judge_output(problem, &self.reference, &bounds, Some(&self.yardstick), out)
    }
}
