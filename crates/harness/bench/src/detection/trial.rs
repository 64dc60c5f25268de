//! One set of inputs: results of it, judged as if they came in files.

use attn_core::{
    Backend, BackendError, Exec, Finding, Inputs, InvalidInputs, Problem, Tensor, run_once,
};
use serde::Serialize;

use super::deviation::{Deviation, Yardstick};
use super::reordered::reordered;
use crate::attn_case::Claim;
use crate::claim_truth::ClaimTruth;

/// How often the honest result is computed with the features of queries and keys in another order.
const ORDERS: usize = 4;

/// What it takes to judge files, and the honest ones that they are compared with.
pub struct Trial<'a> {
    problem: &'a Problem,
    inputs: &'a Inputs,
    truth: &'a ClaimTruth,
    /// Of the honest kernels, the control first.
    honest: Vec<Claim>,
    bits: Vec<Vec<u8>>,
    yardstick: Yardstick,
    /// Inputs of a first call before the one whose result is judged.
    others: Option<Inputs>,
}

/// The control or another backend could not compute.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Reordered inputs are none.
    #[error(transparent)]
    Inputs(#[from] InvalidInputs),
}

/// What became of one kernel's file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fate {
    /// Whether the file is not the honest kernel's, bit for bit.
    pub differs: bool,
    /// Where it differs by more than rounding.
    pub visible: Option<Deviation>,
    /// The first thing said against it.
    pub finding: Option<Finding>,
    /// How much of its limits it uses.
    pub shares: Shares,
}

/// The largest shares of what rounding explains that a file uses; `None` for what it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Of the errors of the output, taken together.
    pub output: Option<f64>,
    /// Of the bounds of the log-sum-exp.
    pub lse: Option<f64>,
}

impl Shares {
    /// Of the tensor in which `deviation` lies.
    pub(super) fn of(self, deviation: &Deviation) -> Option<f64> {
        if deviation.is_of_lse() { self.lse } else { self.output }
    }
}

impl<'a> Trial<'a> {
    /// Computes with the honest kernels, of which the first is the control. `truth` knows all rows.
    pub fn new(
        problem: &'a Problem,
        inputs: &'a Inputs,
        truth: &'a ClaimTruth,
        honest: &[&dyn Backend],
    ) -> Result<Self, TrialError> {
        let files = honest.iter().map(|kernel| file(*kernel, problem, &[inputs]));
        let honest_files = files.collect::<Result<Vec<_>, _>>()?;
        let mut yardstick = Yardstick::new(truth.reference(), &honest_files[0]);
        honest_files[1..].iter().for_each(|file| yardstick.allow(file));
        for number in 1..=ORDERS {
            let inputs = reordered(problem, inputs, number)?;
            yardstick.allow(&file(honest[0], problem, &[&inputs])?);
        }
        let bits = bits(&honest_files[0]);
        Ok(Trial { problem, inputs, truth, honest: honest_files, bits, yardstick, others: None })
    }

    /// Also judges the file of a second call, where that of the first is the honest kernel's.
    #[must_use]
    pub fn with_second_calls(self) -> Self {
        Trial { others: Some(self.inputs.varied(self.problem)), ..self }
    }

    /// Computes with `backend` and judges the file.
    pub fn fate(&self, backend: &dyn Backend) -> Result<Fate, BackendError> {
        let first = self.judge(&file(backend, self.problem, &[self.inputs])?);
        match &self.others {
            Some(others) if !first.differs => {
                Ok(self.judge(&file(backend, self.problem, &[others, self.inputs])?))
            }
            _ => Ok(first),
        }
    }

    /// What is said of the honest kernels' files.
    pub fn honest(&self) -> Vec<Fate> {
        self.honest.iter().map(|file| self.judge(file)).collect()
    }

    fn judge(&self, claim: &Claim) -> Fate {
        let differs = bits(claim) != self.bits;
        let visible = if differs { self.yardstick.deviation(claim) } else { None };
        let verdict = self.truth.judge(self.problem, claim);
        let lse = claim.lse.clone().map(|lse| {
            let alone = Claim { lse: Some(lse), ..Claim::default() };
            self.truth.judge(self.problem, &alone)
        });
        let shares = Shares {
            output: verdict.metrics.and_then(|metrics| metrics.noise_share),
            lse: lse.and_then(|verdict| Some(verdict.metrics?.bound_share)),
        };
        Fate { differs, visible, finding: verdict.findings.into_iter().next(), shares }
    }

    /// The first thing said against `claim`.
    pub(super) fn finding(&self, claim: &Claim) -> Option<Finding> {
        self.truth.judge(self.problem, claim).findings.into_iter().next()
    }

    /// The control's result.
    pub(super) fn control(&self) -> &Claim {
        &self.honest[0]
    }

    pub(super) const fn problem(&self) -> &Problem {
        self.problem
    }
}

/// What a new plan stores after a call on each of `inputs`.
fn file(
    backend: &dyn Backend,
    problem: &Problem,
    inputs: &[&Inputs],
) -> Result<Claim, BackendError> {
    let mut plan = backend.prepare(problem, &Exec::SINGLE)?;
    let mut claim = Claim::default();
    for inputs in inputs {
        claim = Claim::of_output(&run_once(&mut *plan, problem, inputs)?);
    }
    Ok(claim)
}

fn bits(claim: &Claim) -> Vec<Vec<u8>> {
    let tensors = [&claim.out, &claim.lse].into_iter().flatten();
    tensors.map(|tensor: &Tensor| tensor.data().to_le_bytes()).collect()
}
