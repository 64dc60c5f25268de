//! The tables of an overview.

use attn_analysis::compare::{GroupWinner, Rank, Ranking, Rival, SideBySide, Standing};

use crate::format::{ratio, time};
use crate::sentences::{self, cases_won};
use crate::table::{Cell, Column, Table, Tone, to_fastest};

/// Characters of the longest bar.
const BAR: f64 = 24.0;
const MARKS: &str = "*: certainly the fastest; ~: the intervals do not tell these apart";

/// `ranks` in units of the first, with bars as long as their times.
pub(super) fn ranking_table(ranking: &Ranking, ranks: &[&Rank]) -> Table {
    let unit = ranks.first().map_or(1.0, |rank| rank.ratio);
    let fastest = ranks.iter().map(|rank| rank.ratio).fold(f64::INFINITY, f64::min);
    let longest = ranks.iter().map(|rank| rank.ratio).fold(1.0, f64::max);
    let rows = ranks.iter().map(|rank| {
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
    Table::new("", columns).rows(rows)
}

/// The first cases, at `most` so many, by the last part of their paths or by all of them, with who is the fastest, and who
/// comes next.
pub(super) fn contest_table(rows: &[SideBySide], most: usize, short: bool) -> Table {
    let columns = [
        Column::id("case"),
        Column::words("fastest"),
        Column::number("time"),
        Column::words("next"),
        Column::number("ratio"),
    ];
    let cells = rows.iter().take(most).map(|row| {
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
            next.map_or_else(|| Cell::count(None), |rival| to_fastest(rival, Tone::Plain)),
        ]
    });
    Table::new("", columns).rows(cells).notes(notes(rows.len(), most))
}

/// Who leads along which cases of each group: of the first of them, at `most` so many.
pub(super) fn group_table(winners: &[GroupWinner], most: usize) -> Table {
    let columns =
        [Column::id("cases"), Column::words(""), Column::prose("fastest"), Column::number("next")];
    let rows = winners.iter().take(most).map(|lead| {
        let tone = match (lead.leaders.len(), lead.ahead) {
            (1, None) => Tone::Plain,
            (1, Some(_)) => Tone::Best,
            _ => Tone::Tied,
        };
        vec![
            lead.group.clone().into(),
            cases_won(lead).into(),
            Cell::from(lead.leaders.join(", ")).tone(tone),
            Cell::or_dash(sentences::lead(lead)),
        ]
    });
    Table::new("", columns).rows(rows).notes(notes(winners.len(), most))
}

/// What is left out of so many rows, and what the marks mean.
fn notes(rows: usize, most: usize) -> Vec<String> {
    let left = rows.saturating_sub(most);
    let more = (left > 0).then(|| format!("and {left} more: `attn cmp` has every case"));
    more.into_iter().chain([MARKS.into()]).collect()
}

/// A bar of so many characters, to an eighth of one.
fn bar(length: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (length * 8.0).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}
