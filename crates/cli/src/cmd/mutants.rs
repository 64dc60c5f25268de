//! `attn check --mutants`: does the check catch what is deliberately wrong?

use std::collections::BTreeSet;

use attn_bench::mutation::{KillMatrix, MutantRow, Mutation, Subject, Tally};
use attn_bench::rules::Rule;
use attn_mutants::Mutant;
use attn_report::table::{Cell, Column, Table, Tone};

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
    note!("{} mutants on up to {} cases", subjects.len(), selected.len());
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
        let [killers, families] = [killers(&matrix), by_family(&matrix)];
        print!("{}\n{}\n{}", killers.markdown(), families.markdown(), matrix.summary());
    }
    Ok(if matrix.holds() { Exit::Success } else { Exit::No })
}

/// As the harness takes it.
pub(super) fn subject(mutant: &Mutant) -> Subject<'_> {
    let Mutant { id, description, family, backend } = mutant;
    Subject { id, description, theme: family, backend: backend.as_ref() }
}

/// Who kills which mutant; a column for each published rule, `x` where it misses the mutant on every case.
fn killers(matrix: &KillMatrix) -> Table {
    let rows = matrix.mutants.iter().map(|row| {
        let kinds = row.findings.iter().map(|(kind, n)| format!("{} {n}", kind.name()));
        let killers = match kinds.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => Cell::from("nothing").tone(Tone::Bad),
            killers => killers.into(),
        };
        let mark = |rule| if row.missed_by.contains(rule) { "x" } else { "" };
        let bug = row.description.as_str();
        let cells = [short(row).into(), bug.into(), killers, share(row.total)];
        cells.into_iter().chain(Rule::ALL.iter().map(mark).map(Cell::from)).collect()
    });
    let first = ["mutant", "bug", "killed by"].map(Column::words).into_iter();
    let columns = first.chain([Column::number("killed / shows on")]);
    let missed = Rule::ALL.map(|rule| Column::words(format!("missed by {}", rule.name())));
    Table::new("", columns.chain(missed)).rows(rows)
}

/// Killed of the cases on which the bug shows, by family of inputs; empty where it shows on none.
fn by_family(matrix: &KillMatrix) -> Table {
    let families = matrix.mutants.iter().flat_map(|row| row.families.keys());
    let families: BTreeSet<&String> = families.collect();
    let rows = matrix.mutants.iter().map(|row| {
        let cells = families
            .iter()
            .map(|&family| row.families.get(family).copied().map_or_else(Cell::default, share));
        std::iter::once(short(row).into()).chain(cells).collect()
    });
    let numbers = families.iter().map(|&family| Column::number(family));
    Table::new("", std::iter::once(Column::words("mutant")).chain(numbers)).rows(rows)
}

/// The id without what all ids begin with.
fn short(row: &MutantRow) -> &str {
    row.id.strip_prefix("mutant/").unwrap_or(&row.id)
}

fn share(tally: Tally) -> Cell {
    format!("{}/{}", tally.killed, tally.exercised).into()
}
