//! Case files.

use std::borrow::Cow;

use attn_bench::suite::{CaseFile, Files, Suite, SuiteError, problems};
use attn_bench::worker::CellId;
use attn_core::Problem;

/// Elements of a tensor whose work is counted here.
const SMALL: usize = 1 << 16;
/// Cases likewise.
const FEW: usize = 64;

/// A case file. Problems of any size are stated; the inputs and the work of those that are small are looked at too.
pub fn case_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let file =
        CaseFile { path: "cases/fuzz.toml".into(), prefix: "fuzz".into(), text: text.into() };
    let Ok(stated) = problems(&file) else { return false };
    for (id, problem) in &stated {
        assert!(id.starts_with("fuzz/") && !problem.statement().is_empty());
        assert_eq!(Problem::new(problem.spec().clone()).as_ref(), Ok(problem));
    }
    if stated.len() > FEW || !stated.iter().all(|(_, problem)| is_small(problem)) {
        return true;
    }
    let Ok(suite) = Suite::load(Box::new(One(file))) else { return false };
    assert!(suite.cases().len() >= stated.len());
    // A choice that means no case of tensors is none, one that means no head is refused.
    let _ = suite.map();
    true
}

fn is_small(problem: &Problem) -> bool {
    let shape = problem.shape();
    let tensors = [shape.q(), shape.k(), shape.v(), shape.out(), shape.scores()];
    let weights = problem.score_weights().named().into_iter().filter_map(|(_, dims)| dims);
    tensors.into_iter().chain(weights).all(|dims| dims.iter().product::<usize>() <= SMALL)
}

/// One case file, and the same tensors whatever file it names.
struct One(CaseFile);

impl Files for One {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        Ok(vec![self.0.clone()])
    }

    fn read(&self, path: &str) -> std::io::Result<Cow<'static, [u8]>> {
        let tensors: &[u8] = include_bytes!("../fuzz/corpus/attn_case/tokens.safetensors");
        let is_there = path.ends_with(".safetensors");
        is_there
            .then_some(Cow::Borrowed(tensors))
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// A cell of the gate.
pub(super) fn cell(case: &str) -> CellId {
    CellId { case: case.into(), backend: "faer".into(), threads: 1 }
}
