//! What a run comes down to, in some 25 lines of a terminal: is everything right, who is the fastest, by how much and how
//! certainly, what was not run, what to do next.

mod tables;

use std::time::Duration;

use attn_analysis::certainty::is_too_wide;
use attn_analysis::compare::{Rank, SideBySide, side_by_side_of, widest_ranking, winners};
use attn_analysis::disturbance::Disturbance;
use attn_analysis::place::places;
use attn_analysis::rows::{backends, grouped, reason, shown_timing};
use attn_analysis::summary::Summary;
use attn_record::{Build, Outcome, Record};
use tables::{RANKED, contest_table, group_table, ranking_table};

use crate::features::wrong_by_backend;
use crate::format::{count, percent, significant};
use crate::table::{Options, Table, Tone, wrap};

/// What records do not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How much was to be done: `preset quick`.
    pub preset: String,
    /// How long it took.
    pub took: Duration,
    /// Backends of the program's own crate: they come first, and ratios are to the first of them.
    pub own: Vec<String>,
    /// Where the page is.
    pub page: String,
    /// Commands, and what each answers.
    pub next: Vec<(String, &'static str)>,
}

/// Characters before the text of a section.
const INDENT: usize = 9;
/// Rows of a table before the rest is only counted.
const LISTED: usize = 8;
/// Lines of a list before the rest is only counted.
const NAMED: usize = 3;
/// Reasons before the rest is only counted.
const REASONS: usize = 2;
/// A run is noisy if the intervals of more than this share of its times are too wide for figures.
const MANY: f64 = 0.1;
/// The group of cases that are layers of models.
const LAYERS: &str = "curated/models";

/// The overview of `records`.
pub fn overview(records: &[Record], facts: &Facts, options: Options) -> String {
    let all: Vec<&Record> = records.iter().collect();
    let right = never_wrong(&all);
    let mut lines = Lines { options, text: String::new() };
    lines.header(&all, facts);
    lines.quality(&all, &right);
    lines.right(&all);
    lines.failed(&all);
    lines.fastest(&all, &facts.own);
    lines.cases(&right);
    lines.not_run(&all);
    lines.line("PAGE", &facts.page);
    lines.next(&facts.next);
    lines.text
}

/// Sections, one below the other.
struct Lines {
    options: Options,
    text: String,
}

impl Lines {
    /// A section of sentences.
    fn prose(&mut self, label: &str, tone: Tone, text: &str) {
        let first = format!("{label:<INDENT$}");
        let lines = wrap(text, &first, INDENT, self.options.columns());
        self.text += &self.label(label, tone);
        self.text += &lines[label.len()..];
    }

    /// A section of one line that is to be copied: whole, however long it is.
    fn line(&mut self, label: &str, text: &str) {
        let gap = " ".repeat(INDENT - label.len());
        self.text += &[&self.label(label, Tone::Plain), &gap, text, "\n"].concat();
    }

    /// A section that is a table.
    fn table(&mut self, label: &str, table: &Table) {
        // Tables have an indent of their own.
        const OWN: usize = 2;
        let width = self.options.columns() - (INDENT - OWN);
        let text = table.terminal(Options { width, ..self.options });
        for (at, line) in text.lines().enumerate() {
            let label = if at == 0 { label } else { "" };
            let gap = " ".repeat(INDENT - OWN - label.len());
            self.text += &[&self.label(label, Tone::Plain), &gap, line, "\n"].concat();
        }
    }

    fn label(&self, label: &str, tone: Tone) -> String {
        match (label, tone) {
            ("", _) => String::new(),
            (label, Tone::Plain) => self.options.heading(label),
            (label, tone) => self.options.paint(tone, label),
        }
    }

    /// The program, the machine, and how much was done in which time.
    fn header(&mut self, records: &[&Record], facts: &Facts) {
        let places = places(records);
        let place = match &places[..] {
            [] => "no machine".into(),
            [(place, _), others @ ..] => {
                let machine = &place.machine;
                let cores = count(machine.cores, "core");
                let title = format!("{}: {}, {cores}", program(&place.build), machine.cpu);
                match others.len() {
                    0 => title,
                    more => format!("{title}, and {}", count(more, "other place")),
                }
            }
        };
        let Facts { preset, took, .. } = facts;
        let (cells, took) = (count(records.len(), "cell"), significant(took.as_secs_f64()));
        let text = format!("{place}; {preset}, {cells} in {took} s");
        self.text += &(wrap(&text, "", 0, self.options.columns()) + "\n");
    }

    /// How calm the machine was, and how many winners are certain.
    fn quality(&mut self, records: &[&Record], right: &[&Record]) {
        let rows = contests(side_by_side_of(right));
        let certain = rows.iter().filter(|row| row.winner.is_some()).count();
        let certain = (!rows.is_empty()).then(|| {
            format!("the fastest is certain in {certain} of {}", count(rows.len(), "comparison"))
        });
        let timed = records.iter().filter_map(|r| Some((r.interval()?.interval, r.median_ns()?)));
        let timed: Vec<bool> = timed.map(|(interval, ns)| is_too_wide(interval, ns)).collect();
        let wide = timed.iter().filter(|&&wide| wide).count();
        let many = wide as f64 > MANY * timed.len() as f64;
        let found = Disturbance::of(records.iter().copied());
        let disturbed = found.as_ref().filter(|found| found.warning.is_some());
        let (label, tone) = match &found {
            _ if disturbed.is_some() || many => ("! NOISY", Tone::Disturbed),
            Some(_) => ("QUIET", Tone::Good),
            None => ("TIMES", Tone::Plain),
        };
        let why = disturbed.map(|found| {
            let (share, samples) = (percent(found.share()), count(found.samples, "sample"));
            format!("{share} of {samples} were disturbed by other programs")
        });
        let vary = many.then(|| {
            format!("{wide} of {} vary too much between processes", count(timed.len(), "time"))
        });
        let noisy: Vec<String> = why.into_iter().chain(vary).collect();
        let line = if noisy.is_empty() {
            found.map(|found| found.line())
        } else {
            let advice = "quiet the machine and measure again, or for longer";
            Some([&noisy.join(", "), advice].join(": "))
        };
        let said: Vec<String> = line.into_iter().chain(certain).collect();
        if !said.is_empty() {
            self.prose(label, tone, &said.join("; "));
        }
    }

    /// How many results are right, and where the wrong ones are.
    fn right(&mut self, records: &[&Record]) {
        let summary = Summary::of_cells(records);
        let (ok, wrong) = (summary.count(Outcome::Ok), summary.count(Outcome::Disagrees));
        let worst = summary.worst.map_or_else(String::new, |worst| {
            let (share, backend, case) = (percent(worst.share), worst.backend, worst.case);
            format!("; the largest error is {share} of its bound ({backend} on {case})")
        });
        if wrong == 0 {
            if ok > 0 {
                let text = format!("all {} agree with the f64 oracle{worst}", count(ok, "result"));
                self.prose("RIGHT", Tone::Good, &text);
            }
            return;
        }
        let of = count(ok + wrong, "result");
        self.prose("WRONG", Tone::Bad, &format!("{wrong} of {of} disagree with the f64 oracle"));
        self.listed(&wrong_by_backend(records), Clone::clone);
    }

    /// Each way in which cells failed, with its whole reason.
    fn failed(&mut self, records: &[&Record]) {
        let failures = |r: &&&Record| r.outcome.is_failure() && r.outcome != Outcome::Disagrees;
        let failed: Vec<&Record> = records.iter().filter(failures).copied().collect();
        if failed.is_empty() {
            return;
        }
        let cells = count(failed.len(), "cell");
        self.prose("FAILED", Tone::Bad, &format!("{cells} without a time that can be shown"));
        let alike = grouped(&failed, |r| (r.outcome, r.backend.as_str(), reason(r)));
        self.listed(&alike, |((outcome, backend, reason), records)| {
            let more = records.len() - 1;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{outcome}: {backend} on {}{more}: {reason}", records[0].case)
        });
    }

    /// The first of `items` as lines of a list.
    fn listed<T>(&mut self, items: &[T], line: impl Fn(&T) -> String) {
        for item in items.iter().take(NAMED) {
            self.prose("", Tone::Plain, &line(item));
        }
        if items.len() > NAMED {
            let left = format!("and {} more: `--details` has all", items.len() - NAMED);
            self.prose("", Tone::Plain, &left);
        }
    }

    /// The ranking over most cases, with bars as long as the times.
    fn fastest(&mut self, records: &[&Record], own: &[String]) {
        let Some(ranking) = widest_ranking(records).filter(|ranking| !ranking.ranks.is_empty())
        else {
            return;
        };
        let (mut ranks, others): (Vec<&Rank>, Vec<&Rank>) =
            ranking.ranks.iter().partition(|rank| own.contains(&rank.backend));
        let of_whom = ranks.first().map_or("the fastest", |rank| &rank.backend).to_owned();
        ranks.extend(others);
        let left = ranks.len().saturating_sub(RANKED);
        let more = if left > 0 { format!("; {left} more in `attn rank`") } else { String::new() };
        let (timing, score, threads) =
            (ranking.timing, ranking.score, count(ranking.threads, "thread"));
        let cases = count(ranking.cells, "case");
        let title =
            format!("{timing}, {score}, {threads}: mean ratio to {of_whom} over {cases}{more}");
        self.prose("FASTEST", Tone::Plain, &title);
        self.table("", &ranking_table(&ranking, &ranks));
    }

    /// The layers of models, each with its fastest; without them all cases, or all groups of cases if those are many.
    fn cases(&mut self, records: &[&Record]) {
        let measured: Vec<&Record> =
            records.iter().filter(|r| r.median_ns().is_some()).copied().collect();
        let layers: Vec<&Record> =
            measured.iter().filter(|r| r.group() == LAYERS).copied().collect();
        let (label, shown) =
            if layers.is_empty() { ("CASES", measured) } else { ("LAYERS", layers) };
        let timing = shown_timing(&shown);
        let threads = shown.iter().map(|r| r.threads).min();
        let alike: Vec<&Record> = shown
            .iter()
            .filter(|r| r.timing == timing && Some(r.threads) == threads)
            .copied()
            .collect();
        let rows = contests(side_by_side_of(&alike));
        match rows.len() {
            0 => {}
            1..=LISTED => self.table(label, &contest_table(&rows, label == "LAYERS")),
            _ => self.table(label, &group_table(&winners(&alike))),
        }
    }

    /// What was not run, by reason.
    fn not_run(&mut self, records: &[&Record]) {
        let left = |r: &&&Record| r.outcome != Outcome::Ok && !r.outcome.is_failure();
        let left: Vec<&Record> = records.iter().filter(left).copied().collect();
        let mut reasons = grouped(&left, |r| (r.outcome, reason(r)));
        reasons.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
        let (first, rest) = reasons.split_at(reasons.len().min(REASONS));
        for (at, ((outcome, reason), records)) in first.iter().enumerate() {
            let who = match &backends(records)[..] {
                few @ ([_] | [_, _]) => few.join(", "),
                many => count(many.len(), "backend"),
            };
            let text = format!("{} {outcome} ({who}): {reason}", records.len());
            self.prose(if at == 0 { "NOT RUN" } else { "" }, Tone::Plain, &text);
        }
        if !rest.is_empty() {
            let cells: usize = rest.iter().map(|(_, records)| records.len()).sum();
            let reasons = count(rest.len(), "other reason");
            self.prose("", Tone::Plain, &format!("{cells} more for {reasons}"));
        }
    }

    fn next(&mut self, next: &[(String, &'static str)]) {
        for (at, (command, what)) in next.iter().enumerate() {
            let label = if at == 0 { "NEXT" } else { "" };
            let whole = format!("{command}  # {what}");
            let fits = INDENT + whole.chars().count() <= self.options.columns();
            self.line(label, if fits { &whole } else { command });
        }
    }
}

/// What backends say that are wrong nowhere: who is wrong somewhere is no rival.
fn never_wrong<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let wrong = records.iter().filter(|record| record.outcome == Outcome::Disagrees);
    let wrong: Vec<&str> = wrong.map(|record| record.backend.as_str()).collect();
    records.iter().filter(|record| !wrong.contains(&record.backend.as_str())).copied().collect()
}

/// `attn 0.1.0 (593d8ed6)`: a build without optimisation says so.
fn program(build: &Build) -> String {
    let Build { version, revision, dirty, profile, .. } = build;
    let revision = revision.as_ref().map(|revision| {
        let revision: String = revision.chars().take(8).collect();
        revision + if *dirty { " with changes" } else { "" }
    });
    let profile = (profile != "release").then(|| profile.clone());
    let known: Vec<String> = revision.into_iter().chain(profile).collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    format!("attn {version}{known}")
}

/// The rows in which at least two were measured.
fn contests(mut rows: Vec<SideBySide>) -> Vec<SideBySide> {
    rows.retain(SideBySide::is_contest);
    rows
}

#[cfg(test)]
mod tests;
