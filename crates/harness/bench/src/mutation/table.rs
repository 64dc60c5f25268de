//! The kill matrix as Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{KillMatrix, MutantRow, Tally};
use crate::markdown::table;
use crate::rules::Rule;

impl KillMatrix {
    /// Two tables (who kills which mutant; mutants against input families) and a summary.
    pub fn to_markdown(&self) -> String {
        [self.killers(), self.by_family(), self.summary()].join("\n")
    }

    /// One line per fact: killed n of n, and what the published rules miss.
    pub fn summary(&self) -> String {
        let (all, alive) = (self.mutants.len(), self.survivors().count());
        let cases = self.cases;
        let mut text = format!("Killed {} of {all} mutants on {cases} cases", all - alive);
        if self.left_out > 0 {
            let _ = write!(text, " ({} left out: too much work)", self.left_out);
        }
        text.push_str(".\n");
        match &self.control.example {
            None => text.push_str("The control survives everywhere.\n"),
            Some(example) => {
                let (n, case, finding) =
                    (self.control.total.killed, &example.case, &example.finding);
                let _ = writeln!(text, "The control is killed on {n} cases: {case}: {finding}.");
            }
        }
        for score in &self.rules {
            let (rule, misses, accuses) = (score.rule.name(), score.misses, score.accuses);
            let _ = write!(text, "{rule}'s rule misses {misses} of {all} mutants");
            let _ = writeln!(text, " and accuses the control on {accuses} of {cases} cases.");
        }
        let _ =
            write!(text, "On normal inputs alone the check misses {}", self.survivors_on_normal);
        for score in &self.rules {
            let _ = write!(text, ", {}'s rule {}", score.rule.name(), score.misses_on_normal);
        }
        text.push_str(".\n");
        for row in self.survivors() {
            let (id, bug, n) = (&row.id, &row.description, row.total.exercised);
            let _ = writeln!(text, "SURVIVES: {id}: {bug}; it shows on {n} cases.");
        }
        text
    }

    /// A column for each published rule; `x` where it misses the mutant on every case.
    fn killers(&self) -> String {
        let rules = Rule::ALL.map(|rule| format!("missed by {}", rule.name()));
        let mut head: Vec<_> = ["mutant", "bug", "killed by", "killed / shows on"].into();
        head.extend(rules.iter().map(String::as_str));
        table(
            &head,
            self.mutants.iter().map(|row| {
                let kinds = row.findings.iter().map(|(kind, n)| format!("{} {n}", kind.name()));
                let killers = kinds.collect::<Vec<_>>().join(", ");
                let mut cells = vec![
                    short(row).into(),
                    row.description.replace('|', "\\|"),
                    if killers.is_empty() { "**nothing**".into() } else { killers },
                    share(row.total),
                ];
                let mark = |rule| if row.missed_by.contains(rule) { "x" } else { "" };
                cells.extend(Rule::ALL.iter().map(mark).map(String::from));
                cells
            }),
        )
    }

    /// Killed of the cases on which the bug shows; empty where it shows on none.
    fn by_family(&self) -> String {
        let rows = self.mutants.iter();
        let families: BTreeSet<_> = rows.flat_map(|row| row.families.keys()).collect();
        let mut head = vec!["mutant"];
        head.extend(families.iter().map(|family| family.as_str()));
        table(
            &head,
            self.mutants.iter().map(|row| {
                let cell = |family: &&String| {
                    row.families.get(*family).copied().map_or(String::new(), share)
                };
                [short(row).to_string()].into_iter().chain(families.iter().map(cell)).collect()
            }),
        )
    }
}

/// The id without what all ids begin with.
fn short(row: &MutantRow) -> &str {
    row.id.strip_prefix("mutant/").unwrap_or(&row.id)
}

fn share(tally: Tally) -> String {
    format!("{}/{}", tally.killed, tally.exercised)
}
