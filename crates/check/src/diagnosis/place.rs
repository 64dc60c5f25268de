//! Where a result is wrong, in words.

use std::collections::BTreeSet;

use attn_core::Problem;
use attn_oracle::Reference;

use crate::attn_case::Claim;
use crate::claim_truth::ClaimTruth;

/// The batches, heads, rows and columns that hold wrong elements; `None` if no single element is wrong.
pub(super) fn of(problem: &Problem, claim: &Claim, truth: &ClaimTruth) -> Option<String> {
    let wrong = truth.wrong_elements(problem, claim);
    if wrong.is_empty() {
        return None;
    }
    let parts = parts(problem, truth.reference(), &wrong);
    let everywhere = "all batches, heads, rows and columns";
    Some(if parts.is_empty() { everywhere.into() } else { parts })
}

/// The rows whose weights rounding alone decides; `None` if there are none.
pub fn undetermined_rows(problem: &Problem, reference: &Reference) -> Option<String> {
    let width = problem.shape().dim_v;
    let elements = reference.elements(problem);
    let found = elements.filter(|(_, at)| reference.is_undetermined(at / width));
    let found: Vec<[usize; 4]> = found.map(|(index, _)| index).collect();
    if found.is_empty() {
        return None;
    }
    let rows: BTreeSet<[usize; 2]> = found.iter().map(|&[b, _, i, _]| [b, i]).collect();
    let count = match rows.len() {
        1 => "1 row is".to_string(),
        n => format!("{n} rows are"),
    };
    let parts = parts(problem, reference, &found);
    let place = if parts.is_empty() { "all of them".into() } else { parts };
    Some(format!("{count} undetermined ({place})"))
}

/// The axes on which `found` does not cover everything.
fn parts(problem: &Problem, reference: &Reference, found: &[[usize; 4]]) -> String {
    let shape = problem.shape();
    let sizes = [
        ("batch", "batches", (0..shape.batch).collect::<Vec<_>>()),
        ("head", "heads", (0..shape.heads_q).collect()),
        ("row", "rows", reference.rows.indices().to_vec()),
        ("column", "columns", (0..shape.dim_v).collect()),
    ];
    let axes = sizes.into_iter().enumerate();
    let parts = axes.filter_map(|(axis, (one, many, all))| {
        let hit: BTreeSet<usize> = found.iter().map(|index| index[axis]).collect();
        describe(one, many, &all, &hit)
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Which of `all` are hit; nothing if all are.
fn describe(one: &str, many: &str, all: &[usize], hit: &BTreeSet<usize>) -> Option<String> {
    let spared: Vec<usize> = all.iter().copied().filter(|x| !hit.contains(x)).collect();
    let (first, last) = (all.first()?, all.last()?);
    match spared[..] {
        [] => None,
        [x] if x == *last && all.len() > 2 => Some(format!("all {many} but the last")),
        [x] if x == *first && all.len() > 2 => Some(format!("all {many} but the first")),
        _ if spared.len() <= 3 && all.len() > 8 => {
            Some(format!("all {many} but {}", list(&spared)))
        }
        _ => {
            let hit: Vec<usize> = all.iter().copied().filter(|x| hit.contains(x)).collect();
            let end = if hit[..] == [*last] { " (the last)" } else { "" };
            let name = if hit.len() == 1 { one } else { many };
            Some(format!("{name} {}{end}", ranges(all, &hit)))
        }
    }
}

/// `1, 2 and 5`.
fn list(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    join(&words)
}

fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} and {last}", words.join(", ")),
    }
}

/// Runs of neighbours among `all`, and how many there are where a list would be long.
fn ranges(all: &[usize], hit: &[usize]) -> String {
    let mut runs = Vec::<[usize; 2]>::new();
    let mut before = None;
    for (at, x) in all.iter().enumerate().filter(|(_, x)| hit.contains(x)) {
        match runs.last_mut() {
            Some(run) if before == Some(at - 1) => run[1] = *x,
            _ => runs.push([*x; 2]),
        }
        before = Some(at);
    }
    if runs.len() > 4 {
        let [first, last] = [hit[0], hit[hit.len() - 1]];
        return format!("{} of {} from {first} to {last}", hit.len(), all.len());
    }
    let words = runs.iter().map(|[from, to]| match to - from {
        0 => from.to_string(),
        1 => format!("{from} and {to}"),
        _ => format!("{from} to {to}"),
    });
    join(&words.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: usize, hit: &[usize]) -> Option<String> {
        let all: Vec<usize> = (0..all).collect();
        describe("row", "rows", &all, &hit.iter().copied().collect())
    }

    #[test]
    fn places_in_words() {
        let said = |all, hit: &[usize]| of(all, hit).unwrap_or_default();
        assert_eq!(said(4, &[0, 1, 2, 3]), "");
        assert_eq!(said(4, &[0, 1, 2]), "all rows but the last");
        assert_eq!(said(4, &[1, 2, 3]), "all rows but the first");
        assert_eq!(said(4, &[2, 3]), "rows 2 and 3");
        assert_eq!(said(4, &[3]), "row 3 (the last)");
        assert_eq!(said(20, &[4, 5, 6, 9]), "rows 4 to 6 and 9");
        assert_eq!(said(30, &[1, 3, 5, 7, 9, 11]), "rows 6 of 30 from 1 to 11");
        let most: Vec<usize> = (0..20).filter(|x| ![3, 8].contains(x)).collect();
        assert_eq!(said(20, &most), "all rows but 3 and 8");
    }
}
