//! The files that workers are given.

use std::path::Path;

use attn_core::{ByRows, Inputs};
use attn_record::Digests;

use crate::attn_case::AttnCase;
use crate::expected::Expected;
use crate::suite::{Case, Suite};
use crate::worker::Exercise;

/// Inputs A and B of one case with what is expected of them; the files go when this does.
#[derive(Debug)]
pub struct Exercises {
    /// Checked before anything is timed.
    pub a: Exercise,
    /// Timed, and checked after.
    pub b: Exercise,
    /// Of both inputs.
    pub digests: Digests,
    _folder: tempfile::TempDir,
}

impl Exercises {
    /// Computes oracle and yardstick of `case` and writes the files below `scratch`. The error is one line.
    pub fn make(
        suite: &Suite,
        case: &Case,
        naive: &dyn ByRows,
        scratch: &Path,
    ) -> Result<Self, String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let folder = tempfile::tempdir_in(scratch).map_err(|e| fail(&e))?;
        let inputs = suite.inputs(case).map_err(|e| fail(&e))?;
        let [a, b] = inputs.each_ref().map(Inputs::digest);
        let mut exercises = Vec::new();
        for (name, inputs) in ["a", "b"].into_iter().zip(inputs) {
            let expected = Expected::compute(&case.problem, &inputs, naive);
            let path = |what: &str| folder.path().join(format!("{name}.{what}"));
            let exercise = Exercise { case: path("case"), expected: path("expected") };
            expected.and_then(|e| e.save(&exercise.expected)).map_err(|e| fail(&e))?;
            write_case(case, inputs, &exercise.case).map_err(|e| fail(&e))?;
            exercises.push(exercise);
        }
        let [on_a, on_b]: [Exercise; 2] = exercises.try_into().expect("two were made");
        Ok(Exercises { a: on_a, b: on_b, digests: Digests { a, b }, _folder: folder })
    }
}

fn write_case(case: &Case, inputs: Inputs, path: &Path) -> std::io::Result<()> {
    let problem = case.problem.clone();
    let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
    std::fs::write(path, file.to_bytes())
}
