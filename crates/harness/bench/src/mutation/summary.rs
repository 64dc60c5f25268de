//! The kill matrix in sentences.

use std::fmt::Write as _;

use super::KillMatrix;

impl KillMatrix {
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
            let (rule, misses, false_positives) =
                (score.rule.name(), score.misses, score.false_positives);
            let _ = write!(text, "{rule}'s rule misses {misses} of {all} mutants");
            let _ =
                writeln!(text, " and refuses the control on {false_positives} of {cases} cases.");
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
}
