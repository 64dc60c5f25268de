//! Why a time cannot be that of the computation.

use attn_core::{BackendInfo, DType, Work};
use serde::{Deserialize, Serialize};

use super::{Seen, SeenProcess};
use crate::limits::{Ceilings, any_core};
use crate::{Outcome, Record, stats};

/// Why a time cannot be that of the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// More operations, or more bytes, a second than the machine can do.
    Ceiling,
    /// A sample is too short for the clock.
    Resolution,
    /// The clock that took the samples does not tell the time of the kernel's.
    Clock,
    /// Each of many calls took less time than any call alone.
    Linearity,
    /// The first call on other inputs takes longer than those that follow.
    Fresh,
    /// `load` or `store` do more than copy.
    Escaped,
    /// More processor time than the threads that were allowed have.
    Processor,
    /// The first call does what belongs to `prepare`.
    FirstCall,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 8] = [
        Rule::Ceiling,
        Rule::Resolution,
        Rule::Clock,
        Rule::Linearity,
        Rule::Fresh,
        Rule::Escaped,
        Rule::Processor,
        Rule::FirstCall,
    ];

    /// In a few letters, for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Ceiling => "ceiling",
            Rule::Resolution => "resolution",
            Rule::Clock => "clock",
            Rule::Linearity => "linearity",
            Rule::Fresh => "fresh call",
            Rule::Escaped => "escaped work",
            Rule::Processor => "processor time",
            Rule::FirstCall => "first call",
        }
    }
}

/// A rule that a measurement breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The rule.
    pub rule: Rule,
    /// What was seen, and what may be at most.
    pub detail: String,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.detail)
    }
}

/// A measured rate may exceed the measured ceiling by so much: both are taken on a machine that is never twice the same.
const CEILING: f64 = 1.05;

/// A sample lasts at least so many steps of the clock.
const STEPS: u64 = 1000;

impl Doubt {
    /// If calls of `call_ns` nanoseconds that do `work` on `threads` threads are faster than the machine.
    pub fn of_rate(
        ceilings: &Ceilings,
        work: &Work,
        dtype: DType,
        threads: usize,
        call_ns: f64,
    ) -> Option<Self> {
        let bytes = work.bytes.0;
        let limits = [
            ("GFLOP/s", work.flops.0 as f64, ceilings.gflops(dtype, threads)),
            ("GB/s", bytes as f64, ceilings.gb_per_s(bytes, threads)),
        ];
        limits.into_iter().find_map(|(unit, amount, most)| {
            let (rate, most) = (amount / call_ns, most?);
            (rate > CEILING * most).then(|| Doubt {
                rule: Rule::Ceiling,
                detail: format!(
                    "{rate:.1} {unit} are more than the {most:.1} that this machine can do in {dtype} with {threads} threads"
                ),
            })
        })
    }
}

impl Record {
    /// Why the time of this record cannot be that of the computation, if it has one that was right.
    pub fn doubt(&self, ceilings: Option<&Ceilings>) -> Option<Doubt> {
        let (measurement, timing) = (self.measurement()?, self.timing?);
        let processes = &measurement.processes;
        let shortest = processes.iter().flat_map(|process| &process.samples_ns).min()?;
        if *shortest < STEPS.saturating_mul(measurement.clock_ns) {
            let (shortest, step) = (duration(*shortest as f64), measurement.clock_ns);
            let detail =
                format!("a sample of {shortest}, at least {STEPS} steps of {step} ns are expected");
            return Some(Doubt { rule: Rule::Resolution, detail });
        }
        let audits = || processes.iter().filter_map(|process| process.audit.as_ref());
        let on_processor = match audits().next() {
            Some(audit) => !audit.on_device,
            None => self.info.as_ref().is_none_or(BackendInfo::on_processor),
        };
        if let (true, Some(call_ns)) = (on_processor && timing.calls(), measurement.median_ns())
            && let Some(doubt) = self.doubt_of_rate(ceilings, call_ns)
        {
            return Some(doubt);
        }
        let seen = processes.iter().filter_map(|process| {
            let call_ns = stats::median(&process.per_call_ns())?;
            Some(SeenProcess { audit: process.audit.as_ref()?, reps: process.reps, call_ns })
        });
        let (processes, call_ns) = (seen.collect(), measurement.median_ns()?);
        Seen { processes, call_ns, threads: self.threads }.doubt()
    }

    /// If calls of `call_ns` nanoseconds are faster than the machine, or than any.
    fn doubt_of_rate(&self, ceilings: Option<&Ceilings>, call_ns: f64) -> Option<Doubt> {
        let (work, dtype, threads) = (&self.work, self.dtype(), self.threads);
        let of_this = |ceilings| Doubt::of_rate(ceilings, work, dtype, threads, call_ns);
        ceilings.and_then(of_this).or_else(|| {
            let (rate, most) = (work.flops.0 as f64 / call_ns, any_core(&self.machine.arch, dtype));
            (rate > most * threads as f64).then(|| Doubt {
                rule: Rule::Ceiling,
                detail: format!(
                    "{rate:.1} GFLOP/s are more than {threads} cores of any processor do in {dtype}, {most} each"
                ),
            })
        })
    }

    /// The record as it is to be read: a time that cannot be is none.
    #[must_use]
    pub fn doubted(mut self, ceilings: Option<&Ceilings>) -> Self {
        if let Some(doubt) = self.doubt(ceilings) {
            self.outcome = Outcome::Implausible;
            self.reason = Some(doubt.to_string());
        }
        self
    }
}

/// Nanoseconds as people write them.
pub(super) fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
