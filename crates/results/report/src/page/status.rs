//! The line above everything: is it right, was it quiet, where and when was it measured?

use attn_analysis::disturbance::Disturbance;
use attn_analysis::summary::Summary;
use attn_record::{Outcome, Run};

use super::html::text;
use crate::format::{count, percent, significant};
use crate::source::MachineSection;

/// One thing to know, and how it stands out.
#[derive(Clone, Debug)]
pub struct Fact {
    class: &'static str,
    text: String,
}

impl Fact {
    /// That all is well.
    pub fn good(text: impl Into<String>) -> Self {
        fact("good", text)
    }

    /// That something is wrong.
    pub fn bad(text: impl Into<String>) -> Self {
        fact("bad", text)
    }

    /// That something is uncertain.
    pub fn open(text: impl Into<String>) -> Self {
        fact("open", text)
    }

    /// Neither good nor bad.
    pub fn plain(text: impl Into<String>) -> Self {
        fact("", text)
    }
}

fn fact(class: &'static str, text: impl Into<String>) -> Fact {
    Fact { class, text: text.into() }
}

/// What is known of `what`, in one line.
pub fn status(what: &str, facts: &[Fact]) -> String {
    let item = |fact: &Fact| format!("<li class=\"{}\">{}</li>\n", fact.class, text(&fact.text));
    let items = facts.iter().map(item).collect::<Vec<_>>().concat();
    format!("<ul class=\"status\" aria-label=\"State of this {what}\">\n{items}</ul>\n")
}

pub(super) fn strip(run: &Run, machine: &MachineSection<'_>) -> String {
    let summary = Summary::of_cells(&machine.records);
    let mut facts = vec![right(&summary)];
    facts.extend(failed(&summary));
    facts.extend(Disturbance::of(machine.records.iter().copied()).as_ref().map(quiet));
    let (cpu, build) = (&machine.place.machine, &machine.place.build);
    let load = run.load.map(|load| format!("load {} when it began", significant(load)));
    facts.extend(load.map(Fact::plain));
    facts.push(Fact::plain(format!("{}, {}", cpu.cpu, count(cpu.cores, "core"))));
    facts.push(Fact::plain(build.to_string()));
    facts.push(Fact::plain(run.started.clone()));
    status("run", &facts)
}

fn right(summary: &Summary) -> Fact {
    let (ok, wrong) = (summary.count(Outcome::Ok), summary.count(Outcome::Disagrees));
    match (ok, wrong) {
        (0, 0) => Fact::open("nothing was checked"),
        (ok, 0) => Fact::good(format!("✓ right: all {ok} results agree with the f64 oracle")),
        (ok, wrong) => {
            let of = ok + wrong;
            Fact::bad(format!("✗ wrong: {wrong} of {of} results disagree with the f64 oracle"))
        }
    }
}

fn failed(summary: &Summary) -> Option<Fact> {
    let failures = [Outcome::Error, Outcome::Timeout, Outcome::Implausible];
    let failed: Vec<String> = failures
        .into_iter()
        .filter(|&outcome| summary.count(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", count(summary.count(outcome), "cell")))
        .collect();
    (!failed.is_empty()).then(|| Fact::bad(format!("✗ {}", failed.join(", "))))
}

fn quiet(found: &Disturbance) -> Fact {
    let share = percent(found.share());
    match found.warning {
        Some(_) => Fact::open(format!("! noisy: {share} of samples disturbed")),
        None => Fact::good(format!("✓ quiet: {share} of samples disturbed")),
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
