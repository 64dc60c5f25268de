//! Says on stderr how a gate goes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use attn_bench::worker::CellId;
use attn_gate::judge::Stage;
use attn_gate::run::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::print::shows_bars;
use crate::session::INTERRUPTED;

/// A line that changes in a terminal, a line per part elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    part: String,
    rounds: usize,
    started: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = shows_bars().then(|| {
            let style = ProgressStyle::with_template("{msg}").expect("a constant template");
            ProgressBar::new_spinner().with_style(style)
        });
        Progress { bar, part: String::new(), rounds: 0, started: Instant::now() }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says `line`; without a terminal only if a new `part` begins.
    fn say(&mut self, part: &str, line: &str) {
        let seconds = self.started.elapsed().as_secs();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("[{seconds} s] {line}"));
            bar.tick();
        } else if self.part != part {
            note!("[{seconds} s] {line}");
        }
        self.part = part.into();
    }
}

impl Observer for Progress {
    fn checking(&mut self, cell: &CellId, at: usize, of: usize) -> bool {
        self.say("check", &format!("check {at}/{of} {cell}"));
        !INTERRUPTED.load(Ordering::Relaxed)
    }

    fn round(&mut self, stage: Stage, cases: usize) -> bool {
        let part = match stage {
            Stage::Screen => "screen",
            Stage::Confirm => "confirm",
        };
        self.rounds = if self.part == part { self.rounds + 1 } else { 1 };
        self.say(part, &format!("{part}, replicate {} of {cases} cases", self.rounds));
        !INTERRUPTED.load(Ordering::Relaxed)
    }
}
