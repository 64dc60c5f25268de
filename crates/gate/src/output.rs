//! What is made from `gate.json`, and from nothing else.
//!
//! | file | for |
//! |---|---|
//! | `gate.md` | a comment on a pull request; its first line is a marker by which the comment is found again |
//! | `junit.xml` | test reports of CI systems |
//! | `forest.svg` | the changes with their intervals |
//! | `index.html` | all of it on one page, without any other file |
//!
//! [`annotations`] go to the log of a GitHub workflow, [`terminal`] and [`explain`] to people.

mod annotations;
mod calibration;
mod duel;
mod explain;
mod html;
mod junit;
mod markdown;
mod terminal;

pub use annotations::annotations;
pub use calibration::{calibration_markdown, calibration_plot};
pub use duel::{Duelled, duel_plot, duel_tables};
pub use explain::explain;
pub use html::html;
pub use junit::junit;
pub use markdown::{MARKER, markdown};
pub use terminal::terminal;

use std::fs;
use std::path::{Path, PathBuf};

use attn_record::disk::{self, FileError};
use attn_report::charts::{Band, Estimate, Figure, Tone, forest as draw_forest};
use attn_report::table::{self, Cell, Column, Table};

use crate::result::{CaseResult, FolderError, Gate, Taken, Verdict};

/// An error if nothing can be written into `folder`: better before a gate than after it.
pub fn probe(folder: &Path) -> Result<(), FolderError> {
    let written = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    written.map_err(FileError::of(folder))?;
    Ok(())
}

/// Writes `gate.json`, `replicates.jsonl` and all outputs into `folder`, and returns the paths.
pub fn write(folder: &Path, gate: &Gate, taken: &[Taken]) -> Result<Vec<PathBuf>, FolderError> {
    fs::create_dir_all(folder).map_err(FileError::of(folder))?;
    let json = |value: &Gate| serde_json::to_string_pretty(value).expect("all numbers are finite");
    let line = |taken: &Taken| serde_json::to_string(taken).expect("all numbers are finite") + "\n";
    let forest = forest(gate);
    let files = [
        ("gate.json", json(gate) + "\n"),
        ("replicates.jsonl", taken.iter().map(line).collect()),
        ("gate.md", markdown(gate)),
        ("junit.xml", junit(gate)),
        ("index.html", html(gate, forest.as_ref())),
    ];
    let files = files.into_iter().chain(forest.map(|chart| ("forest.svg", chart.svg)));
    files
        .map(|(name, content)| {
            let path = folder.join(name);
            disk::write_whole(&path, content.as_bytes())?;
            Ok(path)
        })
        .collect()
}

/// The changes with their intervals; `None` if nothing was timed.
pub fn forest(gate: &Gate) -> Option<Figure> {
    let change = |case: &CaseResult| {
        let time = case.time?;
        Some(Estimate {
            name: case.id.clone(),
            value: time.percent,
            interval: time.interval,
            verdict: case.verdict.name().into(),
            tone: tone(case.verdict),
        })
    };
    let changes: Vec<Estimate> = gate.cases.iter().filter_map(change).collect();
    let band =
        Band { tolerate: round(gate.parameters.tolerate), detect: round(gate.parameters.detect) };
    let day = gate.started.split('T').next().unwrap_or_default();
    let origin = format!("{}; {day}", machine(gate));
    draw_forest(&format!("attn gate: {}", gate.summary()), &versus(gate), &changes, band, &origin)
}

/// `AMD EPYC, 2 cores`.
fn machine(gate: &Gate) -> String {
    let cores = gate.machine.cores;
    format!("{}, {cores} {}", gate.machine.cpu, if cores == 1 { "core" } else { "cores" })
}

/// Percent as they were configured: the logarithm in between leaves a trace.
fn round(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Improved => Tone::Good,
        verdict if verdict.fails() => Tone::Bad,
        Verdict::Inconclusive | Verdict::Void | Verdict::NotTimed | Verdict::Error => Tone::Open,
        _ => Tone::Plain,
    }
}

/// One row per case.
fn table(cases: &[&CaseResult]) -> Table {
    let columns = [
        Column::words("verdict"),
        Column::id("case"),
        Column::number("change"),
        Column::number("95 % interval"),
        Column::prose("why"),
    ];
    let row = |case: &&CaseResult| {
        let why = match &case.accepted {
            Some(reason) => format!("{}; accepted: {reason}", case.detail),
            None => case.detail.clone(),
        };
        let tone = match tone(case.verdict) {
            Tone::Plain => table::Tone::Plain,
            Tone::Good => table::Tone::Good,
            Tone::Bad => table::Tone::Bad,
            Tone::Open => table::Tone::Muted,
        };
        let percent = case.time.map(|time| time.percent);
        let change = Cell { value: percent, ..change(case).into() };
        let verdict = Cell::from(case.verdict.name()).tone(tone);
        vec![verdict, case.id.clone().into(), change, interval(case).into(), why.into()]
    };
    Table::new("", columns).rows(cases.iter().map(row))
}

/// `HEAD 1a2b against base 3c4d`.
fn versus(gate: &Gate) -> String {
    format!("HEAD {} against base {}", gate.head.name, gate.base.name)
}

/// `+3.1 %`.
fn change(case: &CaseResult) -> String {
    case.time.map_or(String::new(), |time| signed(time.percent))
}

/// `+2.1 .. +4.0`.
fn interval(case: &CaseResult) -> String {
    let interval = case.time.and_then(|time| time.interval);
    interval.map_or(String::new(), |[low, high]| format!("{low:+.1} .. {high:+.1}"))
}

/// A probability in percent, without zeros that say nothing: `0.5`, `1`.
fn alpha(probability: f64) -> String {
    let percent = format!("{:.3}", 100.0 * probability);
    percent.trim_end_matches('0').trim_end_matches('.').into()
}

fn signed(percent: f64) -> String {
    // What rounds to nothing has no sign of its own.
    let shown = (10.0 * percent).round() / 10.0 + 0.0;
    format!("{shown:+.1} %")
}

/// The cases, those that matter most first.
fn worst_first(gate: &Gate) -> Vec<&CaseResult> {
    let mut cases: Vec<&CaseResult> = gate.cases.iter().collect();
    cases.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.id.cmp(&b.id)));
    cases
}

/// Lines about the whole run: identity, control, what the host can see, notes.
fn remarks(gate: &Gate) -> Vec<String> {
    let mut lines = Vec::new();
    if gate.identical {
        lines.push(
            "HEAD is the same program as base, but for comments: nothing had to be timed.".into(),
        );
    }
    if let Some(control) = &gate.control {
        let differs =
            if control.void { "differs from itself: the run is void" } else { "is the same" };
        lines.push(format!(
            "Control: base {differs} ({}, p = {:.2}, {} replicates).",
            signed(control.percent),
            control.p,
            control.replicates
        ));
    }
    let smallest = gate.cases.iter().filter_map(|case| case.time?.smallest);
    if let Some(smallest) = smallest.reduce(f64::max) {
        let few = "the smallest slowdown that is found in every case";
        lines.push(format!("On this host today {few} is {smallest:.1} %."));
    }
    lines.extend(gate.notes.iter().cloned());
    lines
}

#[cfg(test)]
mod tests;
