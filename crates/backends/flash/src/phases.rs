//! Where the time of a call goes.

use std::time::{Duration, Instant};

/// A part of the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Transposing q, widening half types.
    Pack,
    /// `Q K^T`, with the maxima.
    Scores,
    /// What modifies scores; exponentials, sums, rescaling.
    Softmax,
    /// `P V`.
    Values,
    /// Dividing, transposing back, rounding; merging what several threads did of one row.
    Finish,
}

impl Phase {
    /// In the order in which they happen.
    pub const ALL: [Phase; 5] =
        [Phase::Pack, Phase::Scores, Phase::Softmax, Phase::Values, Phase::Finish];

    /// As in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Pack => "pack",
            Phase::Scores => "scores",
            Phase::Softmax => "softmax",
            Phase::Values => "values",
            Phase::Finish => "finish",
        }
    }
}

/// Time spent in each phase, all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([Duration; Phase::ALL.len()]);

impl Phases {
    /// Time spent in `phase`.
    pub const fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// Time spent in all of them.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// Adds another thread's times.
    pub(crate) fn add(&mut self, other: &Phases) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, other)| *sum += other);
    }
}

/// Is told when a phase has ended.
pub(crate) trait Clock {
    /// What has happened since the last call was `phase`.
    fn lap(&mut self, phase: Phase);
}

/// Does not look.
pub(crate) struct NoClock;

impl Clock for NoClock {
    #[inline(always)]
    fn lap(&mut self, _: Phase) {}
}

/// Adds up.
pub(crate) struct Stopwatch {
    last: Instant,
    phases: Phases,
}

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Stopwatch { last: Instant::now(), phases: Phases::default() }
    }

    /// What was added up.
    pub(crate) const fn phases(&self) -> Phases {
        self.phases
    }
}

impl Clock for Stopwatch {
    fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        self.phases.0[phase as usize] += now - self.last;
        self.last = now;
    }
}
