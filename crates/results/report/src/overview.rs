//! What a run comes down to, in some 25 lines of a terminal: is everything right, who is the fastest, by how much and how
//! certainly, what was not run, what to do next.

use std::time::Duration;

use attn_record::{Outcome, Record};

use crate::certainty::is_too_wide;
use crate::compare::{
    GroupWinner, Rank, Rival, SideBySide, Standing, side_by_side_of, widest_ranking, winners,
};
use crate::disturbance::Disturbance;
use crate::features::wrong_by_backend;
use crate::format::{count, percent, ratio, significant, time};
use crate::place::places;
use crate::rows::{backends, grouped, reason, shown_timing};
use crate::summary::Summary;
use crate::table::{Cell, Column, Options, Table, Tone, to_fastest, wrap};

/// What records do not say.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// How much was to be done.
    pub preset: &'a str,
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
/// Rows of a list before the rest is only counted.
const LISTED: usize = 8;
/// Reasons before the rest is only counted.
const REASONS: usize = 3;
/// A run is noisy if the intervals of more than this share of its times are too wide for figures.
const MANY: f64 = 0.1;
/// Characters of the longest bar.
const BAR: f64 = 24.0;
/// The group of cases that are layers of models.
const LAYERS: &str = "curated/models";

/// The overview of `records`.
pub fn overview(records: &[Record], facts: &Facts<'_>, options: Options) -> String {
    let all: Vec<&Record> = records.iter().collect();
    let mut lines = Lines { options, text: String::new() };
    lines.header(&all, facts);
    lines.quality(&all);
    lines.right(&all);
    lines.failed(&all);
    lines.fastest(&all, &facts.own);
    lines.cases(&all);
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
    fn header(&mut self, records: &[&Record], facts: &Facts<'_>) {
        let places = places(records);
        let place = match &places[..] {
            [] => "no machine".into(),
            [(place, _)] => place.title(),
            [(place, _), others @ ..] => {
                format!("{} and {}", place.title(), count(others.len(), "other place"))
            }
        };
        let Facts { preset, took, .. } = facts;
        let (cells, took) = (count(records.len(), "cell"), significant(took.as_secs_f64()));
        let text = format!("{place}; preset {preset}, {cells} in {took} s");
        self.text += &(wrap(&text, "", 0, self.options.columns()) + "\n");
    }

    /// How calm the machine was, and how many winners are certain.
    fn quality(&mut self, records: &[&Record]) {
        let rows = contests(side_by_side_of(records));
        let certain = rows.iter().filter(|row| row.winner.is_some()).count();
        let certain = (!rows.is_empty()).then(|| {
            format!("the fastest is certain in {certain} of {}", count(rows.len(), "comparison"))
        });
        let timed = records.iter().filter_map(|r| Some((r.interval()?.interval, r.median_ns()?)));
        let timed: Vec<bool> = timed.map(|(interval, ns)| is_too_wide(interval, ns)).collect();
        let wide = timed.iter().filter(|&&wide| wide).count();
        let many = wide as f64 > MANY * timed.len() as f64;
        let unsteady = many.then(|| {
            let times = count(timed.len(), "time");
            format!(
                "{wide} of {times} vary too much between processes: measure again, or for longer"
            )
        });
        let found = Disturbance::of(records.iter().copied());
        let disturbed = found.as_ref().is_some_and(|found| found.warning.is_some());
        let (label, tone) = match &found {
            _ if disturbed || many => ("! NOISY", Tone::Disturbed),
            Some(_) => ("QUIET", Tone::Good),
            None => ("TIMES", Tone::Plain),
        };
        let line = found.map(|found| found.line());
        let said: Vec<String> = line.into_iter().chain(unsteady).chain(certain).collect();
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
        for item in items.iter().take(LISTED) {
            self.prose("", Tone::Plain, &line(item));
        }
        if items.len() > LISTED {
            self.prose("", Tone::Plain, &format!("and {} more", items.len() - LISTED));
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
        let unit = ranks.first().map_or(1.0, |rank| rank.ratio);
        let of_whom = ranks.first().map_or("the fastest", |rank| &rank.backend).to_owned();
        ranks.extend(others);
        let fastest = ranks.iter().map(|rank| rank.ratio).fold(f64::INFINITY, f64::min);
        let longest = ranks.iter().map(|rank| rank.ratio).fold(1.0, f64::max);
        let rows = ranks.iter().take(LISTED).map(|rank| {
            let tone = if rank.ratio == fastest { Tone::Good } else { Tone::Plain };
            vec![
                Cell::from(rank.backend.as_str()).tone(tone),
                Cell::value(Some(rank.ratio / unit), ratio),
                format!("{} of {}", rank.best, ranking.cells).into(),
                bar(rank.ratio / longest * BAR).into(),
            ]
        });
        let columns = [
            Column::backend("backend"),
            Column::number("ratio"),
            Column::number("fastest in"),
            Column::words("").detail(),
        ];
        let left = ranks.len().saturating_sub(LISTED);
        let more = if left > 0 { format!("; {left} more in `attn rank`") } else { String::new() };
        let (timing, score, threads) =
            (ranking.timing, ranking.score, count(ranking.threads, "thread"));
        let cases = count(ranking.cells, "case");
        let title =
            format!("{timing}, {score}, {threads}: mean ratio to {of_whom} over {cases}{more}");
        self.prose("FASTEST", Tone::Plain, &title);
        self.table("", &Table::new("", columns).rows(rows));
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

/// The rows in which at least two were measured.
fn contests(mut rows: Vec<SideBySide>) -> Vec<SideBySide> {
    rows.retain(|row| row.rivals.iter().filter(|rival| rival.ns.is_some()).count() > 1);
    rows
}

/// Each case, by the last part of its path or by all of it, with who is the fastest, and who comes next.
fn contest_table(rows: &[SideBySide], short: bool) -> Table {
    let columns = [
        Column::id("case"),
        Column::words("fastest"),
        Column::number("time"),
        Column::words("next"),
        Column::number("ratio"),
    ];
    let rows = rows.iter().map(|row| {
        let mut rivals: Vec<&Rival> =
            row.rivals.iter().filter(|rival| rival.ns.is_some()).collect();
        rivals.sort_by(|a, b| a.ns.unwrap_or(0.0).total_cmp(&b.ns.unwrap_or(0.0)));
        let standing = |rival: &Rival| row.standing(&rival.backend);
        let (mut best, mut others): (Vec<&Rival>, Vec<&Rival>) =
            rivals.into_iter().partition(|rival| standing(rival) != Standing::Other);
        if best.is_empty() {
            best.extend(others.drain(..others.len().min(1)));
        }
        let names: Vec<&str> = best.iter().map(|rival| rival.backend.as_str()).collect();
        let tone = if row.winner.is_some() { Tone::Best } else { Tone::Tied };
        let next = others.first();
        vec![
            row.case.rsplit('/').next().filter(|_| short).unwrap_or(&row.case).into(),
            Cell::from(names.join(", ")).tone(tone),
            Cell::value(best.first().and_then(|rival| rival.ns), time),
            Cell::or_dash(next.map(|rival| rival.backend.clone())),
            next.map_or_else(|| Cell::count(None), |rival| to_fastest(rival, "")),
        ]
    });
    Table::new("", columns).rows(rows).notes([MARKS])
}

const MARKS: &str = "*: certainly the fastest; ~: the intervals do not tell these apart";

/// Who leads along which cases of each group.
fn group_table(winners: &[GroupWinner]) -> Table {
    let columns =
        [Column::id("cases"), Column::words(""), Column::prose("fastest"), Column::number("next")];
    let rows = winners.iter().take(2 * LISTED).map(|lead| {
        let tone = match (lead.leaders.len(), lead.ahead) {
            (1, None) => Tone::Plain,
            (1, Some(_)) => Tone::Best,
            _ => Tone::Tied,
        };
        vec![
            lead.group.clone().into(),
            lead.place().into(),
            Cell::from(lead.leaders.join(", ")).tone(tone),
            Cell::or_dash(lead.span()),
        ]
    });
    let left = winners.len().saturating_sub(2 * LISTED);
    let more = (left > 0).then(|| format!("and {left} more: `attn cmp` has every case"));
    let notes = more.into_iter().chain([MARKS.into()]);
    Table::new("", columns).rows(rows.collect::<Vec<_>>()).notes(notes)
}

/// A bar of so many characters, to an eighth of one.
fn bar(length: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (length * 8.0).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{checked, disturbed, sure as cell, with_outcome};

    fn facts() -> Facts<'static> {
        Facts {
            preset: "quick",
            took: Duration::from_millis(118_400),
            page: "runs/1/index.html".into(),
            next: vec![("attn cmp runs/1".into(), "every case")],
            ..Facts::default()
        }
    }

    fn text(records: &[Record]) -> String {
        overview(records, &facts(), Options::default())
    }

    #[test]
    fn an_overview_reads_like_this() {
        let refused = |case| with_outcome(cell(case, "c", 1.0), Outcome::Unsupported);
        let records = [
            cell("curated/models/bert", "a", 100.0),
            cell("curated/models/bert", "b", 400.0),
            refused("curated/models/bert"),
            cell("sweep/n=1", "a", 100.0),
            cell("sweep/n=1", "b", 900.0),
            refused("sweep/n=1"),
            checked("semantics/x", "b", 0.38),
        ];
        let expected = "\
Test CPU, 2 cores; attn 0.1.0 (release); preset quick, 7 cells in 118 s

QUIET    0 of 8 samples (0%) were disturbed; the fastest is certain in 2 of 2
         comparisons
RIGHT    all 5 results agree with the f64 oracle; the largest error is 38% of
         its bound (b on semantics/x)
FASTEST  kernel, scaled-dot, 1 thread: mean ratio to the fastest over 2 cases
         backend  ratio  fastest in
         a        1.00x      2 of 2  ████
         b        6.00x      0 of 2  ████████████████████████
LAYERS   case  fastest    time  next      ratio
         bert  a*       100 ns  b     4.00x ±0%
         *: certainly the fastest; ~: the intervals do not tell these apart
NOT RUN  2 unsupported (c): because of unsupported
PAGE     runs/1/index.html
NEXT     attn cmp runs/1  # every case
";
        assert_eq!(text(&records), expected);
    }

    #[test]
    fn what_is_wrong_failed_or_noisy_comes_with_its_reason() {
        let causal = |case: &str| {
            let mut record = with_outcome(checked(case, "b", 3.0), Outcome::Disagrees);
            record.problem.causal = Some(attn_core::Alignment::TopLeft);
            record
        };
        let long = "a reason that is longer than a line ".repeat(5);
        let mut failed = with_outcome(cell("g/3", "a", 1.0), Outcome::Error);
        failed.reason = Some(long.clone());
        let records = [
            causal("g/1"),
            causal("g/2"),
            checked("g/3", "b", 0.1),
            failed,
            disturbed("g/4", 5, 10),
        ];
        let text = text(&records);
        assert!(text.contains("\n! NOISY  5 of 10 samples (50%) were disturbed: others"), "{text}");
        assert!(
            text.contains("\nWRONG    2 of 4 results disagree with the f64 oracle\n"),
            "{text}"
        );
        let said = "b: 2 of 3 wrong, all of them causal, and none of the right ones; first g/1: because of disagrees";
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let holds = |part: &str| words(&text).windows(words(part).len()).any(|w| w == words(part));
        assert!(holds(said), "{text}");
        assert!(holds(&format!("error: a on g/3: {long}")), "no reason is cut off: {text}");
    }

    #[test]
    fn backends_of_ones_own_come_first_and_others_are_relative_to_them() {
        let records =
            [cell("g/1", "a", 100.0), cell("g/1", "mine", 200.0), cell("g/1", "b", 400.0)];
        let facts = Facts { own: vec!["mine".into()], ..facts() };
        let text = overview(&records, &facts, Options::default());
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
        assert!(place("mine      1.00x") < place("a        0.500x"), "{text}");
        assert!(text.contains("b         2.00x") && text.contains("mean ratio to mine"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_asked_and_colours_change_nothing_else() {
        let mut records = vec![disturbed("g/x", 1, 2)];
        for n in 1..20 {
            for (at, id) in ["a", "flash/avx512", "candle/composed"].iter().enumerate() {
                records.push(cell(
                    &format!("sweep/len-{}/n={n}", n % 4),
                    id,
                    (100 + at * n) as f64,
                ));
            }
        }
        for width in [40, 80, 140] {
            let plain = overview(&records, &facts(), Options { width, color: false });
            assert!(plain.lines().all(|line| line.chars().count() <= width), "{plain}");
            let colored = overview(&records, &facts(), Options { width, color: true });
            assert!(colored.contains("\x1b["));
            assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
        }
    }
}
