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

    /// Judges what a backend with the given arithmetic stored: by the bound of that arithmetic, and by the yardstick where scores and sums
    /// are held as the yardstick holds them: what is rounded to a smaller type makes errors that plain loops do not make.
    pub fn judge(&self, problem: &Problem, arithmetic: &Arithmetic, out: &Output) -> Verdict {
        let bounds = Bounds::new(problem, arithmetic);
        let [held, plain] = [arithmetic, &Arithmetic::PLAIN]
            .map(|a| [a.scores, a.sums].map(|precision| precision.of(problem.dtype())));
        let yardstick = (held == plain).then_some(&self.yardstick);
        judge_output(problem, &self.reference, &bounds, yardstick, out)
    }
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, InputDistribution, Precision, ProblemSpec, Shape};
    use attn_naive::Naive;

    use super::*;

    /// The verdict on a result that is right but in one element, where it is off by this.
    fn off_by(error: f64, arithmetic: &Arithmetic) -> Verdict {
        let problem = Problem::new(ProblemSpec::new(Shape::square(1, 64, 64), DType::F16)).unwrap();
        let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
        let expected = Expected::compute(&problem, &inputs, &Naive).unwrap();
        let mut out = Output::poisoned(&problem);
        let right = expected.reference.o.iter().enumerate();
        right.for_each(|(at, &o)| out.o_mut().set(at, o + if at == 7 { error } else { 0.0 }));
        expected.judge(&problem, arithmetic, &out)
    }

    #[test]
    fn what_is_held_in_a_half_type_is_not_held_against_what_errs_less() {
        assert!(off_by(0.0, &Arithmetic::PLAIN).agrees());
        assert!(!off_by(2e-3, &Arithmetic::PLAIN).agrees());
        let half = Precision::Storage;
        for (stored, beyond) in [
            (Arithmetic { scores: half, ..Arithmetic::PLAIN }, 2e-2),
            (Arithmetic { sums: half, ..Arithmetic::PLAIN }, 0.1),
        ] {
            let verdict = off_by(2e-3, &stored);
            assert!(verdict.agrees(), "{:?}", verdict.findings);
            assert!(!off_by(beyond, &stored).agrees(), "beyond its own bound");
        }
    }
}
