//! `JUnit` XML: a case is a test, a regression its failure, what is inconclusive is skipped.

use attn_report::escape as xml;

use super::versus;
use crate::result::{CaseResult, Gate, Verdict};

/// One suite with a test per case.
pub fn junit(gate: &Gate) -> String {
    let count =
        |wanted: fn(Verdict) -> bool| gate.cases.iter().filter(|case| wanted(case.verdict)).count();
    let (tests, failures) = (gate.cases.len(), count(Verdict::fails));
    let errors = count(|verdict| verdict == Verdict::Error);
    let skipped = count(is_open);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"attn gate\" \
         tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
         time=\"{:.3}\" timestamp=\"{}\">\n    <properties><property name=\"versus\" value=\"{}\"/>\
         </properties>\n",
        gate.seconds,
        xml(&gate.started),
        xml(&versus(gate))
    );
    gate.cases.iter().for_each(|case| out.push_str(&test(case)));
    out + "  </testsuite>\n</testsuites>\n"
}

const fn is_open(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Inconclusive | Verdict::Void | Verdict::NotTimed)
}

fn test(case: &CaseResult) -> String {
    let group = case.cell.case.rsplit_once('/').map_or("", |(group, _)| group);
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\"",
        xml(&format!("gate.{}", group.replace('/', "."))),
        xml(&case.id)
    );
    let message = xml(&format!("{}: {}", case.verdict, case.detail));
    let inner = if case.verdict.fails() {
        format!("<failure message=\"{message}\"/>")
    } else if case.verdict == Verdict::Error {
        format!("<error message=\"{message}\"/>")
    } else if is_open(case.verdict) {
        format!("<skipped message=\"{message}\"/>")
    } else {
        format!("<system-out>{message}</system-out>")
    };
    format!("{head}>{inner}</testcase>\n")
}
