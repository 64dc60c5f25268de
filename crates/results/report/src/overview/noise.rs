//! How calm the machine was.

use attn_analysis::certainty::is_too_wide;
use attn_analysis::disturbance::Disturbance;
use attn_record::Record;

use crate::format::{count, percent};
use crate::table::Tone;

/// A run is noisy if the intervals of more than this share of its times are too wide for figures.
const MANY: f64 = 0.1;

/// What disturbed the times.
pub(super) struct Noise {
    found: Option<Disturbance>,
    /// Times.
    times: usize,
    /// Of them, those whose intervals are too wide for figures.
    wide: usize,
}

impl Noise {
    pub(super) fn of(records: &[&Record]) -> Self {
        let timed = records.iter().filter_map(|r| Some((r.interval()?.interval, r.median_ns()?)));
        let timed: Vec<bool> = timed.map(|(interval, ns)| is_too_wide(interval, ns)).collect();
        let wide = timed.iter().filter(|&&wide| wide).count();
        Noise { found: Disturbance::of(records.iter().copied()), times: timed.len(), wide }
    }

    /// Whether many times vary too much.
    fn varies(&self) -> bool {
        self.wide as f64 > MANY * self.times as f64
    }

    /// What was disturbed, if that is much.
    fn disturbed(&self) -> Option<&Disturbance> {
        self.found.as_ref().filter(|found| found.warning.is_some())
    }

    pub(super) fn label(&self) -> (&'static str, Tone) {
        match &self.found {
            _ if self.disturbed().is_some() || self.varies() => ("! NOISY", Tone::Disturbed),
            Some(_) => ("QUIET", Tone::Good),
            None => ("TIMES", Tone::Plain),
        }
    }

    /// What was disturbed and what to do, or how little it was.
    pub(super) fn line(&self) -> Option<String> {
        let why = self.disturbed().map(|found| {
            let (share, samples) = (percent(found.share()), count(found.samples, "sample"));
            format!("{share} of {samples} were disturbed by other programs")
        });
        let vary = self.varies().then(|| {
            let times = count(self.times, "time");
            format!("{} of {times} vary too much between processes", self.wide)
        });
        let noisy: Vec<String> = why.into_iter().chain(vary).collect();
        if noisy.is_empty() {
            return self.found.as_ref().map(Disturbance::line);
        }
        let advice = "quiet the machine and measure again, or for longer";
        Some([&noisy.join(", "), advice].join(": "))
    }
}
