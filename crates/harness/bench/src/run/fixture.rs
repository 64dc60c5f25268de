//! The files that workers are given, and what becomes of the results that they store.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use attn_core::{Arithmetic, ByRows, Inputs, Output, Problem, Variation, Varied, Verdict, Work};
use attn_oracle::{Bounds, Reference, Rows, judge_output};
use attn_record::disk::{self, FileError};
use attn_record::{Digests, Outcome};
use tempfile::TempDir;

use crate::attn_case::AttnCase;
use crate::cell::secret::Secret;
use crate::expected::Expected;
use crate::suite::{Case, Suite};
use crate::worker::Stored;

/// Multiplications that the oracle may spend on the rows that are drawn after a process has stored its result: some
/// milliseconds;
const DRAWN_PRODUCTS: u64 = 1 << 21;
/// and on those of the results of one set of other inputs.
const CHANGED_PRODUCTS: u64 = 1 << 20;

/// Where results are found to be wrong.
const CHANGED: &str = "on inputs with other signs: ";

/// Inputs A and B of one case with what is expected of them; the files go when this does.
pub struct Fixture {
    /// A file with what is checked before anything is timed.
    pub a: PathBuf,
    /// A file with what is timed, apart from its signs, and checked after.
    pub b: PathBuf,
    /// Of both inputs.
    pub digests: Digests,
    problem: Problem,
    work: Work,
    expected: [Expected; 2],
    /// Changed while others are judged, and as they were again after that: a copy of large ones takes longer.
    inputs_b: Mutex<Inputs>,
    folder: TempDir,
}

/// What is found of the results of a process on inputs B.
#[derive(Clone, Debug)]
pub struct Found {
    /// The verdict on the rows that do not depend on the process.
    pub verdict: Verdict,
    /// What is wrong, there or elsewhere, in one line.
    pub wrong: Option<String>,
}

/// Why there is nothing to compute, or nothing to judge by. In one line.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// A file cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The case, its truth or what a worker stored is not as it should be.
    #[error("{0}")]
    Content(String),
}

impl FixtureError {
    /// How the cell ends.
    pub const fn outcome(&self) -> Outcome {
        match self {
            FixtureError::File(_) => Outcome::Untried,
            FixtureError::Content(_) => Outcome::Error,
        }
    }

    fn content(error: impl std::fmt::Display) -> Self {
        FixtureError::Content(error.to_string())
    }
}

impl Fixture {
    /// Computes oracle and yardstick of `case` and writes the files below `scratch`.
    pub fn make(
        suite: &Suite,
        case: &Case,
        naive: &dyn ByRows,
        scratch: &Path,
    ) -> Result<Self, FixtureError> {
        let inputs = suite.inputs(case).map_err(FixtureError::content)?;
        Self::of(&case.problem, inputs, naive, scratch)
    }

    /// The same of a problem and its two sets of inputs.
    pub fn of(
        problem: &Problem,
        inputs: [Inputs; 2],
        naive: &dyn ByRows,
        scratch: &Path,
    ) -> Result<Self, FixtureError> {
        let folder = tempfile::tempdir_in(scratch).map_err(FileError::of(scratch))?;
        let [a, b] = inputs.each_ref().map(Inputs::digest);
        let work = Work::of(problem, inputs[1].mask());
        let compute = |inputs| Expected::compute(problem, inputs, naive);
        let [of_a, of_b] = std::thread::scope(|scope| {
            let of_a = scope.spawn(|| compute(&inputs[0]));
            let of_b = compute(&inputs[1]);
            [of_a.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), of_b]
        });
        let expected = [of_a.map_err(FixtureError::content)?, of_b.map_err(FixtureError::content)?];
        let files = ["a.case", "b.case"].map(|name| folder.path().join(name));
        let [on_a, on_b] = files;
        let [inputs_a, inputs_b] = inputs;
        write_case(problem, inputs_a, &on_a)?;
        let inputs_b = Mutex::new(write_case(problem, inputs_b, &on_b)?);
        let (problem, digests) = (problem.clone(), Digests { a, b });
        Ok(Fixture { a: on_a, b: on_b, digests, problem, work, expected, inputs_b, folder })
    }

    /// What is computed.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Useful work of one call on inputs B.
    pub const fn work(&self) -> Work {
        self.work
    }

    /// A new folder for the results of one process.
    pub fn results(&self) -> Result<TempDir, FixtureError> {
        let folder = self.folder.path();
        Ok(tempfile::tempdir_in(folder).map_err(FileError::of(folder))?)
    }

    /// Judges the result on inputs A, which is below `folder`.
    pub fn judge_first(
        &self,
        folder: &Path,
        stored: &Stored,
        arithmetic: &Arithmetic,
    ) -> Result<Verdict, FixtureError> {
        let (file, _) = stored.results.first().ok_or_else(nothing_stored)?;
        let out = read_output(&self.problem, &folder.join(file))?;
        Ok(self.expected[0].judge(&self.problem, arithmetic, &out))
    }

    /// Judges everything that was stored below `folder` after that.
    ///
    /// - The result on inputs B: on the rows that the case's expectations have, and on others that are drawn now.
    /// - Results of inputs B with other signs of whole columns: as inputs B.
    /// - Results of inputs that are others: by the a-priori bound on rows that are drawn now, and on all where one column must be 1.
    pub fn judge_last(
        &self,
        folder: &Path,
        stored: &Stored,
        arithmetic: &Arithmetic,
    ) -> Result<Found, FixtureError> {
        let (mut first, mut wrong) = (None, None);
        let mut note = |verdict: Verdict, when: &str| {
            let finding = verdict.findings.first().map(|finding| format!("{when}{finding}"));
            wrong = wrong.take().or(finding);
            first.get_or_insert(verdict);
        };
        let on_b = &self.expected[1];
        let mut inputs = self.inputs_b.lock().expect("nobody panics who has them");
        let drawn = (!on_b.is_whole(&self.problem))
            .then(|| on_b.on_rows(&self.problem, &inputs, draw(&self.problem, DRAWN_PRODUCTS)))
            .transpose()
            .map_err(FixtureError::content)?;
        let (mut ones, mut changed) = (None, None);
        for (file, variation) in &stored.results {
            let mut out = read_output(&self.problem, &folder.join(file))?;
            let judge =
                |expected: &Expected, out: &Output| expected.judge(&self.problem, arithmetic, out);
            match variation {
                None | Some(Variation::Signs(_)) => {
                    for signs in stored.timed.iter().chain(variation) {
                        signs.undo_output(&self.problem, &mut out);
                    }
                    let when = if variation.is_some() { CHANGED } else { "on the second inputs: " };
                    note(judge(on_b, &out), when);
                    if let Some(drawn) = &drawn {
                        note(judge(drawn, &out), "in rows drawn afterwards: ");
                    }
                }
                Some(variation) => {
                    let one = match changed.take() {
                        Some(one @ Changed { variation: of, .. }) if of == *variation => one,
                        _ => self.changed(&mut inputs, stored.timed, *variation)?,
                    };
                    note(one.judge(&self.problem, arithmetic, &out), one.when());
                    let not_one = || {
                        let found = one.not_one(&self.problem, &inputs, &out)?;
                        Some(format!("{}{found}", one.when()))
                    };
                    ones = ones.or_else(not_one);
                    changed = Some(one);
                }
            }
        }
        let calls = stored.unwritten;
        let unwritten = (calls > 0).then(|| {
            format!("{calls} calls ended without writing the element that was poisoned before")
        });
        let verdict = first.ok_or_else(nothing_stored)?;
        Ok(Found { verdict, wrong: wrong.or(ones).or(unwritten) })
    }

    /// What is right where inputs B are changed to those that were timed and then by `variation`.
    fn changed(
        &self,
        inputs: &mut Inputs,
        timed: Option<Variation>,
        variation: Variation,
    ) -> Result<Changed, FixtureError> {
        let both = timed.into_iter().chain([variation]);
        let varied: Vec<Varied> = both.map(|one| one.apply(&self.problem, inputs)).collect();
        let rows = draw(&self.problem, CHANGED_PRODUCTS);
        let reference = Reference::compute(&self.problem, inputs, rows);
        varied.into_iter().rev().for_each(|one| one.undo(&self.problem, inputs));
        Ok(Changed { variation, reference: reference.map_err(FixtureError::content)? })
    }
}

/// A few rows that nobody could know before now.
fn draw(problem: &Problem, products: u64) -> Rows {
    Rows::draw(problem, products, Secret::draw().seed())
}

/// What is right in a few rows where inputs were others. Both results of a moment are judged on the same.
struct Changed {
    variation: Variation,
    reference: Reference,
}

impl Changed {
    /// Where its results are found to be wrong.
    const fn when(&self) -> &'static str {
        match self.variation {
            Variation::Rotation(_) => "on rotated inputs: ",
            _ => CHANGED,
        }
    }

    /// By the a-priori bound alone: no yardstick was measured on these inputs.
    fn judge(&self, problem: &Problem, arithmetic: &Arithmetic, out: &Output) -> Verdict {
        judge_output(problem, &self.reference, &Bounds::new(problem, arithmetic), None, out)
    }

    /// An element of a row that admits a key where values of 1 do not average to 1; to at most 1 where a sink takes a share.
    fn not_one(&self, problem: &Problem, inputs: &Inputs, out: &Output) -> Option<String> {
        let column = self.variation.column_of_ones(problem)?;
        let (read, width) = (inputs.read_queries(problem), problem.shape().dim_v);
        let off = off_one(problem);
        let o = out.o().tensor();
        let sinks = problem.spec().sinks;
        let is_right = |x: f64| (sinks && x >= 0.0 || x >= 1.0 - off) && x <= 1.0 + off;
        let rows = read.iter().enumerate().filter(|(_, read)| **read);
        let mut wrong = rows.filter(|(row, _)| !is_right(o.data().get(row * width + column)));
        let (row, _) = wrong.next()?;
        let count = 1 + wrong.count();
        let shape = problem.shape();
        let (head, i) = (row / shape.len_q, row % shape.len_q);
        let index = [head / shape.heads_q, head % shape.heads_q, i, column];
        let x = o.data().get(row * width + column);
        Some(format!(
            "values that are all 1 do not average to 1 in {count} rows, the first {x} at {index:?}"
        ))
    }
}

fn nothing_stored() -> FixtureError {
    FixtureError::Content("the worker stored no result".into())
}

/// Reads what a worker has stored. It says where: the file may be any, so no more is read than an output has, and what cannot be read
/// is its fault.
pub(crate) fn read_output(problem: &Problem, path: &Path) -> Result<Output, FixtureError> {
    let most = Output::stored_bytes(problem);
    let bytes = disk::bytes(path, most).map_err(FixtureError::content)?;
    Output::from_le_bytes(problem, &bytes).ok_or_else(|| {
        let (path, bytes) = (path.display(), bytes.len());
        FixtureError::Content(format!("{path}: {bytes} bytes, expected the {most} of an output"))
    })
}

/// How far an average of ones may be from 1: what the output's type rounds, weights rounded before their sum, and sums that
/// are biased.
fn off_one(problem: &Problem) -> f64 {
    1e-3 + 8.0 * problem.dtype().unit_roundoff()
}

/// Writes the inputs, and gives them back.
fn write_case(problem: &Problem, inputs: Inputs, path: &Path) -> Result<Inputs, FixtureError> {
    let problem = problem.clone();
    let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
    std::fs::write(path, file.to_bytes()).map_err(FileError::of(path))?;
    Ok(file.inputs)
}
