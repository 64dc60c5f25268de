//! Cells that were only checked: those that agree in one line, all others by name.

use attn_analysis::rows::{grouped, reason};
use attn_analysis::summary::worst;
use attn_record::{Outcome, Record};

use crate::format::{count, percent};

/// What is to be said of one group.
pub(super) fn lines(records: &[&Record]) -> Vec<String> {
    let agree = number(records, Outcome::Ok);
    let disagree = number(records, Outcome::Disagrees);
    let mut lines = Vec::new();
    if agree + disagree > 0 {
        lines.push(agreement(records, agree, disagree));
    }
    let others: Vec<&Record> =
        records.iter().filter(|r| r.outcome != Outcome::Ok).copied().collect();
    let alike = grouped(&others, |r| (r.outcome, &r.backend, reason(r)));
    lines.extend(alike.iter().map(|((outcome, backend, reason), records)| {
        format!("{outcome}  {backend}  {}: {reason}", cases(records))
    }));
    lines
}

fn agreement(records: &[&Record], agree: usize, disagree: usize) -> String {
    let checked = count(agree + disagree, "cell");
    let verdict = if disagree == 0 {
        "all agree".into()
    } else {
        format!("{agree} agree, {disagree} disagree")
    };
    let worst = worst(records).map_or_else(String::new, |worst| {
        let case = worst.case.rsplit('/').next().unwrap_or_default();
        let share = percent(worst.share);
        format!("; worst {share} of budget ({}, {case})", worst.backend)
    });
    format!("{checked} checked, {verdict}{worst}")
}

/// `layer-0`, or `layer-0 and 3 more`.
fn cases(records: &[&Record]) -> String {
    let first = records.first().map_or("", |r| r.leaf());
    match records.len() {
        0 | 1 => first.into(),
        n => format!("{first} and {} more", n - 1),
    }
}

fn number(records: &[&Record], outcome: Outcome) -> usize {
    records.iter().filter(|r| r.outcome == outcome).count()
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{checked, refs, with_outcome};

    use super::*;

    #[test]
    fn whatever_is_not_ok_is_listed_and_alike_is_joined() {
        let wrong = with_outcome(checked("g/b", "x", 4.0), Outcome::Disagrees);
        let refused = |case| with_outcome(checked(case, "y", 0.1), Outcome::Unsupported);
        let records =
            [checked("g/a", "x", 0.5), wrong, refused("g/a"), refused("g/b"), refused("g/c")];
        let expected = [
            "2 cells checked, 1 agree, 1 disagree; worst 50% of budget (x, a)",
            "disagrees  x  b: because of disagrees",
            "unsupported  y  a and 2 more: because of unsupported",
        ];
        assert_eq!(lines(&refs(&records)), expected);
    }
}
