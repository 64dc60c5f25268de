//! What is not as it should be, and a summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{FalsePositive, HonestUse, Limits, Survivor};

const ACCEPTED: &str = "\
Why a visibly wrong result is accepted: its errors are below the limit up to which rounding explains them. Either an honest result of
the same type uses as much of its limit or more (named below with the share): a limit that is low enough to refuse the one would
refuse the other. Or the share is larger than that of every honest result here: it lies in the margin that is left for honest arithmetics and
inputs that are not among these. ";

/// A survivor in one line, with the reason.
fn accepted(survivor: &Survivor) -> String {
    let Survivor { mutant, description, statement, n, dtype, part, ratio, share, honest, problem } =
        survivor;
    let percent = |share: &f64| format!("{:.0} %", 100.0 * share);
    let uses = share.as_ref().map_or_else(|| "an unknown share".into(), percent);
    let honest = honest.as_ref().map(|HonestUse { kernel, statement, n, share }| {
        let margin = if survivor.is_within_honest_errors() { "" } else { ": in the margin" };
        format!(", {kernel} on {statement}, N = {n}, uses {}{margin}", percent(share))
    });
    let reason = format!("uses {uses} of its limit{}", honest.unwrap_or_default());
    format!(
        "- ACCEPTED: {mutant} ({description}) on {statement}, N = {n}, {dtype}: {ratio:.1} times the honest error in {part}; \
         {reason}; {problem}"
    )
}

impl Limits {
    /// One line.
    pub fn summary(&self) -> String {
        let sum = |of: fn(&super::Limit) -> usize| self.limits.iter().map(of).sum::<usize>();
        let (visible, honest) = (sum(|limit| limit.visible), sum(|limit| limit.honest));
        let refused = sum(|limit| limit.visible_refused);
        let accepted = honest - sum(|limit| limit.honest_refused);
        let cut = if self.is_complete() {
            String::new()
        } else {
            format!(" (interrupted: {} of {} statements)", self.tried, self.statements)
        };
        format!(
            "Refused {refused} of {visible} visibly wrong results of {} kernels; accepted {accepted} of {honest} honest \
             results of {} kernels{cut}.",
            self.mutants, self.honest
        )
    }

    /// Survivors, false positives, and kernels that nothing shows, a line of Markdown each.
    pub fn exceptions(&self) -> String {
        let mut text = String::new();
        if !self.survivors.is_empty() {
            let within = self.survivors.iter().filter(|one| one.is_within_honest_errors()).count();
            let of = self.survivors.len();
            let _ = writeln!(text, "{ACCEPTED}{within} of these {of} are of the first kind.\n");
        }
        for survivor in &self.survivors {
            let _ = writeln!(text, "{}", accepted(survivor));
        }
        for FalsePositive { kernel, statement, n, dtype, problem, finding } in &self.false_positives
        {
            let _ = writeln!(
                text,
                "- FALSE POSITIVE: {kernel} on {statement}, N = {n}, {dtype}: {finding}; {problem}"
            );
        }
        let mut unseen = BTreeMap::<String, Vec<&str>>::new();
        for nobody in &self.unseen {
            let same =
                if nobody.differs { "" } else { ", where its files are the honest kernel's" };
            let types = format!("{}{same}", nobody.dtype);
            unseen.entry(types).or_default().push(&nobody.mutant);
        }
        for (types, mutants) in unseen {
            let _ = writeln!(text, "- nowhere visible in {types}: {}", mutants.join(", "));
        }
        if !self.finer.is_empty() {
            let counts = self.finer.iter().map(|(mutant, results)| format!("{mutant} {results}"));
            let counts = counts.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "- refused although not visible, results: {counts}");
        }
        text
    }
}
