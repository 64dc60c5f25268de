//! What is noted beside the samples of a process, so that its time can be doubted.

use attn_core::{DType, Receipt, Work};
use serde::{Deserialize, Serialize};

use crate::limits::Ceilings;
use crate::{Outcome, Record, stats};

/// What a process did apart from its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Drawn by this process: of the other inputs that it was given, and of the moments when.
    pub seed: u64,
    /// Processor time of the first `load` and the first call after the plan was made, nanoseconds; absent where the system does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_call_ns: Option<u64>,
    /// Of the fastest call of the warm-up, each timed alone, nanoseconds.
    pub single_ns: u64,
    /// Of copying all operands and the result once, nanoseconds.
    pub copy_ns: u64,
    /// Of a page of memory that is touched for the first time, nanoseconds; 0 where it is not known.
    #[serde(default)]
    pub fault_ns: u64,
    /// The first calls on other inputs, at moments that the seed draws.
    pub fresh: Vec<Fresh>,
    /// Of storing the last result, nanoseconds.
    pub store_ns: u64,
    /// Of all samples and what is between them: wall time, by the kernel's own clock, nanoseconds; 0 where it is not known.
    pub wall_ns: u64,
    /// The same by the clock that takes samples.
    pub clock_ns: u64,
    /// Processor time of all threads meanwhile.
    pub processor_ns: u64,
    /// Processor time of children meanwhile.
    pub children_ns: u64,
    /// Whether a device computed, as the harness knows, whatever the receipt says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_device: bool,
    /// How often samples were thrown away because calls became faster meanwhile.
    pub restarts: u32,
}

/// One load of other inputs, the first call on them, and where its result is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fresh {
    /// Time of `load`, nanoseconds; 0 where it is part of a call.
    pub load_ns: u64,
    /// Time of one call.
    pub call_ns: u64,
    /// Time of `store`, after some further calls, likewise.
    pub store_ns: u64,
    /// Whether the inputs were others altogether, not the same with other signs.
    pub rotated: bool,
    /// What a call took just before, nanoseconds; 0 where no call was timed before.
    #[serde(default)]
    pub before_ns: u64,
    /// Processor time of `load`, of the call and of `store`, all threads together; absent where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_ns: Option<[u64; 3]>,
    /// Of the same, how long the thread that called was ready to run and did not: others had the processor. Absent where the system
    /// does not say, and where children of the process may have had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ns: Option<[u64; 3]>,
    /// Pages of memory that `load` touched for the first time.
    #[serde(default)]
    pub load_faults: u64,
    /// Those of the call.
    #[serde(default)]
    pub call_faults: u64,
}

impl Fresh {
    /// The result was stored once more, in so many nanoseconds of a clock: the longer time counts.
    pub fn store_again(&mut self, store_ns: u64) {
        if store_ns > self.store_ns {
            self.store_ns = store_ns;
            if let Some([.., waited]) = &mut self.waited_ns {
                *waited = 0;
            }
        }
    }
}

/// What a first call is read with.
#[derive(Clone, Copy)]
struct Reading {
    /// Threads that were allowed.
    threads: f64,
    /// Whether a device computes: processors wait then.
    on_device: bool,
    /// What a new page takes, nanoseconds.
    fault_ns: f64,
}

impl Reading {
    /// The time of `load`, of the call and of `store` without what others had of the processor, and without what the system
    /// took for new pages: they are new where `load` gave the old ones back. It is no less than each thread's part of the processor time, of
    /// which reading that time takes a little.
    fn times(self, fresh: &Fresh) -> [f64; 3] {
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

/// Both clocks may differ by this share.
const CLOCKS: f64 = 0.02;
/// One call alone may take so many times as long as each of many.
const ALONE: f64 = 1.5;
/// The first call on other inputs likewise, if there are enough of them,
const FRESH: f64 = 1.07;
/// which is so many,
const ENOUGH: usize = 10;
/// and else, when each of them may well have been disturbed;
const FEW: f64 = 1.3;
/// and where the inputs are others altogether, with which a kernel may have more to do.
const ROTATED: f64 = 1.4;
/// New pages may take this share of `load` or of a first call, at most,
const PAGED: f64 = 0.3;
/// and each of them so many nanoseconds.
const FAULT_NS: f64 = 5_000.0;
/// Operands that the caches do not hold slow a call down by what copying them takes, but by no more than this share of it.
const COLD: f64 = 0.15;
/// `load` and `store` together may take so many copies of the same bytes,
const COPIES: f64 = 4.0;
/// so many more of what one copy takes beyond this, nanoseconds: memory of that size is given back to the system when it is freed, and
/// comes page by page,
const PAGED_COPIES: f64 = 8.0;
const PAGED_NS: f64 = 500_000.0;
/// and this share of a call.
const SHARE: f64 = 0.1;
/// Reading the kernel's accounts takes processor time itself: this much at most, nanoseconds.
const LOOK_NS: f64 = 10_000.0;
/// Threads may be exceeded by this much.
const THREADS: f64 = 0.02;
/// The first call may take so many later ones.
const FIRST: f64 = 20.0;

/// What reading the clock, and a processor that has forgotten which way branches go, add to one call, nanoseconds.
const CALL_NS: f64 = 1_000.0;
/// What waiting for a device adds to a call that is made alone.
const DEVICE_NS: f64 = 200_000.0;
/// What waking threads adds to one that follows a pause.
const WAKE_NS: f64 = 60_000.0;
/// What it adds where inputs are so few that it had learned which way every branch goes: exponentials branch.
const LEARNED_NS: f64 = 60_000.0;
/// What short calls of `load` and `store` take at most.
const SHORT_NS: f64 = 10_000.0;
/// The kernel's accounts of the processor time of a process are no finer than this;
const ACCOUNT_NS: f64 = 1e6;
/// and those of its children.
const CHILDREN_NS: f64 = 20e6;
/// What a library may take to start its threads and to touch its memory.
const START_NS: f64 = 20e6;

/// What was seen of calls of the same kind, in one process or several.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// What each of the processes did beside its samples, and its calls per sample.
    pub audits: Vec<(&'a Audit, u32)>,
    /// The time of a call, nanoseconds: the median over the processes.
    pub call_ns: f64,
    /// Threads that were allowed.
    pub threads: usize,
}

impl Seen<'_> {
    /// The first rule that is broken.
    ///
    /// Whatever disturbs a call makes it longer. So of all calls of a kind, in all processes, the fastest counts: with t the
    /// time of a call, and c that of copying operands and result once,
    ///
    /// ```text
    /// linearity       a call alone, where samples are of many <= 1.5 t + 1 us
    /// fresh call      the first call on other inputs <= 1.07 t + min(c, 0.15 t) + 1 us; t may be that of calls just before: then the
    ///                 median counts; 1.3 t if there are fewer than 10 and nothing is known of calls before
    ///                 on inputs that are others altogether <= 1.4 t + min(c, 0.15 t) + 60 us
    ///                 without what others had of the processor and what new pages take, up to 5 us each and 0.3 of the call
    /// escaped work    load and store, load and store of the last result <= 4 c + 8 max(0, c - 500 us) + 0.1 t + 10 us
    ///                 load, the first call and store of one moment <= the sum of what both rules allow; a thread takes part of the
    ///                 processor time
    /// first call      processor time of the first load and call <= 20 threads t + 20 ms
    /// processor time  of threads <= (threads + 0.02) wall + 1 ms, of children <= 20 ms
    /// clock           the two clocks differ by <= 0.02 wall + 1 ms
    /// ```
    ///
    /// The last two of the median process: nothing disturbs them. Of several threads, a call that is made alone may take 60 us
    /// instead of 1 us more. Where a device computes it may take 200 us, and escaped work, the first call and processor time say
    /// nothing.
    pub fn doubt(&self) -> Option<Doubt> {
        let (call_ns, threads) = (self.call_ns, self.threads as f64);
        let audits = || self.audits.iter().map(|(audit, _)| *audit);
        let fresh = || audits().flat_map(|audit| &audit.fresh);
        let least = |times: &mut dyn Iterator<Item = u64>| times.min().unwrap_or(0) as f64;
        let copy = audits().map(|audit| audit.copy_ns).max().unwrap_or(0) as f64;
        let cold = copy.min(COLD * call_ns);
        let many = self.audits.iter().filter(|(_, reps)| *reps > 1);
        let middle = |of: &dyn Fn(&Audit) -> f64| {
            stats::median(&audits().map(of).collect::<Vec<_>>()).unwrap_or(0.0)
        };
        let copies = COPIES * copy + PAGED_COPIES * (copy - PAGED_NS).max(0.0);
        let escaped = copies + SHARE * call_ns + SHORT_NS;
        let few = fresh().all(|fresh| fresh.before_ns == 0) && fresh().count() < ENOUGH;
        let enough = if few { FEW } else { FRESH };
        // What slows the machine down for a while slows down the calls before and the first one on other inputs.
        let first = |times: f64, all: &[&Fresh], of: &dyn Fn(&Fresh) -> f64| {
            let beside = all.iter().filter(|fresh| fresh.before_ns > 0);
            let later = beside.map(|fresh| of(fresh) - times * fresh.before_ns as f64);
            let later = stats::median(&later.collect::<Vec<_>>());
            let beside = later.map(|later| times * call_ns + later);
            all.iter().map(|fresh| of(fresh)).chain(beside).reduce(f64::min).unwrap_or(0.0)
        };
        let (all, rotated): (Vec<_>, Vec<_>) =
            (fresh().collect(), fresh().filter(|fresh| fresh.rotated).collect());
        let on_device = audits().any(|audit| audit.on_device);
        let fault_ns = least(&mut audits().map(|audit| audit.fault_ns)).min(FAULT_NS);
        let reading = Reading { threads, on_device, fault_ns };
        let shortest = |at: usize| {
            fresh().map(|fresh| reading.times(fresh)[at]).reduce(f64::min).unwrap_or(0.0)
        };
        let (load, store) = (shortest(0), shortest(2));
        let last_store = least(&mut audits().map(|audit| audit.store_ns));
        let wall = middle(&|audit| audit.wall_ns as f64);
        let alone = match (on_device, self.threads > 1) {
            (true, _) => DEVICE_NS,
            (false, true) => WAKE_NS,
            (false, false) => CALL_NS,
        };
        let checks = [
            (
                Rule::Linearity,
                "a call alone takes",
                least(&mut many.map(|(audit, _)| audit.single_ns)),
                ALONE * call_ns + alone,
            ),
            (
                Rule::Fresh,
                "the first call on other inputs takes",
                first(FRESH, &all, &|fresh| reading.times(fresh)[1]),
                enough * call_ns + cold + alone,
            ),
            (
                Rule::Fresh,
                "the first call on rotated inputs takes",
                first(ROTATED, &rotated, &|fresh| reading.times(fresh)[1]),
                ROTATED * call_ns + cold + LEARNED_NS.max(alone),
            ),
            (Rule::Escaped, "`load` and `store` take", load + store, escaped),
            (
                Rule::Escaped,
                "`load`, the first call and `store` together take",
                first(FRESH, &all, &|fresh| reading.times(fresh).into_iter().sum()),
                enough * call_ns + cold + alone + escaped,
            ),
            (Rule::Escaped, "`load` and the last `store` take", load + last_store, escaped),
            (
                Rule::FirstCall,
                "the first load and call take",
                least(&mut audits().filter_map(|audit| audit.first_call_ns)),
                FIRST * threads * call_ns + START_NS,
            ),
            (
                Rule::Processor,
                "more than its threads may, the process worked for",
                middle(&|audit| {
                    audit.processor_ns as f64 - (threads + THREADS) * audit.wall_ns as f64
                }),
                ACCOUNT_NS,
            ),
            (
                Rule::Processor,
                "its children worked for",
                middle(&|audit| audit.children_ns as f64),
                CHILDREN_NS,
            ),
            (
                Rule::Clock,
                "the two clocks differ by",
                middle(&|audit| {
                    let known = audit.wall_ns > 0;
                    if known { audit.wall_ns.abs_diff(audit.clock_ns) as f64 } else { 0.0 }
                }),
                CLOCKS * wall + 1e6,
            ),
        ];
        // A device is loaded over a bus, and its driver has threads of its own.
        let elsewhere = [Rule::Escaped, Rule::FirstCall, Rule::Processor];
        let mut checks =
            checks.into_iter().filter(|(rule, ..)| !(on_device && elsewhere.contains(rule)));
        let broken = checks.find(|(_, _, found, most)| found > most);
        broken.map(|(rule, what, found, most)| Doubt::exceeds(rule, what, found, most, call_ns))
    }
}

impl Doubt {
    fn exceeds(rule: Rule, what: &str, found: f64, most: f64, call_ns: f64) -> Self {
        let [found, most, call] = [found, most, call_ns].map(duration);
        let detail = format!("{what} {found}, where calls of {call} allow {most}");
        Doubt { rule, detail }
    }

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
        let (measurement, model) = (self.measurement()?, self.model?);
        let processes = &measurement.processes;
        let shortest = processes.iter().flat_map(|process| &process.samples_ns).min()?;
        if *shortest < STEPS * measurement.clock_ns {
            let (shortest, step) = (duration(*shortest as f64), measurement.clock_ns);
            let detail =
                format!("a sample of {shortest}, at least {STEPS} steps of {step} ns are expected");
            return Some(Doubt { rule: Rule::Resolution, detail });
        }
        let audits = || processes.iter().filter_map(|process| process.audit.as_ref());
        let on_processor = match audits().next() {
            Some(audit) => !audit.on_device,
            None => self.receipt.as_ref().is_none_or(Receipt::on_processor),
        };
        if let (true, Some(ceilings), Some(call_ns)) =
            (on_processor && model.calls(), ceilings, measurement.median_ns())
            && let Some(doubt) =
                Doubt::of_rate(ceilings, &self.work, self.dtype(), self.threads, call_ns)
        {
            return Some(doubt);
        }
        let audits = processes
            .iter()
            .filter_map(|process| process.audit.as_ref().map(|audit| (audit, process.reps)));
        let (audits, call_ns) = (audits.collect(), measurement.median_ns()?);
        Seen { audits, call_ns, threads: self.threads }.doubt()
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
fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use attn_core::{Bytes, Flops};

    use super::*;
    use crate::limits::{FmaPeak, Rate};

    const T: f64 = 100_000.0;

    type Change = fn(&mut Audit);

    /// An honest process whose calls take [`T`] nanoseconds.
    fn honest() -> Audit {
        let fresh = Fresh { load_ns: 4_000, call_ns: 101_000, store_ns: 1_000, ..Fresh::default() };
        let rotated = Fresh { call_ns: 140_000, rotated: true, ..fresh };
        Audit {
            seed: 1,
            first_call_ns: Some(2_000_000),
            single_ns: 99_000,
            copy_ns: 3_000,
            fault_ns: 500,
            fresh: vec![fresh, fresh, rotated, fresh],
            store_ns: 1_000,
            wall_ns: 60_000_000,
            clock_ns: 60_000_000,
            processor_ns: 60_000_000,
            children_ns: 0,
            on_device: false,
            restarts: 0,
        }
    }

    fn doubt(audits: &[Audit], reps: u32) -> Option<Doubt> {
        let audits = audits.iter().map(|audit| (audit, reps)).collect();
        Seen { audits, call_ns: T, threads: 1 }.doubt()
    }

    #[test]
    fn an_honest_process_is_not_doubted_and_every_rule_can_be_broken() {
        let three = || [honest(), honest(), honest()];
        assert_eq!(doubt(&three(), 4), None);
        let changes: [(Rule, Change); 9] = [
            (Rule::Linearity, |audit| audit.single_ns = 152_000),
            (Rule::Fresh, |audit| audit.fresh.iter_mut().for_each(|f| f.call_ns = 112_000)),
            (Rule::Fresh, |audit| audit.fresh[2].call_ns = 264_000),
            (Rule::Escaped, |audit| audit.fresh.iter_mut().for_each(|f| f.load_ns = 32_000)),
            (Rule::Escaped, |audit| audit.store_ns = 29_000),
            // Sometimes in the first call, sometimes in `store`.
            (Rule::Escaped, |audit| {
                for (at, fresh) in audit.fresh.iter_mut().enumerate() {
                    let [early, late] = [(150_000, 1_000), (1_000, 150_000)];
                    (fresh.call_ns, fresh.store_ns) = if at % 2 == 0 { early } else { late };
                }
            }),
            (Rule::FirstCall, |audit| audit.first_call_ns = Some(23_000_000)),
            (Rule::Processor, |audit| audit.processor_ns = 64_000_000),
            (Rule::Clock, |audit| audit.clock_ns = 57_000_000),
        ];
        for (rule, change) in changes {
            let mut audits = three();
            audits.iter_mut().for_each(change);
            let found = doubt(&audits, 4).unwrap();
            assert_eq!(found.rule, rule, "{found}");
            // What disturbs one process of three proves nothing.
            let mut audits = three();
            change(&mut audits[0]);
            assert_eq!(doubt(&audits, 4), None, "{rule:?}");
        }
    }

    #[test]
    fn threads_may_have_to_be_woken() {
        let mut audit = honest();
        audit.single_ns = 190_000;
        audit.fresh.iter_mut().for_each(|fresh| fresh.call_ns = 150_000);
        let doubted = |threads| {
            let (audits, call_ns) = (vec![(&audit, 4)], T);
            Seen { audits, call_ns, threads }.doubt().is_some()
        };
        assert!(doubted(1) && !doubted(2));
    }

    #[test]
    fn single_calls_tell_nothing_where_samples_are_single_calls() {
        let audit = Audit { single_ns: 900_000, ..honest() };
        assert!(doubt(std::slice::from_ref(&audit), 2).is_some());
        assert_eq!(doubt(&[audit], 1).map(|doubt| doubt.rule), None);
    }

    #[test]
    fn a_device_is_loaded_over_a_bus_and_waited_for() {
        let mut audit = Audit { single_ns: 300_000, processor_ns: 240_000_000, ..honest() };
        audit.fresh.iter_mut().for_each(|fresh| {
            (fresh.load_ns, fresh.processor_ns) = (900_000, Some([900_000, 1_000, 1_000]));
        });
        assert!(doubt(std::slice::from_ref(&audit), 4).is_some());
        audit.on_device = true;
        assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
        audit.single_ns = 500_000;
        assert_eq!(doubt(&[audit], 4).unwrap().rule, Rule::Linearity);
    }

    #[test]
    fn few_first_calls_may_all_have_been_disturbed() {
        let mut audit = honest();
        audit.fresh.iter_mut().for_each(|fresh| fresh.call_ns = 120_000);
        assert_eq!(doubt(std::slice::from_ref(&audit), 4), None, "four calls");
        let found = doubt(&[audit.clone(), audit.clone(), audit], 4).unwrap();
        assert_eq!(
            found.to_string(),
            "fresh call: the first call on other inputs takes 120.0 us, where calls of 100.0 us allow 111.0 us"
        );
    }

    #[test]
    fn calls_just_before_say_what_a_first_call_may_take() {
        let three = |call_ns: u64, before_ns: u64| {
            let mut audit = honest();
            audit.fresh.iter_mut().for_each(|fresh| {
                (fresh.call_ns, fresh.before_ns) = (call_ns, before_ns);
            });
            audit
        };
        assert_eq!(doubt(&[three(120_000, 0)], 4), None, "few");
        assert_eq!(doubt(&[three(120_000, 118_000)], 4), None, "as slow as the calls before");
        let found = doubt(&[three(120_000, 99_000)], 4).unwrap();
        assert_eq!(found.rule, Rule::Fresh, "few, but slower than the calls before");
        // One call that was disturbed before proves nothing for the others.
        let mut audit = three(120_000, 99_000);
        audit.fresh[0].before_ns = 150_000;
        assert!(doubt(&[audit], 4).is_some());
    }

    #[test]
    fn what_others_take_from_the_processor_is_no_part_of_a_first_call() {
        let mut audit = honest();
        for fresh in &mut audit.fresh {
            fresh.call_ns = 8_000_000;
            fresh.processor_ns = Some([4_000, 101_000, 1_000]);
            fresh.waited_ns = Some([0, 7_899_000, 0]);
        }
        assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
        // It slept, as if for a process that computes in its place.
        audit.fresh.iter_mut().for_each(|fresh| fresh.waited_ns = Some([0; 3]));
        assert!(doubt(&[audit], 4).is_some());
    }

    #[test]
    fn memory_that_is_new_to_a_first_call_takes_time_that_is_not_its_own() {
        let mut audit = honest();
        let mut of = |call_ns, faults| {
            let first = Fresh { load_ns: 4_000, call_ns, call_faults: faults, ..Fresh::default() };
            audit.fresh = vec![first; 12];
            doubt(std::slice::from_ref(&audit), 4).map(|doubt| doubt.rule)
        };
        assert_eq!([of(130_000, 0), of(130_000, 50)], [Some(Rule::Fresh), None]);
        // As much as it likes it cannot have been.
        assert_eq!(of(180_000, 1000), Some(Rule::Fresh));
    }

    #[test]
    fn another_thread_that_helps_with_a_first_call_saves_nothing() {
        let mut audit = honest();
        let both = |ns: [u64; 3]| move |fresh: &mut Fresh| fresh.processor_ns = Some(ns);
        audit.fresh.iter_mut().for_each(both([12_000, 110_000, 9_000]));
        assert_eq!(doubt(std::slice::from_ref(&audit), 4), None);
        audit.fresh.iter_mut().for_each(both([4_000, 185_000, 1_000]));
        let doubted = |threads| {
            let (audits, call_ns) = (vec![(&audit, 4)], T);
            Seen { audits, call_ns, threads }.doubt().map(|doubt| doubt.rule)
        };
        assert_eq!([doubted(1), doubted(2)], [Some(Rule::Fresh), None]);
    }

    #[test]
    fn a_rate_beyond_the_peak_is_doubted_and_one_a_little_above_is_not() {
        let gflops = Rate { best: 100.0, median: 90.0, samples: 9 };
        let peak = FmaPeak { isa: "x".into(), dtype: DType::F32, threads: 1, gflops };
        let ceilings = Ceilings::new(vec![peak], vec![DType::F32], Vec::new(), Vec::new());
        let work = Work { pairs: 1, flops: Flops(10_400_000), exps: 0, tanhs: 0, bytes: Bytes(8) };
        let of = |ns, threads| Doubt::of_rate(&ceilings, &work, DType::F32, threads, ns);
        assert_eq!(of(T, 1), None);
        assert_eq!(of(T / 2.0, 1).unwrap().rule, Rule::Ceiling);
        assert_eq!(of(T / 2.0, 2), None, "not measured");
    }

    #[test]
    fn a_rule_has_a_name_of_its_own() {
        let mut names = Rule::ALL.map(Rule::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
