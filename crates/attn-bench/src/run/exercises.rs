//! The files that workers are given.

use std::panic::resume_unwind;
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
        let make = |name: &str, inputs: Inputs| {
            let path = |what: &str| folder.path().join(format!("{name}.{what}"));
            let exercise = Exercise { case: path("case"), expected: path("expected") };
            let expected = Expected::compute(&case.problem, &inputs, naive);
            expected.and_then(|e| e.save(&exercise.expected)).map_err(|e| fail(&e))?;
            write_case(case, inputs, &exercise.case).map_err(|e| fail(&e))?;
            Ok::<_, String>(exercise)
        };
        let [on_a, on_b] = inputs;
        let (on_a, on_b) = std::thread::scope(|scope| {
            let on_a = scope.spawn(|| make("a", on_a));
            let on_b = make("b", on_b);
            (on_a.join().unwrap_or_else(|panic| resume_unwind(panic)), on_b)
        });
        Ok(Exercises { a: on_a?, b: on_b?, digests: Digests { a, b }, _folder: folder })
    }
}

fn write_case(case: &Case, inputs: Inputs, path: &Path) -> std::io::Result<()> {
    let problem = case.problem.clone();
    let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
    std::fs::write(path, file.to_bytes())
}
