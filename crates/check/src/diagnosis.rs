//! What is wrong with a claimed result: where it is wrong, and which other problem or known mistake it agrees with.
//!
//! | module | contents |
//! |---|---|
//! | `place` | the batches, heads, rows and columns that are wrong, in words |
//! | `statements` | other statements of the problem |
//! | `readings` | its tensors read in another layout, heads matched otherwise |
//! | `mistakes` | steps that kernels get wrong |
//! | `roundings` | arithmetic that the file does not declare |
//!
//! A hypothesis is the same oracle with one thing changed, on the rows around the worst element and a choice of others.
//! It is mentioned if the result agrees with it by the rule that it failed: bound and errors taken together, or the file's
//! own tolerance. A rounding is mentioned if it explains nearly all of the error.

mod mistakes;
mod place;
mod readings;
mod roundings;
mod statements;

use attn_core::{Inputs, Problem, ProblemSpec, Tensor, Verdict};
use attn_oracle::{Rows, ScoreStep, Twist, WeightStep};

use crate::attn_case::{AttnCase, Claim};
use crate::claim_truth::{ClaimTruth, Terms};

pub use place::undetermined_rows;

/// What can be said of a wrong result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Where the wrong elements are.
    pub place: Option<String>,
    /// What the result agrees with instead.
    pub hint: Option<String>,
}

/// How a hint ends that asks what a file says of its result.
const QUESTION: &str = "; did the file forget to ";

impl Diagnosis {
    /// The hint without that question, which is none for a kernel.
    pub fn hint_of_kernel(&self) -> Option<String> {
        let hint = self.hint.as_ref()?;
        Some(hint.split(QUESTION).next().unwrap_or_default().into())
    }
}

/// Rows of all that are looked at.
const SPREAD: usize = 24;
/// Rows on either side of the worst element that are looked at.
const AROUND: usize = 4;
/// Of these, the rows that are looked at first.
const NEAR: usize = 1;

/// One thing changed.
struct Hypothesis {
    /// What a person is told if the result agrees.
    hint: String,
    problem: Problem,
    inputs: Inputs,
    claim: Claim,
    score: Option<Box<ScoreStep<'static>>>,
    weights: Option<Box<WeightStep<'static>>>,
}

impl Hypothesis {
    /// Nothing changed.
    fn new(case: &AttnCase, claim: &Claim, hint: impl Into<String>) -> Self {
        Hypothesis {
            hint: hint.into(),
            problem: case.problem.clone(),
            inputs: case.inputs.clone(),
            claim: claim.clone(),
            score: None,
            weights: None,
        }
    }

    fn twist(&self) -> Twist<'_> {
        Twist { score: self.score.as_deref(), weights: self.weights.as_deref() }
    }

    /// The truth of the hypothesis; `None` if it has none.
    fn truth(&self, rows: &Rows, terms: Terms) -> Option<ClaimTruth> {
        ClaimTruth::of_mistake(&self.problem, &self.inputs, rows.clone(), terms, self.twist()).ok()
    }

    /// Whether the claim agrees, on few rows first, and says so of as many rows as the statement determines.
    fn agrees(&self, ground: &Ground) -> bool {
        ground.rows.iter().all(|(rows, undetermined)| {
            self.truth(rows, ground.terms).is_some_and(|truth| {
                let verdict = truth.judge(&self.problem, &self.claim);
                verdict.agrees() && verdict.undetermined <= *undetermined
            })
        })
    }

    /// The hint, if the result agrees; of an output that agrees beside a log-sum-exp that does not, it says so.
    fn confirmed(self, ground: &Ground) -> Option<String> {
        if self.agrees(ground) {
            return Some(self.hint);
        }
        let alone = self.output_alone().filter(|_| !ground.output_is_right)?;
        alone.agrees(ground).then(|| format!("out alone {}", alone.hint))
    }

    /// The same of the output, if there is a log-sum-exp beside it.
    fn output_alone(mut self) -> Option<Self> {
        if self.claim.out.is_none() || self.claim.lse.take().is_none() {
            return None;
        }
        let spec = ProblemSpec { lse: false, ..self.problem.spec().clone() };
        self.problem = Problem::new(spec).ok()?;
        Some(self)
    }
}

/// What hypotheses are compared on, and how the statement of the file does there.
struct Ground {
    /// Those around the worst element, then more; and how many of them, over all heads, the statement leaves undetermined.
    rows: [(Rows, usize); 2],
    terms: Terms,
    /// Whether the log-sum-exp alone is wrong.
    output_is_right: bool,
}

/// Looks for what is wrong with the claim of `case`, which `truth` found in `verdict`.
pub fn diagnose(
    case: &AttnCase,
    claim: &Claim,
    truth: &ClaimTruth,
    verdict: &Verdict,
) -> Diagnosis {
    if verdict.agrees() || verdict.metrics.is_none() {
        return Diagnosis::default();
    }
    let place = place::of(&case.problem, claim, truth);
    if claim.out.as_ref().is_some_and(is_zero) {
        return Diagnosis { place, hint: Some("out is 0 everywhere".into()) };
    }
    let (problem, terms) = (&case.problem, Terms::of(&case.problem, claim));
    let known = |rows: Rows| {
        let truth = Hypothesis::new(case, claim, "").truth(&rows, terms);
        let undetermined = truth.map_or(0, |truth| truth.judge(problem, claim).undetermined);
        (rows, undetermined)
    };
    let rows = [around(problem, verdict, NEAR, 0), around(problem, verdict, AROUND, SPREAD)];
    let mut ground = Ground { rows: rows.map(known), terms, output_is_right: false };
    let stated = || Hypothesis::new(case, claim, "");
    // What is right on these rows cannot tell hypotheses apart.
    if stated().agrees(&ground) {
        return Diagnosis { place, hint: None };
    }
    ground.output_is_right = stated().output_alone().is_some_and(|alone| alone.agrees(&ground));
    let exact = statements::all(case, claim).into_iter().chain(mistakes::all(case, claim));
    let hint = exact
        .map(|make| make())
        .find_map(|hypothesis| hypothesis.confirmed(&ground))
        .or_else(|| roundings::hint(case, claim, &ground.rows[1].0, ground.terms));
    Diagnosis { place, hint }
}

fn is_zero(out: &Tensor) -> bool {
    out.data().position(0..out.data().len(), |x| x != 0.0).is_none()
}

/// The rows on either side of the worst element, and some of all, the first and the last among them.
fn around(problem: &Problem, verdict: &Verdict, around: usize, spread: usize) -> Rows {
    let len = problem.shape().len_q;
    let worst = verdict.metrics.map_or(0, |metrics| metrics.worst.index[2]);
    let near = worst.saturating_sub(around)..len.min(worst + around + 1);
    let step = if spread == 0 { len } else { len.div_ceil(spread) };
    let all = (0..len).step_by(step).chain([len - 1]).filter(|_| spread > 0);
    Rows::from_indices(near.chain(all).collect())
}

/// Makes a hypothesis when it is its turn.
type Make<'a> = Box<dyn FnOnce() -> Hypothesis + 'a>;

#[cfg(test)]
mod tests;
