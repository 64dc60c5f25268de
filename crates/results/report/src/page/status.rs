//! The line above everything: is it right, was it quiet, where and when was it measured?

use attn_analysis::disturbance::Disturbance;
use attn_analysis::summary::Summary;
use attn_record::{Outcome, Run};

use super::html::text;
use crate::format::{count, percent};
use crate::source::MachineSection;

/// One thing to know, and how it stands out.
struct Fact {
    class: &'static str,
    text: String,
}

fn fact(class: &'static str, text: impl Into<String>) -> Fact {
    Fact { class, text: text.into() }
}

pub(super) fn strip(run: &Run, machine: &MachineSection<'_>) -> String {
    let summary = Summary::of_cells(&machine.records);
    let mut facts = vec![right(&summary)];
    facts.extend(failed(&summary));
    facts.extend(Disturbance::of(machine.records.iter().copied()).as_ref().map(quiet));
    let (cpu, build) = (&machine.place.machine, &machine.place.build);
    facts.push(fact("", format!("{}, {}", cpu.cpu, count(cpu.cores, "core"))));
    facts.push(fact("", build.to_string()));
    facts.push(fact("", run.started.clone()));
    let item = |fact: &Fact| format!("<li class=\"{}\">{}</li>\n", fact.class, text(&fact.text));
    let items = facts.iter().map(item).collect::<Vec<_>>().concat();
    format!("<ul class=\"status\" aria-label=\"State of this run\">\n{items}</ul>\n")
}

fn right(summary: &Summary) -> Fact {
    let (ok, wrong) = (summary.count(Outcome::Ok), summary.count(Outcome::Disagrees));
    match (ok, wrong) {
        (0, 0) => fact("open", "nothing was checked"),
        (ok, 0) => fact("good", format!("✓ right: all {ok} results agree with the f64 oracle")),
        (ok, wrong) => fact(
            "bad",
            format!("✗ wrong: {wrong} of {} results disagree with the f64 oracle", ok + wrong),
        ),
    }
}

fn failed(summary: &Summary) -> Option<Fact> {
    let failures = [Outcome::Error, Outcome::Timeout, Outcome::Implausible];
    let failed: Vec<String> = failures
        .into_iter()
        .filter(|&outcome| summary.count(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", count(summary.count(outcome), "cell")))
        .collect();
    (!failed.is_empty()).then(|| fact("bad", format!("✗ {}", failed.join(", "))))
}

fn quiet(found: &Disturbance) -> Fact {
    let share = percent(found.share());
    match found.warning {
        Some(_) => fact("open", format!("! noisy: {share} of samples disturbed")),
        None => fact("good", format!("✓ quiet: {share} of samples disturbed")),
    }
}

#[cfg(test)]
mod tests {
    use attn_analysis::disturbance::Disturbance;
    use attn_analysis::fixture::{disturbed, ok, with_outcome};

    use super::*;

    #[test]
    fn what_is_wrong_or_noisy_is_said() {
        let of = |records: &[attn_record::Record]| Summary::of(records);
        let records = [ok("g/1", "a", 1.0), with_outcome(ok("g/2", "a", 1.0), Outcome::Disagrees)];
        assert_eq!(
            right(&of(&records)).text,
            "✗ wrong: 1 of 2 results disagree with the f64 oracle"
        );
        assert_eq!(right(&of(&records[..1])).class, "good");
        assert_eq!(right(&of(&[])).class, "open");
        let late = [with_outcome(ok("g/2", "a", 1.0), Outcome::Timeout)];
        assert_eq!(failed(&of(&late)).unwrap().text, "✗ 1 cell timeout");
        assert!(failed(&of(&records)).is_none());
        let state = |n| quiet(&Disturbance::of(&[disturbed("g/1", n, 10)]).unwrap());
        assert_eq!((state(0).class, state(5).class), ("good", "open"));
    }
}
