//! The detection limit as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Accusation, HonestUse, Limits, Place, Survivor};
use crate::markdown::table;

const LEGEND: &str = "\
Results of wrong kernels, judged as files. *Different*: not the honest kernel's, bit for bit. *Visible*: different by more than
rounding, which is 4 times the largest error of several honest results over the output or 10 times over a row. The others are about as close
to the truth as honest results are.
";

const PLANTED: &str = "\
The smallest relative error that is refused, planted in an honest result of full attention.
";

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
    /// Two tables (wrong kernels; planted errors), everything that is not as it should be, and a summary.
    pub fn to_markdown(&self) -> String {
        let parts =
            [LEGEND.into(), self.kernels(), PLANTED.into(), self.errors(), self.exceptions()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}\n{}\n", parts.join("\n"), self.summary())
    }

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

    fn kernels(&self) -> String {
        let head = [
            "type",
            "N",
            "different",
            "visible",
            "refused of the visible",
            "refused of the others",
            "kernels with a visible result",
            "with a refused one",
            "honest results",
            "refused",
        ];
        let row = |limit: &super::Limit| {
            let counts = [
                limit.n,
                limit.differing,
                limit.visible,
                limit.visible_refused,
                limit.others_refused,
                limit.mutants_visible,
                limit.mutants_refused,
                limit.honest,
                limit.honest_refused,
            ];
            let counts = counts.iter().map(ToString::to_string);
            std::iter::once(limit.dtype.to_string()).chain(counts).collect()
        };
        table(&head, self.limits.iter().map(row))
    }

    fn errors(&self) -> String {
        let head: Vec<&str> =
            ["type", "N"].into_iter().chain(Place::ALL.map(Place::name)).collect();
        let error = |e: &Option<f64>| e.map_or("none".to_string(), |e| format!("{e:.1e}"));
        let row = |planted: &super::Planted| {
            let errors = planted.smallest.iter().map(error);
            [planted.dtype.to_string(), planted.n.to_string()].into_iter().chain(errors).collect()
        };
        table(&head, self.planted.iter().map(row))
    }

    /// Survivors, accusations, and kernels that nothing shows, a line each.
    fn exceptions(&self) -> String {
        let mut text = String::new();
        if !self.survivors.is_empty() {
            let within = self.survivors.iter().filter(|one| one.is_within_honest_errors()).count();
            let of = self.survivors.len();
            let _ = writeln!(text, "{ACCEPTED}{within} of these {of} are of the first kind.\n");
        }
        for survivor in &self.survivors {
            let _ = writeln!(text, "{}", accepted(survivor));
        }
        for Accusation { kernel, statement, n, dtype, problem, finding } in &self.accusations {
            let _ = writeln!(
                text,
                "- ACCUSED: {kernel} on {statement}, N = {n}, {dtype}: {finding}; {problem}"
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
