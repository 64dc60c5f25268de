//! Lines in the log of a GitHub workflow, which it shows beside the pull request.

use super::{change, worst_first};
use crate::result::{CaseResult, Gate, Verdict};

/// GitHub shows ten of a kind.
const MOST: usize = 10;

/// One line for each case that fails or is inconclusive, worst first; the last of ten stands for all
/// that are left.
pub fn annotations(gate: &Gate) -> Vec<String> {
    let cases: Vec<&CaseResult> =
        worst_first(gate).into_iter().filter(|case| kind(case.verdict).is_some()).collect();
    let shown = if cases.len() > MOST { MOST - 1 } else { cases.len() };
    let (shown, left) = cases.split_at(shown);
    let mut lines: Vec<String> = shown.iter().filter_map(|case| line(case)).collect();
    if let Some(kind) = left.first().and_then(|worst| kind(worst.verdict)) {
        lines.push(format!("::{kind} title=attn gate::{} more, see gate.md", left.len()));
    }
    lines
}

const fn kind(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Inconclusive | Verdict::Void => Some("warning"),
        verdict if verdict.fails() => Some("error"),
        Verdict::Error => Some("error"),
        _ => None,
    }
}

fn line(case: &CaseResult) -> Option<String> {
    let kind = kind(case.verdict)?;
    let change = change(case);
    let change = if change.is_empty() { change } else { format!(" {change}") };
    let message = format!("{} {}{change}: {}", case.verdict, case.id, case.detail);
    // The characters that end a command.
    let message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    Some(format!("::{kind} title=attn gate::{message}"))
}
