//! Says on stderr what runs and how long is left.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use attn_bench::run::{Cell, Entry, Observer, Preset};
use attn_bench::suite::Case;
use attn_record::Record;
use indicatif::{ProgressBar, ProgressStyle};

/// Collects records and shows a bar in a terminal, a line per group of cases elsewhere.
pub(crate) struct Progress<'a> {
    bar: Option<ProgressBar>,
    entries: &'a [Entry],
    preset: &'a Preset,
    keep: &'a mut dyn FnMut(&Record) -> io::Result<()>,
    records: Vec<Record>,
    total: usize,
    /// Predicted time of the processes done, and of all.
    predicted: [Duration; 2],
    started: Instant,
    group: String,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        cells: &[Cell<'_>],
        entries: &'a [Entry],
        preset: &'a Preset,
        keep: &'a mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Self {
        let all = cells.iter().map(|cell| cell.predicted(entries, preset)).sum();
        let style = "{bar:24} {pos}/{len} {msg}";
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(style).expect("a constant template");
            ProgressBar::new(cells.len() as u64).with_style(style.progress_chars("=> "))
        });
        Progress {
            bar,
            entries,
            preset,
            keep,
            records: Vec::with_capacity(cells.len()),
            total: cells.len(),
            predicted: [Duration::ZERO, all],
            started: Instant::now(),
            group: String::new(),
        }
    }

    /// Clears the bar and hands over the records.
    pub(crate) fn finish(self) -> Vec<Record> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.records
    }

    fn say(&mut self, case: &str, what: &str) {
        let left = self.left();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{left}{case} {what}"));
            return;
        }
        let group = case.rsplit_once('/').map_or(case, |(group, _)| group);
        if group != self.group {
            self.group = group.to_string();
            eprintln!("[{}/{}] {left}{group}", self.records.len(), self.total);
        }
    }

    /// The predicted rest, scaled by how the prediction did so far.
    fn left(&self) -> String {
        let [done, all] = self.predicted.map(|time| time.as_secs_f64());
        let pace = if done > 1.0 { self.started.elapsed().as_secs_f64() / done } else { 1.0 };
        let seconds = ((all - done) * pace).ceil().max(0.0) as u64;
        format!("{seconds} s left, ")
    }
}

/// The steps of something that takes seconds: a line that is rewritten in a terminal, one line elsewhere.
pub(crate) struct Steps {
    what: &'static str,
    bar: Option<ProgressBar>,
}

impl Steps {
    pub(crate) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("a constant template");
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(style));
        if bar.is_none() {
            eprintln!("attn: {what}");
        }
        Steps { what, bar }
    }

    pub(crate) fn say(&mut self, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {step}", self.what));
            bar.tick();
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

    fn started(&mut self, cell: &Cell<'_>) {
        let backend = self.entries[cell.backend].backend.id();
        self.say(&cell.case.id, backend.as_str());
    }

    fn ended(&mut self, cell: &Cell<'_>) {
        let processes = if cell.is_measured() { self.preset.processes } else { 1 };
        self.predicted[0] += cell.predicted(self.entries, self.preset) / processes;
    }

    fn finished(&mut self, _cell: &Cell<'_>, record: Record) -> io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        (self.keep)(&record)?;
        self.records.push(record);
        Ok(())
    }
}
