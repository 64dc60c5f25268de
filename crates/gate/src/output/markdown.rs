//! A comment on a pull request.

use super::escape::markdown as text;
use super::{change, interval, remarks, versus, worst_first};
use crate::result::{CaseResult, Gate, Verdict};

/// The first line of the comment: a workflow finds its comment by it, and replaces it.
pub const MARKER: &str = "<!-- attn-gate -->";

/// What matters as a table, what passes folded away.
pub fn markdown(gate: &Gate) -> String {
    let cases = worst_first(gate);
    let (quiet, loud): (Vec<&CaseResult>, Vec<&CaseResult>) =
        cases.into_iter().partition(|case| case.verdict == Verdict::Pass);
    let parameters = gate.parameters;
    let mut parts =
        vec![format!("{MARKER}\n### attn gate: {}\n\n{}\n", gate.summary(), text(&versus(gate)))];
    if !loud.is_empty() {
        parts.push(format!("\n{}", table(&loud)));
    }
    if !quiet.is_empty() {
        let (count, table) = (quiet.len(), table(&quiet));
        let summary = format!("<details><summary>{count} PASS</summary>");
        parts.push(format!("\n{summary}\n\n{table}\n</details>\n"));
    }
    parts.push(format!(
        "\nA slowdown of {:.1} % is found with 95 %; a suite without a slowdown beyond {:.2} % fails with \
         {:.0} % at most.",
        parameters.detect,
        parameters.tolerate,
        100.0 * parameters.alpha
    ));
    parts.extend(remarks(gate).iter().map(|remark| format!(" {}", text(remark))));
    parts.concat() + "\n"
}

/// One row per case.
fn table(cases: &[&CaseResult]) -> String {
    let head = "| verdict | case | change | 95 % interval | why |\n|:---|:---|---:|---:|:---|\n";
    let rows = cases.iter().map(|case| row(case));
    std::iter::once(head.to_string()).chain(rows).collect::<Vec<_>>().concat()
}

fn row(case: &CaseResult) -> String {
    let why = match &case.accepted {
        Some(reason) => format!("{}; accepted: {reason}", case.detail),
        None => case.detail.clone(),
    };
    let (verdict, id) = (case.verdict.name().to_string(), format!("`{}`", case.id));
    let cells = [verdict, id, change(case), interval(case), why];
    format!("| {} |\n", cells.map(|cell| text(&cell)).join(" | "))
}
