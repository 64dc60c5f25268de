//! Says on stderr what runs and how long is left.

use std::io;
use std::time::{Duration, Instant};

use attn_bench::run::{Cell, Entry, Folder, Observer, Preset};
use attn_bench::suite::Case;
use attn_record::{Record, merge_processes};
use indicatif::{ProgressBar, ProgressStyle};

use crate::print::shows_bars;

/// Collects records and shows a bar in a terminal, a line per group of cases elsewhere.
pub(crate) struct Progress<'a> {
    bar: Option<ProgressBar>,
    entries: &'a [Entry],
    preset: &'a Preset,
    folder: Option<&'a mut Folder>,
    records: Vec<Record>,
    /// Of processes, of the cells under way.
    partial: Vec<Record>,
    /// What is known of the cells that a resumed run tries again.
    open: Vec<Record>,
    /// Predicted time of what is done, and of all.
    predicted: [Duration; 2],
    /// Of it, what an interrupted run had done.
    previous: Duration,
    started: Instant,
    /// When it is over whatever is left.
    budget: Option<Duration>,
    group: String,
    /// When the last line was written.
    shown_at: Option<Instant>,
}

/// Without a terminal, lines are at least this far apart.
const BETWEEN_LINES: Duration = Duration::from_secs(2);

impl<'a> Progress<'a> {
    pub(crate) fn new(
        cells: &[Cell<'_>],
        entries: &'a [Entry],
        preset: &'a Preset,
        folder: Option<&'a mut Folder>,
    ) -> Self {
        let all = cells.iter().map(|cell| cell.predicted(entries, preset)).sum();
        // As wide as there is room, and no wider: a line that wraps is not rewritten.
        let style = "{bar:24} {percent}% {wide_msg}";
        let bar = shows_bars().then(|| {
            let style = ProgressStyle::with_template(style).expect("a constant template");
            ProgressBar::new(millis(all)).with_style(style.progress_chars("=> "))
        });
        Progress {
            bar,
            entries,
            preset,
            folder,
            records: Vec::with_capacity(cells.len()),
            partial: Vec::new(),
            open: Vec::new(),
            predicted: [Duration::ZERO, all],
            previous: Duration::ZERO,
            started: Instant::now(),
            budget: None,
            group: String::new(),
            shown_at: None,
        }
    }

    /// With a `budget` of time from now on.
    pub(crate) fn within(self, budget: Option<Duration>) -> Self {
        Progress { budget, ..self }
    }

    /// Counts the `previous` records of an interrupted run.
    pub(crate) fn resume(&mut self, cells: &[Cell<'_>], previous: &[Record]) {
        for cell in cells {
            let processes = previous.iter().filter(|record| cell.is_of(record, self.entries));
            (0..).zip(processes).for_each(|(round, _)| self.count(cell, round, false));
        }
        self.previous = self.predicted[0];
        self.partial.extend_from_slice(previous);
    }

    /// What is known of the cells that a resumed run tries again.
    pub(crate) fn open(&self) -> &[Record] {
        &self.open
    }

    /// Clears the bar and hands over the records: of an interrupted run, what is known of the cells under way too.
    pub(crate) fn finish(self) -> Vec<Record> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let mut records = self.records;
        records.extend(self.open);
        records.extend(merge_processes(&self.partial));
        records
    }

    fn say(&mut self, case: &str, what: &str) {
        let left = self.left();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{left}{case} {what}"));
            return;
        }
        let group = case.rsplit_once('/').map_or(case, |(group, _)| group);
        let is_early = self.shown_at.is_some_and(|at| at.elapsed() < BETWEEN_LINES);
        if group != self.group && !is_early {
            (self.group, self.shown_at) = (group.to_string(), Some(Instant::now()));
            let [done, all] = self.predicted.map(|time| time.as_secs_f64());
            let percent = if all > 0.0 { 100.0 * done / all } else { 100.0 };
            note!("[{percent:.0}%] {left}{group}");
        }
    }

    /// The predicted rest, scaled by how the prediction did so far, or that of the budget; nothing where more than was predicted
    /// is done.
    fn left(&self) -> String {
        let [done, all] = self.predicted.map(|time| time.as_secs_f64());
        let here = done - self.previous.as_secs_f64();
        let factor = if here > 1.0 { self.started.elapsed().as_secs_f64() / here } else { 1.0 };
        let rest = self.budget.map(|budget| budget.saturating_sub(self.started.elapsed()));
        let rest = rest.map_or(f64::INFINITY, |rest| rest.as_secs_f64());
        let seconds = ((all - done) * factor).min(rest).ceil() as u64;
        if seconds > 0 { format!("{seconds} s left, ") } else { String::new() }
    }

    /// Counts the part of a cell's predicted time that a process of the round takes; all that is left of it for the
    /// last.
    fn count(&mut self, cell: &Cell<'_>, round: u32, last: bool) {
        let processes = if cell.is_measured() { self.preset.processes.expected() } else { 1 };
        let left = processes.saturating_sub(round);
        let counted = if last { left } else { left.min(1) };
        self.predicted[0] += cell.predicted(self.entries, self.preset) * counted / processes;
        if let Some(bar) = &self.bar {
            bar.set_position(millis(self.predicted[0]));
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The steps of something that takes seconds: a line that is rewritten in a terminal, one line elsewhere.
pub(crate) struct Steps {
    what: &'static str,
    bar: Option<ProgressBar>,
    /// Without a terminal, when the last line was written; `None` if one line says it all.
    line: Option<Instant>,
}

impl Steps {
    pub(crate) fn new(what: &'static str) -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant template");
        let bar = shows_bars().then(|| ProgressBar::new_spinner().with_style(style));
        if bar.is_none() {
            note!("attn: {what}");
        }
        Steps { what, bar, line: None }
    }

    /// Of what is mostly over at once: without a terminal, nothing in the first seconds, then a line now and then.
    pub(crate) fn patient(what: &'static str) -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant template");
        let bar = shows_bars().then(|| ProgressBar::new_spinner().with_style(style));
        Steps { what, bar, line: Some(Instant::now()) }
    }

    pub(crate) fn say(&mut self, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {step}", self.what));
            bar.tick();
        } else if let Some(line) = &mut self.line
            && line.elapsed() >= BETWEEN_LINES
        {
            *line = Instant::now();
            note!("attn: {}: {step}", self.what);
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress<'_> {
    fn preparing(&mut self, case: &Case) {
        self.say(&case.id, "oracle");
    }

    fn started(&mut self, cell: &Cell<'_>, round: u32) {
        let backend = self.entries[cell.backend].backend.id();
        let what = if round == 0 {
            backend.to_string()
        } else {
            format!("{backend}, round {}", round + 1)
        };
        self.say(&cell.case.id, &what);
    }

    fn ended(
        &mut self,
        cell: &Cell<'_>,
        round: u32,
        record: &Record,
        last: bool,
    ) -> io::Result<()> {
        self.count(cell, round, last);
        self.partial.push(record.clone());
        self.folder.as_mut().map_or(Ok(()), |folder| folder.keep(record))
    }

    fn finished(
        &mut self,
        _: &[Cell<'_>],
        records: Vec<Record>,
        open: Vec<Record>,
    ) -> io::Result<()> {
        self.open.extend(open);
        if let Some(folder) = &mut self.folder {
            folder.append(&records, &self.open)?;
        }
        self.partial.clear();
        self.records.extend(records);
        Ok(())
    }
}
