//! What a run comes down to, in 30 lines of a terminal at most: is everything right, who is the fastest, by how much and how
//! certainly, what was not run, what to do next.

mod found;
mod noise;
mod tables;

use std::time::Duration;

use attn_analysis::compare::{Rank, Ranking};
use attn_analysis::place::places;
use attn_analysis::rows::{backends, grouped, reason};
use attn_record::{Build, Outcome, Record};
use found::{Cases, Found};
use tables::{contest_table, group_table, ranking_table};

use crate::format::{count, percent, significant};
use crate::table::{Options, Table, Tone, wrap};

/// What records do not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How much was to be done: `preset quick`.
    pub preset: String,
    /// How long it took.
    pub took: Duration,
    /// The load of the machine when the run began.
    pub load: Option<f64>,
    /// How many problems with a wrong result are kept, and in which folder.
    pub kept: Option<(usize, String)>,
    /// Backends of the program's own crate: they come first, and ratios are to the first of them.
    pub own: Vec<String>,
    /// Where the page is.
    pub page: String,
    /// Commands, and what each answers.
    pub next: Vec<(String, &'static str)>,
}

/// Characters before the text of a section.
const INDENT: usize = 9;
/// Lines of a terminal that an overview takes, at most, unless the terminal is narrower than most are.
const LINES: usize = 30;
/// Characters of a line of a narrow terminal.
const NARROW: usize = 80;

/// How many of each are shown before the rest is only counted.
#[derive(Clone, Copy)]
struct Depth {
    /// Cases, or groups of them.
    cases: usize,
    /// Backends of the ranking.
    ranked: usize,
    /// Reasons why cells were not run.
    reasons: usize,
    /// Backends that are wrong, and ways in which cells failed.
    named: usize,
    /// Commands.
    next: usize,
}

/// From most to least: the first that fits is shown.
const DEPTHS: [Depth; 8] = [
    Depth { cases: 8, ranked: 6, reasons: 2, named: 3, next: 3 },
    Depth { cases: 6, ranked: 6, reasons: 2, named: 3, next: 3 },
    Depth { cases: 6, ranked: 5, reasons: 1, named: 2, next: 3 },
    Depth { cases: 4, ranked: 4, reasons: 1, named: 2, next: 3 },
    Depth { cases: 3, ranked: 3, reasons: 0, named: 2, next: 3 },
    Depth { cases: 0, ranked: 3, reasons: 0, named: 2, next: 3 },
    Depth { cases: 0, ranked: 3, reasons: 0, named: 1, next: 3 },
    Depth { cases: 0, ranked: 2, reasons: 0, named: 1, next: 2 },
];

/// The overview of `records`.
pub fn overview(records: &[Record], facts: &Facts, options: Options) -> String {
    let all: Vec<&Record> = records.iter().collect();
    let found = Found::of(&all);
    let text = |depth: Depth, options: Options| {
        let mut lines = Lines { options, depth, text: String::new() };
        lines.all(&found, facts);
        lines.text
    };
    let measured = Options { width: options.width.max(NARROW), color: false };
    let fits = |depth: &Depth| taken(&text(*depth, measured), measured.width) <= LINES;
    let depth = DEPTHS.into_iter().find(fits).unwrap_or(DEPTHS[DEPTHS.len() - 1]);
    text(depth, options)
}

/// Lines of a terminal that `text` takes: one that is to be copied is not broken, but the terminal breaks it.
fn taken(text: &str, width: usize) -> usize {
    text.lines().map(|line| line.chars().count().div_ceil(width).max(1)).sum()
}

/// Sections, one below the other.
struct Lines {
    options: Options,
    depth: Depth,
    text: String,
}

impl Lines {
    fn all(&mut self, found: &Found<'_>, facts: &Facts) {
        self.header(found.all, facts);
        self.quality(found, facts.load);
        self.right(found, facts.kept.as_ref());
        self.failed(found.all);
        if let Some(ranking) = &found.ranking {
            self.fastest(ranking, &facts.own);
        }
        self.cases(&found.cases);
        self.not_run(found.all);
        self.line("PAGE", &facts.page);
        self.next(&facts.next);
    }

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
    fn quality(&mut self, found: &Found<'_>, load: Option<f64>) {
        let certain = (found.contests > 0).then(|| {
            let of = count(found.contests, "comparison");
            format!("the fastest is certain in {} of {of}", found.certain)
        });
        let (label, tone) = found.noise.label();
        let cores = found.all.iter().map(|record| record.machine.cores).max().unwrap_or(1);
        let load = load.map(|load| {
            let cores = count(cores, "core");
            format!("load {} on {cores} when it began", significant(load))
        });
        let said: Vec<String> = found.noise.line().into_iter().chain(load).chain(certain).collect();
        if !said.is_empty() {
            self.prose(label, tone, &said.join("; "));
        }
    }

    /// How many results are right, and where the wrong ones are.
    fn right(&mut self, found: &Found<'_>, kept: Option<&(usize, String)>) {
        let summary = &found.summary;
        let (ok, wrong) = (summary.count(Outcome::Ok), summary.count(Outcome::Disagrees));
        let worst = summary.worst.as_ref().map_or_else(String::new, |worst| {
            let (share, backend, case) = (percent(worst.share), &worst.backend, &worst.case);
            format!("; the largest error is {share} of its bound ({backend} on {case})")
        });
        if wrong > 0 {
            let of = count(ok + wrong, "result");
            let kept = kept.map_or_else(String::new, |(problems, folder)| {
                format!("; {} kept in {folder}", count(*problems, "problem"))
            });
            let title = format!("{wrong} of {of} disagree with the f64 oracle{kept}");
            self.listed("WRONG", &title, &found.wrong);
        } else if ok > 0 {
            let text = format!("all {} agree with the f64 oracle{worst}", count(ok, "result"));
            self.prose("RIGHT", Tone::Good, &text);
        }
    }

    /// Each way in which cells failed, with its whole reason.
    fn failed(&mut self, records: &[&Record]) {
        let failures = |r: &&&Record| r.outcome.is_failure() && r.outcome != Outcome::Disagrees;
        let failed: Vec<&Record> = records.iter().filter(failures).copied().collect();
        if failed.is_empty() {
            return;
        }
        let alike = grouped(&failed, |r| (r.outcome, r.backend.as_str(), reason(r))).into_iter();
        let lines = alike.map(|((outcome, backend, reason), records)| {
            let more = records.len() - 1;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{outcome}: {backend} on {}{more}: {reason}", records[0].case)
        });
        let title = format!("{} without a time that can be shown", count(failed.len(), "cell"));
        self.listed("FAILED", &title, &lines.collect::<Vec<_>>());
    }

    /// What is bad: a sentence on all of it, and the first of its `items`.
    fn listed(&mut self, label: &str, title: &str, items: &[String]) {
        let named = self.depth.named;
        let more = if items.len() > named {
            format!("; {named} of {} shown, all on the page", items.len())
        } else {
            String::new()
        };
        self.prose(label, Tone::Bad, &[title, &more].concat());
        for item in items.iter().take(named) {
            self.prose("", Tone::Plain, item);
        }
    }

    /// The ranking over most cases, with bars as long as the times.
    fn fastest(&mut self, ranking: &Ranking, own: &[String]) {
        let (mut ranks, others): (Vec<&Rank>, Vec<&Rank>) =
            ranking.ranks.iter().partition(|rank| own.contains(&rank.backend));
        let of_whom = ranks.first().map_or("the fastest", |rank| &rank.backend).to_owned();
        ranks.extend(others);
        let left = ranks.len().saturating_sub(self.depth.ranked);
        let more = if left > 0 { format!("; {left} more in `attn rank`") } else { String::new() };
        ranks.truncate(self.depth.ranked);
        let (timing, score, threads) =
            (ranking.timing, ranking.score, count(ranking.threads, "thread"));
        let cases = count(ranking.cells, "case");
        let title =
            format!("{timing}, {score}, {threads}: mean ratio to {of_whom} over {cases}{more}");
        self.prose("FASTEST", Tone::Plain, &title);
        self.table("", &ranking_table(ranking, &ranks));
    }

    fn cases(&mut self, cases: &Cases) {
        let most = self.depth.cases;
        match cases {
            _ if most == 0 => {}
            Cases::Each(_, rows) if rows.is_empty() => {}
            Cases::Each(label, rows) => {
                self.table(label, &contest_table(rows, most, *label == "LAYERS"));
            }
            Cases::Groups(winners) => self.table("CASES", &group_table(winners, most)),
        }
    }

    /// What was not run, by reason.
    fn not_run(&mut self, records: &[&Record]) {
        let left = |r: &&&Record| r.outcome != Outcome::Ok && !r.outcome.is_failure();
        let left: Vec<&Record> = records.iter().filter(left).copied().collect();
        let mut reasons = grouped(&left, |r| (r.outcome, reason(r)));
        reasons.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
        let (first, rest) = reasons.split_at(reasons.len().min(self.depth.reasons));
        let said = first.iter().map(|((outcome, reason), records)| {
            let who = match &backends(records)[..] {
                few @ ([_] | [_, _]) => few.join(", "),
                many => count(many.len(), "backend"),
            };
            format!("{} {outcome} ({who}): {reason}", records.len())
        });
        let cells: usize = rest.iter().map(|(_, records)| records.len()).sum();
        let rest = match (first.len(), rest.len()) {
            (_, 0) => None,
            (0, n) => Some(format!("{} for {}", count(cells, "cell"), count(n, "reason"))),
            (_, n) => Some(format!("{cells} more for {}", count(n, "other reason"))),
        };
        for (at, text) in said.chain(rest).enumerate() {
            self.prose(if at == 0 { "NOT RUN" } else { "" }, Tone::Plain, &text);
        }
    }

    fn next(&mut self, next: &[(String, &'static str)]) {
        for (at, (command, what)) in next.iter().take(self.depth.next).enumerate() {
            let label = if at == 0 { "NEXT" } else { "" };
            let whole = format!("{command}  # {what}");
            let fits = INDENT + whole.chars().count() <= self.options.columns();
            self.line(label, if fits { &whole } else { command });
        }
    }
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

#[cfg(test)]
mod tests;
