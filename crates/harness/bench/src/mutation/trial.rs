//! One case: the control and every mutant, checked on inputs A, then on inputs B.

use std::num::NonZeroU32;

use attn_core::{Arithmetic, Backend, Exec, Fenced, Finding, Inputs, Output, compute};
use attn_oracle::{Reference, Rows};

use super::{Mutation, MutationError};
use crate::expected::Expected;
use crate::rules::{Compared, Rule};
use crate::suite::{Case, Source};

/// Inputs A: one call is judged.
const A: (&str, NonZeroU32) = ("inputs A", NonZeroU32::MIN);
/// Inputs B: as many calls as a worker makes that does not measure.
const B: (&str, NonZeroU32) = ("inputs B", NonZeroU32::new(3).expect("3 is not 0"));

/// What became of everybody on one case.
pub(super) struct Trial {
    pub(super) case: String,
    /// `InputDistribution` of the inputs, or `real`.
    pub(super) family: &'static str,
    pub(super) control: Fate,
    /// In the order of the mutants.
    pub(super) mutants: Vec<Fate>,
}

/// What became of one backend on one case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fate {
    /// Whether the outputs differ from the control's, bit for bit.
    pub(super) exercised: bool,
    /// The first finding, and the inputs it was made on.
    pub(super) killed: Option<(Finding, &'static str)>,
    /// Which of the published rules accept every result that was judged.
    pub(super) accepted: [bool; Rule::ALL.len()],
}

/// What the results on one set of inputs are judged by.
struct Truth {
    name: &'static str,
    inputs: Inputs,
    /// Calls before the result is judged.
    calls: NonZeroU32,
    expected: Expected,
    tensors: Vec<Tensor>,
}

/// The truth about one output tensor, and what naive makes of it.
struct Tensor {
    want: Vec<f64>,
    naive: Vec<f64>,
}

/// One result: what was stored, bit for bit, and what is said of it.
#[derive(Clone)]
struct Judged {
    bits: Vec<(Vec<u8>, bool)>,
    finding: Option<Finding>,
    accepted: [bool; Rule::ALL.len()],
}

type AnyError = Box<dyn std::error::Error>;

impl Mutation<'_> {
    pub(super) fn try_case(&self, case: &Case) -> Result<Trial, MutationError> {
        let failed =
            |error: AnyError| MutationError { case: case.id.clone(), message: error.to_string() };
        self.attempt(case).map_err(failed)
    }

    fn attempt(&self, case: &Case) -> Result<Trial, AnyError> {
        let [a, b] = self.suite.inputs(case)?;
        let truths = [self.truth(case, A, a)?, self.truth(case, B, b)?];
        let honest = run(case, self.control.backend, &truths, &[])?;
        let control = fate(&honest, &honest, &truths);
        let fates = self.mutants.iter().map(|mutant| -> Result<Fate, AnyError> {
            let results = run(case, mutant.backend, &truths, &honest)?;
            Ok(fate(&results, &honest, &truths))
        });
        let mutants = fates.collect::<Result<_, _>>()?;
        let family = match &case.source {
            Source::Generated { distribution, .. } => distribution.name(),
            Source::File { .. } => "real",
        };
        Ok(Trial { case: case.id.clone(), family, control, mutants })
    }

    fn truth(
        &self,
        case: &Case,
        (name, calls): (&'static str, NonZeroU32),
        inputs: Inputs,
    ) -> Result<Truth, AnyError> {
        let problem = &case.problem;
        let expected = Expected::compute(problem, &inputs, self.naive)?;
        let reference = Reference::compute(problem, &inputs, Rows::all(problem))?;
        let naive = compute(self.naive, problem, &Exec::SINGLE, &inputs)?;
        let lse = reference.stats.iter().map(|row| row.lse).collect();
        let naive = fenced(&naive).map(|naive| naive.tensor().data().to_f64());
        let tensors = [reference.o, lse].into_iter().zip(naive);
        let tensors = tensors.map(|(want, naive)| Tensor { want, naive }).collect();
        Ok(Truth { name, inputs, calls, expected, tensors })
    }
}

/// The result and, where it is asked for, the log-sum-exp.
fn fenced(out: &Output) -> impl Iterator<Item = &Fenced> {
    [Some(out.o()), out.lse()].into_iter().flatten()
}

/// Checked on A and, only if that agrees, used on B with the same plan: as a worker does. Results
/// that are bit for bit those of `honest` need no second judgement.
fn run(
    case: &Case,
    backend: &dyn Backend,
    truths: &[Truth; 2],
    honest: &[Judged],
) -> Result<Vec<Judged>, AnyError> {
    let arithmetic = backend.probe()?.arithmetic;
    let mut plan = backend.prepare(&case.problem, &Exec::SINGLE)?;
    let mut results = Vec::<Judged>::new();
    for (at, truth) in truths.iter().enumerate() {
        if results.iter().any(|result| result.finding.is_some()) {
            break;
        }
        plan.load(&truth.inputs)?;
        plan.run(truth.calls)?;
        let mut out = Output::poisoned(&case.problem);
        plan.store(&mut out)?;
        let bits = |x: &Fenced| (x.tensor().data().to_le_bytes(), x.fences_intact());
        let bits: Vec<_> = fenced(&out).map(bits).collect();
        let twin = honest.get(at).filter(|honest| honest.bits == bits);
        results.push(match twin {
            Some(twin) => twin.clone(),
            None => judge(case, &arithmetic, truth, &out, bits),
        });
    }
    Ok(results)
}

/// What the check and the published rules say of one result.
fn judge(
    case: &Case,
    arithmetic: &Arithmetic,
    truth: &Truth,
    out: &Output,
    bits: Vec<(Vec<u8>, bool)>,
) -> Judged {
    let verdict = truth.expected.judge(&case.problem, arithmetic, out);
    let mut accepted = [true; Rule::ALL.len()];
    for (out, Tensor { want, naive }) in fenced(out).zip(&truth.tensors) {
        let got = out.tensor().data().to_f64();
        let (dtype, softcap) = (out.dtype(), case.problem.softcap());
        let compared = Compared { got: &got, want, naive, dtype, softcap };
        for (accepted, rule) in accepted.iter_mut().zip(Rule::ALL) {
            *accepted = *accepted && rule.accepts(&compared);
        }
    }
    Judged { bits, finding: verdict.findings.into_iter().next(), accepted }
}

/// What follows from one backend's results.
fn fate(results: &[Judged], honest: &[Judged], truths: &[Truth; 2]) -> Fate {
    let differs = |(result, honest): (&Judged, &Judged)| result.bits != honest.bits;
    let killed = results
        .iter()
        .zip(truths)
        .find_map(|(result, truth)| result.finding.clone().map(|finding| (finding, truth.name)));
    let accepts = |at: usize| results.iter().all(|result| result.accepted[at]);
    Fate {
        exercised: results.iter().zip(honest).any(differs),
        killed,
        accepted: std::array::from_fn(accepts),
    }
}
