//! A comment on a pull request.

use attn_report::table::escape_markdown as text;

use super::{alpha, remarks, table, versus, worst_first};
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
        parts.push(format!("\n{}", table(&loud).markdown()));
    }
    if !quiet.is_empty() {
        let (count, table) = (quiet.len(), table(&quiet).markdown());
        let summary = format!("<details><summary>{count} PASS</summary>");
        parts.push(format!("\n{summary}\n\n{table}\n</details>\n"));
    }
    parts.push(format!(
        "\nA slowdown of {:.1} % is found with 95 %; a suite without a slowdown beyond {:.2} % fails with \
         {} % at most.",
        parameters.detect,
        parameters.tolerate,
        alpha(parameters.alpha)
    ));
    parts.extend(remarks(gate).iter().map(|remark| format!(" {}", text(remark))));
    parts.concat() + "\n"
}
