//! Times of single steps, with what the system's accounts say of each.

use std::hint::black_box;
use std::time::{Duration, Instant};

use attn_core::{BackendError, Variation};
use attn_record::Fresh;
use attn_sys::sched::Waits;
use attn_sys::usage;

use super::sampling::nanos;

/// A step: `load`, a call, or `store`.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Nanoseconds of a clock.
    ns: u64,
    /// Processor time of all threads, nanoseconds.
    processor_ns: Option<u64>,
    /// How long the thread that timed it was ready to run and did not, nanoseconds.
    waited_ns: Option<u64>,
    /// Pages of memory that were touched for the first time.
    faults: u64,
}

impl Step {
    /// A step that is part of another one.
    pub(super) const NONE: Step =
        Step { ns: 0, processor_ns: Some(0), waited_ns: Some(0), faults: 0 };

    /// Nanoseconds of a clock.
    pub(super) const fn ns(&self) -> u64 {
        self.ns
    }

    /// Nanoseconds of a clock without those that others had of the processor.
    pub(super) fn own_ns(&self) -> u64 {
        let waited_ns = self.waited_ns.filter(|_| !usage::has_children()).unwrap_or(0);
        self.ns.saturating_sub(waited_ns)
    }

    /// The longer of two.
    pub(super) fn longer(self, other: Step) -> Step {
        if other.ns > self.ns { other } else { self }
    }
}

/// What is noted of a first call on other inputs.
pub(super) fn fresh([load, call, store]: [Step; 3], variation: Variation) -> Fresh {
    let of_all = |of: fn(&Step) -> Option<u64>| Some([of(&load)?, of(&call)?, of(&store)?]);
    Fresh {
        load_ns: load.ns,
        call_ns: call.ns,
        store_ns: store.ns,
        rotated: matches!(variation, Variation::Rotation(_)),
        before_ns: 0,
        processor_ns: of_all(|step| step.processor_ns),
        // Children may have had the processor.
        waited_ns: of_all(|step| step.waited_ns).filter(|_| !usage::has_children()),
        load_faults: load.faults,
        call_faults: call.faults,
    }
}

/// Reads the accounts once between two steps.
pub(super) struct Meter {
    waits: Waits,
    last: Reading,
}

#[derive(Clone, Copy)]
struct Reading {
    processor: Option<Duration>,
    waited: Option<Duration>,
    faults: u64,
}

impl Meter {
    /// Of the calling thread and its process, from now on.
    pub(super) fn start() -> Self {
        let waits = Waits::of_this_thread();
        Meter { last: read(&waits), waits }
    }

    /// What was done since the last step is no part of the next.
    pub(super) fn restart(&mut self) {
        self.last = read(&self.waits);
    }

    /// Times `work`.
    pub(super) fn time(
        &mut self,
        work: impl FnOnce() -> Result<(), BackendError>,
    ) -> Result<Step, BackendError> {
        let (ns, done) = timed(work);
        let now = read(&self.waits);
        let since = |before: Option<Duration>, now: Option<Duration>| {
            Some(nanos(now?.saturating_sub(before?)))
        };
        let step = Step {
            ns,
            processor_ns: since(self.last.processor, now.processor),
            waited_ns: since(self.last.waited, now.waited),
            faults: now.faults.saturating_sub(self.last.faults),
        };
        self.last = now;
        done.map(|()| step)
    }
}

fn read(waits: &Waits) -> Reading {
    Reading { processor: usage::processor(), waited: waits.so_far(), faults: usage::page_faults() }
}

/// Nanoseconds that `work` takes, and what it makes.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let start = Instant::now();
    let made = black_box(work());
    (nanos(start.elapsed()), made)
}
