//! What a claimed result is judged by: the truth, and how large the errors of its arithmetic are.

use attn_core::{ClaimArithmetic, DType, Fenced, Inputs, Output, Problem, Tensor, Verdict};
use attn_oracle::{
    Bounds, Candidate, Effort, OracleError, Reference, Rows, Rule, Twist, judge, judge_output,
};

use crate::attn_case::{Claim, Tolerance};

/// How a claim was computed and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// As declared, or as assumed.
    pub arithmetic: ClaimArithmetic,
    /// The type of its output.
    pub stored: DType,
}

impl Terms {
    /// As a claim declares them, or as they are assumed.
    pub fn of(problem: &Problem, claim: &Claim) -> Self {
        let assumed = ClaimArithmetic::assumed(problem.dtype());
        let arithmetic = claim.arithmetic.unwrap_or(assumed);
        Terms { arithmetic, stored: claim.stored(problem) }
    }

    /// Of a result that says nothing of itself and is stored as its inputs are.
    pub const fn assumed(problem: &Problem) -> Self {
        let stored = problem.dtype();
        Terms { arithmetic: ClaimArithmetic::assumed(stored), stored }
    }
}

/// The truth about one set of inputs, for results of the given terms.
pub struct ClaimTruth {
    reference: Reference,
    bounds: Bounds,
}

impl ClaimTruth {
    /// Computes the given rows.
    pub fn compute(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
        terms: Terms,
        effort: Effort<'_>,
    ) -> Result<Self, OracleError> {
        let Terms { arithmetic, stored } = terms;
        let reference = Reference::of_claim(problem, inputs, rows, (&arithmetic, stored), effort)?;
        Ok(ClaimTruth { reference, bounds: Bounds::of_claim(&arithmetic, stored) })
    }

    /// Computes all rows, for results that say nothing of themselves.
    pub fn of_all_rows(problem: &Problem, inputs: &Inputs) -> Result<Self, OracleError> {
        let (rows, terms) = (Rows::all(problem), Terms::assumed(problem));
        ClaimTruth::compute(problem, inputs, rows, terms, Effort::SINGLE)
    }

    /// The truth of what a mistake computes.
    pub fn of_mistake(
        problem: &Problem,
        inputs: &Inputs,
        rows: Rows,
        terms: Terms,
        twist: Twist<'_>,
    ) -> Result<Self, OracleError> {
        let Terms { arithmetic, stored } = terms;
        let reference = Reference::of_mistake(problem, inputs, rows, (&arithmetic, stored), twist)?;
        Ok(ClaimTruth { reference, bounds: Bounds::of_claim(&arithmetic, stored) })
    }

    /// The sum of the squared errors of an output on the rows that are known.
    pub(crate) fn distance(&self, problem: &Problem, out: &Tensor) -> f64 {
        let elements = self.reference.elements(problem);
        elements
            .map(|(index, at)| (out.data().get(out.index(index)) - self.reference.o[at]).powi(2))
            .sum()
    }

    /// The elements of a claim's output whose error is beyond its bound, its tolerance or several times what is typical.
    pub(crate) fn wrong_elements(&self, problem: &Problem, claim: &Claim) -> Vec<[usize; 4]> {
        /// Typical errors that no single element should exceed.
        const OUTLIER: f64 = 6.0;
        let Some(out) = &claim.out else { return Vec::new() };
        let Reference { o, magnitude, sensitivity, stats, loose, typical, .. } = &self.reference;
        let width = problem.shape().dim_v;
        let wrong = |&(index, at): &([usize; 4], usize)| {
            let (row, want) = (at / width, o[at]);
            let error = out.data().get(out.index(index)) - want;
            let bounds = self.bounds.row(&stats[row], loose.get(&row));
            let bound =
                bounds.allowed(at % width, [want, magnitude[at], sensitivity[at]], error > 0.0);
            let allowed = match (&claim.tolerance, typical) {
                (Some(Tolerance { rtol, atol }), _) if !bounds.is_undetermined() => {
                    atol + rtol * want.abs()
                }
                (None, Some(typical)) if !bounds.is_undetermined() => {
                    bound.min(OUTLIER * typical.variance[at].max(typical.peer[at]).sqrt())
                }
                _ => bound,
            };
            // A NaN is no agreement.
            error.is_nan() || error.abs() > allowed
        };
        self.reference.elements(problem).filter(wrong).map(|(index, _)| index).collect()
    }

    /// Judges a claim, by its own tolerance if it has one.
    pub fn judge(&self, problem: &Problem, claim: &Claim) -> Verdict {
        let rule = match claim.tolerance {
            None => Rule::Bounds(&self.bounds, None),
            Some(Tolerance { rtol, atol }) => Rule::Tolerance { rtol, atol, bounds: &self.bounds },
        };
        judge(problem, &self.reference, rule, claim.candidate())
    }

    /// Judges what was stored into a buffer that was poisoned and fenced.
    pub fn judge_output(&self, problem: &Problem, out: &Output) -> Verdict {
        judge_output(problem, &self.reference, &self.bounds, None, out)
    }

    /// The truth.
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }
}

impl Claim {
    /// What a backend stored, as if it came in a file.
    pub fn of_output(out: &Output) -> Self {
        let lse = out.lse().map(Fenced::tensor);
        Claim { out: Some(out.o().tensor()), lse, ..Claim::default() }
    }

    /// The type that the output is stored in.
    pub fn stored(&self, problem: &Problem) -> DType {
        self.out.as_ref().map_or(problem.dtype(), Tensor::dtype)
    }

    /// As the oracle takes it.
    fn candidate(&self) -> Candidate<'_> {
        let lse_factor = if self.lse_base_two { std::f64::consts::LN_2 } else { 1.0 };
        Candidate { o: self.out.as_ref(), lse: self.lse.as_ref(), lse_factor }
    }
}
