//! False alarms: honest backends on many random problems.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use attn_core::{Backend, Exec, Inputs, Problem, Verdict};
use serde::Serialize;

use crate::attn_case::AttnCase;
use crate::cell::{CellError, Prepared};
use crate::expected::Expected;
use crate::random::draw;

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
    pub naive: &'a dyn Backend,
    /// Threads that draw problems, each computing with one.
    pub threads: usize,
    /// Set from outside to stop early.
    pub cancel: &'a AtomicBool,
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
    /// Every result that was not right, by number.
    pub alarms: Vec<Alarm>,
}

/// What became of the problems on one backend.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// The backend.
    pub backend: String,
    /// Results that agree.
    pub agree: u64,
    /// Problems that it refuses.
    pub unsupported: u64,
    /// Largest share of the budget that a right result used.
    pub worst_share: f64,
    /// The problem of that share.
    pub worst_number: u64,
}

/// A result that was not right.
#[derive(Clone, Debug, Serialize)]
pub struct Alarm {
    /// Number of the problem in the stream.
    pub number: u64,
    /// Who computed it.
    pub backend: String,
    /// The problem and the family of its inputs.
    pub problem: String,
    /// What is wrong.
    pub reason: String,
}

/// The attn-case file of problem `number` of the stream `seed`.
pub fn case(seed: u64, number: u64) -> AttnCase {
    let (problem, family, inputs) = draw(seed, number);
    let source = format!("random problem {number} of seed {seed}, {}", family.name());
    let inputs = Inputs::generate(&problem, family, inputs);
    AttnCase { problem, inputs, claim: None, tokens: None, source: Some(source) }
}

impl Soak<'_> {
    /// Checks every problem on every backend.
    pub fn run(&self) -> SoakReport {
        let (next, report) = (AtomicU64::new(0), Mutex::new(self.empty()));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    while !self.cancel.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.cases {
                            break;
                        }
                        let results = self.problem(self.first + number);
                        let mut report = report.lock().expect("no thread panics with the lock");
                        report.add(self.first + number, results);
                    }
                });
            }
        });
        let mut report = report.into_inner().expect("no thread panics with the lock");
        report.alarms.sort_by(|a, b| (a.number, &a.backend).cmp(&(b.number, &b.backend)));
        report
    }

    fn empty(&self) -> SoakReport {
        let tally = |backend: &&dyn Backend| Tally {
            backend: backend.id().to_string(),
            ..Tally::default()
        };
        let backends = self.backends.iter().map(tally).collect();
        SoakReport { seed: self.seed, backends, ..SoakReport::default() }
    }

    fn problem(&self, number: u64) -> Vec<Answer> {
        let AttnCase { problem, inputs, source, .. } = case(self.seed, number);
        let what = format!("{problem}, {}", source.unwrap_or_default());
        let expected = match Expected::compute(&problem, &inputs, self.naive) {
            Ok(expected) => expected,
            // Whatever the oracle or the yardstick says, nobody could be judged.
            Err(error) => return vec![Answer::Alarm(what, error.to_string()); self.backends.len()],
        };
        let ask = |backend: &&dyn Backend| match check(*backend, &problem, &inputs, &expected) {
            Err(CellError::Unsupported(_) | CellError::Unavailable(_)) => Answer::Unsupported,
            Err(error) => Answer::Alarm(what.clone(), error.to_string()),
            Ok(verdict) => match verdict.findings.first() {
                None => Answer::Agrees(verdict.budget_share().unwrap_or(0.0)),
                Some(finding) => Answer::Alarm(what.clone(), finding.to_string()),
            },
        };
        self.backends.iter().map(ask).collect()
    }
}

#[derive(Clone)]
enum Answer {
    Agrees(f64),
    Unsupported,
    Alarm(String, String),
}

impl SoakReport {
    fn add(&mut self, number: u64, answers: Vec<Answer>) {
        self.problems += 1;
        for (tally, answer) in self.backends.iter_mut().zip(answers) {
            match answer {
                Answer::Agrees(share) => {
                    tally.agree += 1;
                    if share > tally.worst_share {
                        (tally.worst_share, tally.worst_number) = (share, number);
                    }
                }
                Answer::Unsupported => tally.unsupported += 1,
                Answer::Alarm(problem, reason) => {
                    let backend = tally.backend.clone();
                    self.alarms.push(Alarm { number, backend, problem, reason });
                }
            }
        }
    }
}

fn check(
    backend: &dyn Backend,
    problem: &Problem,
    inputs: &Inputs,
    expected: &Expected,
) -> Result<Verdict, CellError> {
    let mut cell = Prepared::new(backend, problem, &Exec::SINGLE)?;
    Ok(cell.check(inputs, expected)?)
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
                threads,
                cancel: &AtomicBool::new(false),
            }
            .run()
        };
        let (one, two) = (soak(1), soak(2));
        assert_eq!((one.problems, one.backends[0].agree), (60, 60), "{:?}", one.alarms);
        assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
    }
}
