//! `attn check --mutants`: does the check catch what is deliberately wrong?

use attn_bench::mutation::{Mutation, Subject};
use attn_mutants::Mutant;

use super::print_json;
use crate::args::{CaseArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::{registry, session};

/// Cases with more work than this would only repeat, slowly, what smaller ones show.
const MAX_FLOPS: u64 = 20_000_000;

/// Every mutant on every small case, before the check and before the published rules.
pub(super) fn run(cases: &CaseArgs, output: OutputArgs) -> Result<Exit, Failure> {
    let suite = session::suite(cases)?;
    let selected = session::select_cases(&suite, cases)?;
    let selected: Vec<_> = selected.into_iter().map(|at| &suite.cases()[at]).collect();
    let (mutants, control) = (attn_mutants::all(), attn_mutants::control());
    let subjects: Vec<_> = mutants.iter().map(subject).collect();
    eprintln!("{} mutants on up to {} cases", subjects.len(), selected.len());
    let matrix = Mutation {
        suite: &suite,
        cases: &selected,
        max_flops: MAX_FLOPS,
        naive: &registry::NAIVE,
        control: subject(&control),
        mutants: &subjects,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    }
    .run()?;
    if output.json {
        print_json(&matrix)?;
    } else {
        print!("{}", matrix.to_markdown());
    }
    Ok(if matrix.holds() { Exit::Success } else { Exit::No })
}

/// As the harness takes it.
pub(super) fn subject(mutant: &Mutant) -> Subject<'_> {
    let Mutant { id, description, family, backend } = mutant;
    Subject { id, description, theme: family, backend: backend.as_ref() }
}
