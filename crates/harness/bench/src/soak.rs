//! False alarms: honest backends on many random problems. And, where results are judged as files, how many visibly wrong
//! results are refused.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use attn_core::{Backend, ByRows, DType, Exec, Inputs, Problem, Verdict};
use attn_record::stats;
use serde::Serialize;

use crate::attn_case::{AttnCase, Claim};
use crate::cell::{CellError, Prepared};
use crate::claim_truth::ClaimTruth;
use crate::detection::{Deviation, Fate, Trial, TrialError};
use crate::expected::{Expected, ExpectedError};
use crate::mutation::Subject;
use crate::random::draw;
use crate::share_out::share_out;
use crate::verify::obeyed;

/// What is drawn and who is asked.
pub struct Soak<'a> {
    /// Stream of problems.
    pub seed: u64,
    /// First problem of the stream.
    pub first: u64,
    /// How many problems.
    pub cases: u64,
    /// Who computes them.
    pub backends: &'a [&'a dyn Backend],
    /// The yardstick.
    pub naive: &'a dyn ByRows,
    /// Threads that draw problems, each computing with one.
    pub threads: usize,
    /// Results are judged as if they came in a file, by the arithmetic that is assumed there and without the yardstick.
    pub as_claims: Option<AsClaims<'a>>,
    /// Set from outside to stop early.
    pub cancel: &'a AtomicBool,
}

/// Who is judged beside the backends if results are judged as files.
#[derive(Clone, Copy)]
pub struct AsClaims<'a> {
    /// The mutants' kernel without a bug.
    pub control: Subject<'a>,
    /// Deliberately wrong kernels: what is visibly wrong should be refused. May be empty.
    pub mutants: &'a [Subject<'a>],
}

/// How it went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SoakReport {
    /// The stream.
    pub seed: u64,
    /// Problems drawn.
    pub problems: u64,
    /// One per backend.
    pub backends: Vec<Tally>,
    /// One per backend and storage type: how much of their budgets right results used.
    pub budgets: Vec<BudgetUse>,
    /// The rule beside the a-priori bound.
    pub second_rule: &'static str,
    /// Every result that was not right, by number.
    pub alarms: Vec<Alarm>,
    /// All deliberately wrong kernels together, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutants: Option<MutantTally>,
    /// One per deliberately wrong kernel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_mutant: Vec<MutantTally>,
}

/// What became of a deliberately wrong kernel's results, judged as files. See [`detection`](crate::detection) for what
/// is visible.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MutantTally {
    /// Its name.
    pub mutant: String,
    /// Results that are not the honest kernel's, bit for bit.
    pub differing: usize,
    /// Of these, those that differ by more than rounding.
    pub visible: usize,
    /// Of the visible ones, those that were refused.
    pub visible_refused: usize,
    /// Of the others, those that were refused.
    pub others_refused: usize,
    /// Share of the visible ones that were refused; 1 if there are none.
    pub share: f64,
    /// Of the visible ones that were accepted, the one that is furthest from the truth.
    pub survives: Option<MutantSurvivor>,
}

/// A visibly wrong result that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MutantSurvivor {
    /// Number of the problem in the stream.
    pub number: u64,
    /// Where it differs most from the honest kernel's.
    #[serde(flatten)]
    pub deviation: Deviation,
}

impl MutantTally {
    fn new<'a>(mutant: &str, fates: impl Iterator<Item = (u64, &'a Fate)>) -> Self {
        let mut tally = MutantTally { mutant: mutant.into(), share: 1.0, ..Self::default() };
        for (number, fate) in fates {
            tally.differing += usize::from(fate.differs);
            let refused = fate.is_refused();
            match &fate.visible {
                None => tally.others_refused += usize::from(refused),
                Some(_) if refused => tally.visible_refused += 1,
                Some(deviation) => tally.accept(number, deviation),
            }
            tally.visible += usize::from(fate.is_visible());
        }
        if tally.visible > 0 {
            tally.share = tally.visible_refused as f64 / tally.visible as f64;
        }
        tally
    }

    fn accept(&mut self, number: u64, deviation: &Deviation) {
        if self.survives.as_ref().is_none_or(|worst| deviation.ratio > worst.deviation.ratio) {
            self.survives = Some(MutantSurvivor { number, deviation: deviation.clone() });
        }
    }
}

/// What became of the problems on one backend.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// The backend.
    pub backend: String,
    /// Results that agree.
    pub agree: u64,
    /// Results that agree as far as they can be judged: some of their rows are undetermined.
    pub undetermined: u64,
    /// Problems that it refuses.
    pub unsupported: u64,
    /// Problems that it cannot compute on this machine.
    pub unavailable: u64,
    /// Largest share of the budget that a right result used.
    pub worst_share: f64,
    /// The problem of that share.
    pub worst_number: u64,
}

/// How the shares of the two budgets are distributed over right results.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetUse {
    /// The backend.
    pub backend: String,
    /// The storage type.
    pub dtype: DType,
    /// Results.
    pub results: usize,
    /// Largest error of a tensor over its a-priori bound: median, 95th percentile, maximum.
    pub bound: [f64; 3],
    /// Largest error of a tensor over what the second rule allows, that of the yardstick or, of claims, that of the
    /// errors taken together: likewise.
    pub second: [f64; 3],
}

/// A result that was not right.
#[derive(Clone, Debug, Serialize)]
pub struct Alarm {
    /// Number of the problem in the stream.
    pub number: u64,
    /// Who computed it.
    pub backend: String,
    /// The problem and the distribution of its inputs.
    pub problem: String,
    /// What is wrong.
    pub reason: String,
}

/// The attn-case file of problem `number` of the stream `seed`.
pub fn case(seed: u64, number: u64) -> AttnCase {
    let (problem, distribution, inputs) = draw(seed, number);
    let source = format!("random problem {number} of seed {seed}, {}", distribution.name());
    let inputs = Inputs::generate(&problem, distribution, inputs);
    AttnCase { problem, inputs, claim: None, tokens: None, source: Some(source) }
}

impl Soak<'_> {
    /// Checks every problem on every backend. `on_problem` hears after each how many are done.
    pub fn run(&self, on_problem: &(dyn Fn(u64) + Sync)) -> SoakReport {
        let answers = Mutex::new(Vec::new());
        let numbers = (0..self.cases).map(|number| self.first + number);
        let until_cancelled = numbers.take_while(|_| !self.cancel.load(Ordering::Relaxed));
        share_out(self.threads, until_cancelled, |number| {
            let answer = (number, self.problem(number));
            let mut answers = answers.lock().expect("no thread panics with the lock");
            answers.push(answer);
            on_problem(answers.len() as u64);
        });
        let mut answers = answers.into_inner().expect("no thread panics with the lock");
        answers.sort_by_key(|(number, _)| *number);
        self.report(&answers)
    }

    fn report(&self, problems: &[(u64, Answers)]) -> SoakReport {
        let mut report = SoakReport {
            seed: self.seed,
            problems: problems.len() as u64,
            second_rule: if self.as_claims.is_some() {
                "errors taken together"
            } else {
                "yardstick"
            },
            ..SoakReport::default()
        };
        for (at, backend) in self.backends.iter().enumerate() {
            let backend = backend.id().to_string();
            let mut tally = Tally { backend: backend.clone(), ..Tally::default() };
            let mut shares = BTreeMap::<DType, Vec<[f64; 2]>>::new();
            for (number, answers) in problems {
                match &answers.backends[at] {
                    Answer::Agrees { dtype, share, undetermined } => {
                        *if *undetermined { &mut tally.undetermined } else { &mut tally.agree } +=
                            1;
                        shares.entry(*dtype).or_default().push(*share);
                        let worst = share[0].max(share[1]);
                        if worst > tally.worst_share {
                            (tally.worst_share, tally.worst_number) = (worst, *number);
                        }
                    }
                    Answer::Unsupported => tally.unsupported += 1,
                    Answer::Unavailable => tally.unavailable += 1,
                    Answer::Alarm(problem, reason) => report.alarms.push(Alarm {
                        number: *number,
                        backend: backend.clone(),
                        problem: problem.clone(),
                        reason: reason.clone(),
                    }),
                }
            }
            report.backends.push(tally);
            report.budgets.extend(shares.into_iter().map(|(dtype, shares)| BudgetUse {
                backend: backend.clone(),
                dtype,
                results: shares.len(),
                bound: spread(shares.iter().map(|share| share[0])),
                second: spread(shares.iter().map(|share| share[1])),
            }));
        }
        self.report_mutants(problems, &mut report);
        report.alarms.sort_by(|a, b| (a.number, &a.backend).cmp(&(b.number, &b.backend)));
        report
    }

    fn report_mutants(&self, problems: &[(u64, Answers)], report: &mut SoakReport) {
        let mutants = self.as_claims.map_or(&[][..], |claims| claims.mutants);
        let fates = |at: usize| {
            problems
                .iter()
                .filter_map(move |(number, answers)| Some((*number, answers.mutants.get(at)?)))
        };
        let names = mutants.iter().enumerate();
        report.by_mutant =
            names.map(|(at, mutant)| MutantTally::new(mutant.id, fates(at))).collect();
        let all = (0..mutants.len()).flat_map(fates);
        report.mutants = (!mutants.is_empty()).then(|| MutantTally::new("all", all));
    }

    fn problem(&self, number: u64) -> Answers {
        let AttnCase { problem, inputs, source, .. } = case(self.seed, number);
        let what = format!("{problem}, {}", source.unwrap_or_default());
        let naive = self.as_claims.is_none().then_some(self.naive);
        let truth = match Truth::compute(&problem, &inputs, naive) {
            Ok(truth) => truth,
            // Whatever the oracle or the yardstick says, nobody could be judged.
            Err(error) => {
                let alarm = Answer::Alarm(what, error.to_string());
                return Answers { backends: vec![alarm; self.backends.len()], mutants: Vec::new() };
            }
        };
        let exec = exec(number);
        let ask = |backend: &&dyn Backend| match check(*backend, &problem, exec, (&inputs, &truth))
        {
            Err(CellError::Unsupported(_)) => Answer::Unsupported,
            Err(CellError::Unavailable(_)) => Answer::Unavailable,
            Err(error) => Answer::Alarm(what.clone(), error.to_string()),
            Ok(verdict) => match verdict.findings.first() {
                None => Answer::agreement(problem.dtype(), &verdict),
                Some(finding) => Answer::Alarm(what.clone(), finding.to_string()),
            },
        };
        let mut backends: Vec<Answer> = self.backends.iter().map(ask).collect();
        let mutants = self.mutants(&problem, &inputs, &truth).unwrap_or_else(|error| {
            backends.fill(Answer::Alarm(what.clone(), format!("a wrong kernel failed: {error}")));
            Vec::new()
        });
        Answers { backends, mutants }
    }

    /// What becomes of the files of deliberately wrong kernels.
    fn mutants(
        &self,
        problem: &Problem,
        inputs: &Inputs,
        truth: &Truth,
    ) -> Result<Vec<Fate>, TrialError> {
        let (Some(claims), Truth::OfClaims(truth)) = (self.as_claims, truth) else {
            return Ok(Vec::new());
        };
        if claims.mutants.is_empty() {
            return Ok(Vec::new());
        }
        let honest = [&[claims.control.backend], self.backends].concat();
        let trial = Trial::new(problem, inputs, truth, &honest)?.with_second_calls();
        claims.mutants.iter().map(|mutant| Ok(trial.fate(mutant.backend)?)).collect()
    }
}

/// What became of one problem.
struct Answers {
    backends: Vec<Answer>,
    /// In the order of the mutants; empty without any.
    mutants: Vec<Fate>,
}

/// What results are judged by.
enum Truth {
    /// With the arithmetic that the backend declares and the yardstick.
    OfBackends(Expected),
    /// As if they came in a file.
    OfClaims(ClaimTruth),
}

impl Truth {
    fn compute(
        problem: &Problem,
        inputs: &Inputs,
        naive: Option<&dyn ByRows>,
    ) -> Result<Self, ExpectedError> {
        Ok(match naive {
            Some(naive) => Truth::OfBackends(Expected::compute(problem, inputs, naive)?),
            None => Truth::OfClaims(ClaimTruth::of_all_rows(problem, inputs)?),
        })
    }
}

#[derive(Clone)]
enum Answer {
    /// With the shares of bound and yardstick that were used.
    Agrees {
        dtype: DType,
        share: [f64; 2],
        undetermined: bool,
    },
    Unsupported,
    Unavailable,
    /// The problem, and what is wrong.
    Alarm(String, String),
}

impl Answer {
    fn agreement(dtype: DType, verdict: &Verdict) -> Self {
        let shares = verdict.metrics.map_or([0.0; 2], |metrics| {
            let second = metrics.yardstick_share.or(metrics.noise_share);
            [metrics.bound_share, second.unwrap_or(0.0)]
        });
        Answer::Agrees { dtype, share: shares, undetermined: verdict.undetermined > 0 }
    }
}

/// Median, 95th percentile and maximum.
fn spread(shares: impl Iterator<Item = f64>) -> [f64; 3] {
    let shares: Vec<f64> = shares.collect();
    [0.5, 0.95, 1.0].map(|q| stats::quantile(&shares, q).unwrap_or(0.0))
}

/// One to four threads, the same for a problem in every run.
fn exec(number: u64) -> Exec {
    let threads = 1 + number as usize % 4;
    Exec { threads: NonZeroUsize::new(threads).expect("at least one") }
}

fn check(
    backend: &dyn Backend,
    problem: &Problem,
    exec: Exec,
    (inputs, truth): (&Inputs, &Truth),
) -> Result<Verdict, CellError> {
    let mut cell = Prepared::new(backend, problem, &obeyed(backend, exec))?;
    Ok(match truth {
        Truth::OfBackends(expected) => cell.check(inputs, expected)?,
        Truth::OfClaims(truth) => truth.judge(problem, &Claim::of_output(&cell.compute(inputs)?)),
    })
}

#[cfg(test)]
mod tests {
    use attn_naive::Naive;

    use super::*;

    #[test]
    fn the_yardstick_raises_no_alarm_and_the_report_is_repeatable() {
        let backends: [&dyn Backend; 1] = [&Naive];
        let soak = |threads| {
            Soak {
                seed: 3,
                first: 0,
                cases: 60,
                backends: &backends,
                naive: &Naive,
                as_claims: None,
                threads,
                cancel: &AtomicBool::new(false),
            }
            .run(&|_| {})
        };
        let (one, two) = (soak(1), soak(2));
        let tally = &one.backends[0];
        assert_eq!((one.problems, tally.agree + tally.undetermined), (60, 60), "{:?}", one.alarms);
        assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
    }
    #[test]
    fn wrong_kernels_are_counted_beside_honest_ones() {
        let backends: [&dyn Backend; 1] = [&Naive];
        let [control, same] = ["control", "same"].map(|id| Subject {
            id,
            description: "naive",
            theme: "fakes",
            backend: &Naive,
        });
        let soak = Soak {
            seed: 3,
            first: 0,
            cases: 10,
            backends: &backends,
            naive: &Naive,
            as_claims: Some(AsClaims { control, mutants: &[same] }),
            threads: 1,
            cancel: &AtomicBool::new(false),
        };
        let report = soak.run(&|_| {});
        assert!(report.alarms.is_empty(), "{:?}", report.alarms);
        let nothing = MutantTally { mutant: "same".into(), share: 1.0, ..MutantTally::default() };
        assert_eq!(report.by_mutant, std::slice::from_ref(&nothing));
        assert_eq!(report.mutants, Some(MutantTally { mutant: "all".into(), ..nothing }));
    }
}
