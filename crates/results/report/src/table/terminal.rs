//! Tables in a terminal.

use anstyle::{AnsiColor, Style};

use super::{Cell, Column, Look, Table, Tone, wrap};
use crate::format::{shorten, shorten_middle};

/// Before every line but titles.
const INDENT: &str = "  ";
/// Between columns.
const GAP: &str = "  ";
/// Characters of a column of words that are left at least.
const NARROWEST: usize = 4;
/// Lines of a cell whose column is narrower than it, at most: longer text loses its middle.
const LINES: usize = 8;

/// How a table is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Characters that no line exceeds, at least 24.
    pub width: usize,
    /// Whether what stands out does so by colours, too.
    pub color: bool,
}

impl Options {
    /// Characters that no line exceeds.
    pub(crate) fn columns(self) -> usize {
        self.width.max(24)
    }

    /// `text` in the colours of `tone`.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let style = if self.color { style(tone) } else { Style::new() };
        format!("{style}{text}{style:#}")
    }

    /// `text` as a heading.
    pub(crate) fn heading(self, text: &str) -> String {
        let style = if self.color { Style::new().bold() } else { Style::new() };
        format!("{style}{text}{style:#}")
    }
}

impl Default for Options {
    /// For a file or a pipe.
    fn default() -> Self {
        Options { width: 80, color: false }
    }
}

/// Colours that terminals let their users choose.
const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain | Tone::Tied => Style::new(),
        Tone::Muted => Style::new().dimmed(),
        Tone::Best => AnsiColor::Green.on_default().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Disturbed | Tone::Unexpected => AnsiColor::Yellow.on_default(),
    }
}

impl Table {
    /// For a terminal. Columns of details are shown as far as there is room, paths by group where there is none for them;
    /// a name that is the one above it is left out.
    pub fn terminal(&self, options: Options) -> String {
        let table = self.distinct();
        let by_group = table.by_group();
        let (wide, narrow) = (table.needed(), by_group.needed());
        let room = options.columns() - INDENT.len();
        if wide > room && narrow < wide { by_group.lines(options) } else { table.lines(options) }
    }

    /// Characters of a line with everything that is no detail.
    fn needed(&self) -> usize {
        let shown = (0..self.columns.len()).filter(|&at| !self.columns[at].detail);
        shown.map(|at| self.width(at) + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
    }

    fn lines(&self, options: Options) -> String {
        let width = options.columns();
        let mut text = String::new();
        if !self.title.is_empty() {
            text += &(options.heading(&shorten(&self.title, width)) + "\n");
        }
        if !self.rows.is_empty() {
            let parts = self.parts(options);
            text += &parts.iter().map(Part::text).collect::<Vec<_>>().join("\n");
        }
        let lines = self.notes.iter().map(|note| wrap(note, INDENT, 2 * INDENT.len(), width));
        text + &lines.collect::<String>()
    }

    /// The columns, as many parts below each other as it takes.
    fn parts(&self, options: Options) -> Vec<Part<'_>> {
        let width = options.columns() - INDENT.len();
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let needed = |shown: &[usize]| {
            shown.iter().map(|&at| widths[at] + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
        };
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        while needed(&shown) > width {
            let Some(last) = shown.iter().rposition(|&at| self.columns[at].detail) else { break };
            shown.remove(last);
        }
        let (first, others) = shown.split_at(self.repeated.min(shown.len()));
        let mut parts = vec![first.to_vec()];
        for &at in others {
            let part = parts.last_mut().expect("there is a first part");
            part.push(at);
            if self.repeated > 0 && needed(part) > width && part.len() > first.len() + 1 {
                part.pop();
                parts.push(first.iter().copied().chain([at]).collect());
            }
        }
        let part = |shown: Vec<usize>| {
            let over = needed(&shown).saturating_sub(width);
            let place = |&at: &usize| Place { at, width: widths[at], marked: self.is_marked(at) };
            let mut shown: Vec<Place> = shown.iter().map(place).collect();
            self.narrow(&mut shown, over);
            Part { table: self, shown, options, width }
        };
        parts.into_iter().map(part).collect()
    }

    /// Takes `over` characters from the widest columns of words: figures are whole or nothing.
    fn narrow(&self, shown: &mut [Place], over: usize) {
        for _ in 0..over {
            let words = shown.iter_mut().filter(|place| {
                self.columns[place.at].look != Look::Number && place.width > NARROWEST
            });
            match words.max_by_key(|place| place.width) {
                Some(widest) => widest.width -= 1,
                None => break,
            }
        }
    }

    /// Characters of the widest cell of a column.
    fn width(&self, at: usize) -> usize {
        let marked = self.is_marked(at);
        let own =
            self.rows.iter().filter(|row| at + 1 < row.len() || row.len() == self.columns.len());
        let cells = own.map(|row| row[at].text.chars().count() + usize::from(marked));
        let widest = cells.chain([self.columns[at].name.chars().count()]).max().unwrap_or(0);
        widest.min(WIDEST)
    }

    /// Whether a cell of the column has a mark behind it, so that the others leave room for one.
    fn is_marked(&self, at: usize) -> bool {
        self.rows.iter().filter_map(|row| row.get(at)).any(|cell| !cell.tone.mark().is_empty())
    }
}

/// A column as it is shown.
#[derive(Clone, Copy)]
struct Place {
    /// Its place in the table.
    at: usize,
    /// Its characters.
    width: usize,
    /// Whether there is room for a mark behind its cells.
    marked: bool,
}

/// Characters that a cell can be padded to, at most.
pub(super) const WIDEST: usize = u16::MAX as usize;

/// Columns that fit beside each other.
struct Part<'a> {
    table: &'a Table,
    shown: Vec<Place>,
    options: Options,
    /// Characters of a line.
    width: usize,
}

impl Part<'_> {
    fn text(&self) -> String {
        let head = self.shown.iter().map(|place| {
            let column = &self.table.columns[place.at];
            (pad(&shorten_middle(&column.name, place.width), column, place.width), Tone::Muted)
        });
        let mut text = self.line(&head.collect::<Vec<_>>());
        let mut above = None;
        for row in &self.table.rows {
            text += &self.row(row, above);
            above = row.first();
        }
        text
    }

    fn row(&self, row: &[Cell], above: Option<&Cell>) -> String {
        let columns = &self.table.columns;
        // The place of the cell that covers the rest of the line.
        let rest = (row.len() < columns.len()).then(|| row.len().saturating_sub(1));
        let before = self.shown.iter().filter(|place| rest.is_none_or(|rest| place.at < rest));
        let cells: Vec<(Vec<String>, Place, Tone)> = before
            .map(|&place| {
                let (cell, column) = (&row[place.at], &columns[place.at]);
                let again = place.at == 0 && matches!(column.look, Look::Id | Look::Backend);
                if again && above.is_some_and(|above| above.text == cell.text) {
                    return (vec![String::new()], place, Tone::Plain);
                }
                let mark = match cell.tone.mark() {
                    "" if place.marked => " ",
                    mark => mark,
                };
                (fold(&(cell.text.clone() + mark), column, place.width), place, cell.tone)
            })
            .collect();
        let rest = rest.and_then(|rest| Some((row.get(rest)?.text.clone(), row[rest].tone)));
        let height = cells.iter().map(|(lines, ..)| lines.len()).max().unwrap_or(1);
        let lines = (0..height).map(|at| {
            let part = |(lines, place, tone): &(Vec<String>, Place, Tone)| {
                let text = lines.get(at).map_or("", String::as_str);
                let tone = if text.is_empty() { Tone::Plain } else { *tone };
                (pad(text, &columns[place.at], place.width), tone)
            };
            let mut parts: Vec<(String, Tone)> = cells.iter().map(part).collect();
            parts.extend(rest.clone().filter(|_| at == 0));
            self.line(&parts)
        });
        lines.collect()
    }

    fn line(&self, cells: &[(String, Tone)]) -> String {
        let text = cells.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(GAP);
        let text = text.trim_end();
        if !self.options.color || text.chars().count() > self.width {
            return [INDENT, &shorten(text, self.width), "\n"].concat();
        }
        let cells = cells.iter().map(|(text, tone)| self.options.paint(*tone, text));
        [INDENT, cells.collect::<Vec<_>>().join(GAP).trim_end(), "\n"].concat()
    }
}

/// `text` on as many lines as it takes; figures are whole.
fn fold(text: &str, column: &Column, width: usize) -> Vec<String> {
    if column.look == Look::Number || text.chars().count() <= width {
        return vec![text.into()];
    }
    let words = text.trim_start();
    let indent = text.len() - words.len();
    let words = shorten_middle(words, LINES * width.saturating_sub(indent));
    let lines = wrap(&words, &" ".repeat(indent), indent, width);
    lines.lines().map(String::from).collect()
}

fn pad(text: &str, column: &Column, width: usize) -> String {
    match column.look {
        Look::Number => format!("{text:>width$}"),
        Look::Id | Look::Backend | Look::Words | Look::Prose => format!("{text:<width$}"),
    }
}
