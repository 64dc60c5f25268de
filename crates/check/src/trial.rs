//! One problem: asked and judged.

use std::fmt;

use attn_core::{ClaimArithmetic, Finding, Inputs, Output, Problem, Verdict};
use attn_oracle::{Effort, Rows};

use crate::Case;
use crate::attn_case::{AttnCase, Claim};
use crate::claim_truth::{ClaimTruth, Terms};
use crate::kernel::{Answer, Failed, Kernel};

/// Multiplications that the truth about one problem may cost before rows are chosen: only problems that are named are as large.
const MAX_PRODUCTS: u64 = 1 << 26;

/// What became of one problem.
pub(crate) enum Fate {
    Right,
    /// The kernel does not compute it, or nobody can say what is right.
    Skipped(String),
    Wrong(Box<Wrong>),
}

/// A result that is not right.
pub(crate) struct Wrong {
    pub(crate) kind: Kind,
    /// What is wrong, in a line.
    pub(crate) finding: String,
    /// What was judged, if there was something.
    pub(crate) judged: Option<Judged>,
}

/// A result and the judgement of it.
pub(crate) struct Judged {
    pub(crate) out: Output,
    pub(crate) verdict: Verdict,
    pub(crate) truth: ClaimTruth,
    pub(crate) arithmetic: ClaimArithmetic,
}

/// In which way a result is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The kernel panicked.
    Panicked,
    /// The kernel returned an error.
    Failed,
    /// The result has another length than the problem's.
    WrongLength,
    /// Elements were not written.
    NotWritten,
    /// Something was written outside of the output.
    WroteOutside,
    /// Elements are NaN or infinite.
    NotFinite,
    /// Elements are wrong.
    WrongValues,
    /// The log-sum-exp is wrong.
    WrongLse,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Panicked => "panicked",
            Kind::Failed => "failed",
            Kind::WrongLength => "of wrong length",
            Kind::NotWritten => "not written",
            Kind::WroteOutside => "written outside",
            Kind::NotFinite => "not finite",
            Kind::WrongValues => "wrong values",
            Kind::WrongLse => "wrong lse",
        })
    }
}

impl Kind {
    const fn of(finding: &Finding) -> Self {
        match finding {
            Finding::WrongShape { .. } | Finding::Missing { .. } => Kind::WrongLength,
            Finding::FenceBroken => Kind::WroteOutside,
            Finding::NotWritten { .. } => Kind::NotWritten,
            Finding::NotFinite { .. } => Kind::NotFinite,
            Finding::Lse { .. } => Kind::WrongLse,
            _ => Kind::WrongValues,
        }
    }
}

impl From<Failed> for Wrong {
    fn from(failed: Failed) -> Self {
        let (kind, finding) = match failed {
            Failed::Panic(words) => (Kind::Panicked, format!("the kernel panicked: {words}")),
            Failed::Error(words) => (Kind::Failed, format!("the kernel failed: {words}")),
            Failed::Length(words) => (Kind::WrongLength, words),
        };
        Wrong { kind, finding, judged: None }
    }
}

/// Asks the kernel, then judges what it says.
pub(crate) fn fate(kernel: &Kernel<'_>, case: &Case) -> Fate {
    let (problem, inputs) = (case.problem(), case.inputs());
    let out = match (kernel.ask)(problem, &inputs) {
        Answer::Output(out) => *out,
        Answer::Refused(reason) => return Fate::Skipped(reason),
        Answer::Failed(failed) => return Fate::Wrong(Box::new(failed.into())),
    };
    let arithmetic = (kernel.arithmetic)(problem.dtype());
    match judged(problem, &inputs, arithmetic, out) {
        Err(reason) => Fate::Skipped(reason),
        Ok(judged) => match judged.verdict.findings.first() {
            None => Fate::Right,
            Some(finding) => {
                let (kind, finding) = (Kind::of(finding), finding.to_string());
                Fate::Wrong(Box::new(Wrong { kind, finding, judged: Some(judged) }))
            }
        },
    }
}

/// Judges a result; says why if nobody can.
pub(crate) fn judged(
    problem: &Problem,
    inputs: &Inputs,
    arithmetic: ClaimArithmetic,
    out: Output,
) -> Result<Judged, String> {
    let rows = Rows::choose(problem, MAX_PRODUCTS);
    let terms = Terms { arithmetic, stored: problem.dtype() };
    let truth = ClaimTruth::compute(problem, inputs, rows, terms, Effort::SINGLE);
    let truth = truth.map_err(|error| format!("no truth to compare with: {error}"))?;
    let verdict = truth.judge_output(problem, &out);
    Ok(Judged { out, verdict, truth, arithmetic })
}

impl Judged {
    /// The case with the result as a claim, as files have it.
    pub(crate) fn attn_case(&self, case: &Case) -> AttnCase {
        let claim = Claim { arithmetic: Some(self.arithmetic), ..Claim::of_output(&self.out) };
        AttnCase {
            problem: case.problem().clone(),
            inputs: case.inputs(),
            claim: Some(claim),
            tokens: None,
            source: Some(format!("attn-check, {case}")),
        }
    }
}
