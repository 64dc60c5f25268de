//! First calls on other inputs: how their times are read, and which of them counts.

use super::Fresh;
use crate::stats;

/// Of so many moments the second fastest counts.
const MANY: usize = 8;
/// Calls before a first one say what it may take if they take this much of the usual time at most; of that in their process, if there
/// are none.
const SIMILAR: f64 = 1.1;
/// So many of them are enough to say so alone.
const PAIRS: usize = 4;
/// New pages may take this share of `load` or of a first call, at most.
const PAGED: f64 = 0.3;
/// Reading the kernel's accounts takes processor time itself: this much at most, nanoseconds.
const LOOK_NS: f64 = 10_000.0;

/// What a first call is read with.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Threads that were allowed.
    pub(super) threads: f64,
    /// Whether a device computes: processors wait then.
    pub(super) on_device: bool,
    /// What a new page takes, nanoseconds.
    pub(super) fault_ns: f64,
}

impl Reading {
    /// The time of `load`, of the call and of `store` without what others had of the processor, and without what the system
    /// took for new pages: they are new where `load` gave the old ones back. It is no less than each thread's part of the processor time, of
    /// which reading that time takes a little.
    pub(super) fn times(self, fresh: &Fresh) -> [f64; 3] {
        let wall = [fresh.load_ns, fresh.call_ns, fresh.store_ns];
        let waited = fresh.waited_ns.unwrap_or_default();
        let faults = [fresh.load_faults, fresh.call_faults, 0];
        [0, 1, 2].map(|at| {
            let processor_ns = fresh.processor_ns.filter(|_| !self.on_device);
            let part = processor_ns.map_or(0.0, |ns| (ns[at] as f64 - LOOK_NS) / self.threads);
            let ns = part.max(wall[at].saturating_sub(waited[at]) as f64);
            ns - (faults[at] as f64 * self.fault_ns).min(PAGED * ns)
        })
    }
}

/// A first call on other inputs.
#[derive(Clone, Copy)]
pub(super) struct FirstCall<'a> {
    pub(super) fresh: &'a Fresh,
    /// The time of a call in its process, nanoseconds.
    pub(super) usual_ns: f64,
}

impl FirstCall<'_> {
    /// Whether calls before it were timed, and took no more than about `usual_ns`.
    fn follows(&self, usual_ns: f64) -> bool {
        let before_ns = self.fresh.before_ns as f64;
        before_ns > 0.0 && before_ns <= SIMILAR * usual_ns
    }
}

/// First calls on other inputs, and what is allowed.
pub(super) struct FirstCalls<'a> {
    pub(super) calls: Vec<FirstCall<'a>>,
    /// What they are compared with: so many times a call just before.
    pub(super) times: f64,
    /// Nanoseconds that the shortest may take.
    pub(super) most: f64,
}

impl FirstCalls<'_> {
    /// What the times that `of` reads are said to be, where calls take `call_ns`.
    ///
    /// What slows the machine down for a while slows down the calls just before, too. So where most of these took no longer than usual, it
    /// is the time of a call and the lower quartile of what first calls take beyond `times` the calls before them. Else the least of the
    /// times, or, if that is less, the same with the median.
    pub(super) fn shortest(
        &self,
        call_ns: f64,
        reading: Reading,
        of: impl Fn([f64; 3]) -> f64,
    ) -> f64 {
        let FirstCalls { calls, times, .. } = self;
        let read = |first: &FirstCall| of(reading.times(first.fresh));
        let beyond = |follows: &dyn Fn(&FirstCall) -> bool| -> Vec<f64> {
            let after = calls.iter().filter(|first| follows(first));
            let beyond = after.map(|first| read(first) - times * first.fresh.before_ns as f64);
            let mut beyond: Vec<f64> = beyond.collect();
            beyond.sort_unstable_by(f64::total_cmp);
            beyond
        };
        let usual = times * call_ns;
        let similar = beyond(&|first| first.follows(call_ns));
        let timed = calls.iter().filter(|first| first.fresh.before_ns > 0).count();
        // A few of many are those that happened to be fast.
        if similar.len() >= PAIRS && 2 * similar.len() > timed {
            return usual + similar[(similar.len() - 1) / 4];
        }
        // Nor do calls that are much slower than what is shown: a kernel may compute around first calls, or before them, and else not. A
        // process that is slow as a whole is another thing.
        let beyond = if similar.is_empty() {
            let there = beyond(&|first| first.follows(first.usual_ns));
            if 2 * there.len() > calls.len() { there } else { Vec::new() }
        } else {
            similar
        };
        let beside = stats::median(&beyond).map(|beyond| usual + beyond);
        beside.into_iter().fold(low(calls.iter().map(read)), f64::min)
    }
}

/// The least; of many the second, since what a kernel ventured once, or by chance, says nothing of the others.
pub(super) fn low(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = usize::from(times.len() >= MANY);
    times.get(at).copied().unwrap_or(0.0)
}
