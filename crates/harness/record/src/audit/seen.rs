//! The rules that the time of a call is held against, by what its processes did beside their samples.

use attn_core::Asked;

use super::doubt::duration;
use super::first_calls::{FirstCall, FirstCalls, Reading, low};
use super::{Audit, Doubt, Rule};
use crate::stats;

/// Both clocks may differ by this share.
const CLOCKS: f64 = 0.02;
/// One call alone, or the first on other inputs, may take so many times as long as each of many if there are enough of them,
const FRESH: f64 = 1.07;
/// which is so many,
const ENOUGH: usize = 10;
/// and else, when each of them may well have been disturbed;
const FEW: f64 = 1.3;
/// and where the inputs are others altogether, with which a kernel may have more to do;
const ROTATED: f64 = 1.4;
/// where nearly all are such, since calls are so long that a process has time for one: a kernel learns nothing of inputs in so long a call;
const ROTATED_ALL: f64 = 1.2;
/// of fewer than so many beside others, which all may have met a slow moment of the machine,
const ROTATED_ENOUGH: usize = 3;
/// so many times as long.
const ROTATED_FEW: f64 = 2.0;
/// A new page may take so many nanoseconds in `load` or in a first call,
const FAULT_NS: f64 = 5_000.0;
/// which is what touching one takes, times this: it comes from memory, and something else has to leave the caches for it.
const DISPLACED: f64 = 1.5;
/// Operands that the nearest cache does not hold slow a call down by what copying them takes, but by no more than this share of it;
const COLD: f64 = 0.15;
/// a kernel that waits for each line, by so many times more of what one copy takes beyond [`NEAR_NS`], but by no more than this share.
const WAITED_COPIES: f64 = 4.0;
const WAITED: f64 = 0.35;
/// Where a call takes less than copying its operands, it does little but read them: from a cache, and the first time from memory, which may
/// be several times slower.
const READ: f64 = 0.8;
/// What copying operands and result takes, nanoseconds, from which on a core's own caches may not hold them beside what others left there.
const NEAR_NS: f64 = 10_000.0;
/// `load` and `store` together may take so many copies of the same bytes,
const COPIES: f64 = 4.0;
/// so many more of what one takes beyond [`NEAR_NS`],
const NEAR_COPIES: f64 = 2.0;
/// so many more of what one copy takes beyond this, nanoseconds: memory of that size is given back to the system when it is freed, and
/// comes page by page,
const PAGED_COPIES: f64 = 4.0;
const PAGED_NS: f64 = 500_000.0;
/// and this share of a call.
const SHARE: f64 = 0.1;
/// Where another process computes, a call that is made alone has a request of its own, and waits to be told that it is done;
const ALONE_REQUESTS: f64 = 2.0;
/// operands and results go through a file, so that `load` and `store` may take so many times as long,
const THROUGH_FILE: f64 = 3.0;
/// and so many requests more: programs in an interpreted language take and give tensors;
const FILE_REQUESTS: f64 = 20.0;
/// a request is believed to take this long at most, nanoseconds;
const REQUEST_NS: f64 = 200_000.0;
/// and it may be no more than this share of a sample.
const REQUEST: f64 = 0.01;
/// Threads may be exceeded by this much.
const THREADS: f64 = 0.02;
/// The first call may take so many later ones,
const FIRST: f64 = 20.0;
/// and so many copies of operands and result: the memory is new, and where a virtual machine runs its host may have to find it, too.
const FIRST_COPIES: f64 = 60.0;

/// What reading the clock and the kernel's accounts adds to one call, nanoseconds: the processor has forgotten which way branches go.
const CALL_NS: f64 = 4_000.0;
/// What reading the clock alone adds, where many calls were made just before.
const BESIDE_NS: f64 = 2_000.0;
/// What waiting for a device adds to a call that is made alone.
const DEVICE_NS: f64 = 200_000.0;
/// What waking threads adds to one that follows a pause.
const WAKE_NS: f64 = 60_000.0;
/// What it adds where inputs are so few that it had learned which way every branch goes: exponentials branch.
const LEARNED_NS: f64 = 60_000.0;
/// It takes no more than this share of the call.
const LEARNED: f64 = 0.5;
/// What short calls of `load` and `store` take at most beside copies; together with a call between them no more than that may take.
const SHORT_NS: f64 = 4_000.0;
/// What `load`, a call and `store` take beside that where calls are short: the processor has forgotten which way branches of `load` and `store`
/// go, and where their code is. It takes as long as touching so many new pages does, which tells how fast the machine is at such things.
const FORGOTTEN: f64 = 7.0;
/// It counts for less the longer calls are, and for nothing from so many pages on.
const FORGOTTEN_UP_TO: f64 = 35.0;
/// A page is believed to take this long, nanoseconds.
const PAGE_NS: std::ops::RangeInclusive<f64> = 600.0..=2_500.0;
/// The kernel's accounts of the processor time of a process are no finer than this;
const ACCOUNT_NS: f64 = 1e6;
/// and those of its children.
const CHILDREN_NS: f64 = 20e6;
/// What a library may take to start its threads and to touch its memory.
const START_NS: f64 = 20e6;

/// What was seen of one process.
#[derive(Clone, Copy, Debug)]
pub struct SeenProcess<'a> {
    /// What it did beside its samples.
    pub audit: &'a Audit,
    /// Calls per sample.
    pub reps: u32,
    /// The time of a call, nanoseconds: the median over its samples.
    pub call_ns: f64,
}

/// What was seen of calls of the same kind, in one process or several.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Each of the processes.
    pub processes: Vec<SeenProcess<'a>>,
    /// The time of a call, nanoseconds: the median over the processes.
    pub call_ns: f64,
    /// Threads that were allowed.
    pub threads: usize,
}

impl Seen<'_> {
    /// The first rule that is broken.
    ///
    /// Whatever disturbs a call makes it longer. So of all calls of a kind, in all processes, the fastest counts, of 8 and more first calls the
    /// second: with t the time of a call, c that of copying operands and result once, and d what operands that no cache holds may cost,
    ///
    /// ```text
    /// d = min(c, 0.15 t) + min(4 max(0, c - 10 us), 0.35 t), with 0.8 in place of 0.35 where c > t
    ///
    /// linearity       a call alone, where samples are of many <= 1.07 t + d + 4 us, as it is to those of its process in the
    ///                 median process; one right after a sample of many <= 1.07 t + 2 us
    /// fresh call      the first call on other inputs <= 1.07 t + d + 4 us; where before four and more of them, and more than half,
    ///                 calls took at most 1.1 t, t is that of these calls, and three quarters must exceed it; else t may be either, and the median
    ///                 of those counts that follow such calls, or if there are none, of those that follow calls of at most 1.1 times what
    ///                 is usual in their process, if more than half do; 1.3 t if there are fewer than 10 and nothing is known of calls before
    ///                 on inputs that are others altogether <= 1.4 t + d + min(60 us, 0.5 t) + 4 us, 2 t in place of 1.4 t if there are
    ///                 fewer than 3; where more than two thirds are such, all <= 1.2 t + d + 4 us instead
    ///                 without what others had of the processor and what new pages take: 1.5 times what touching one takes, up to 5 us each and 0.3 of the call
    /// escaped work    load and store, load and store of the last result
    ///                 <= 4 c + 2 max(0, c - 10 us) + 4 max(0, c - 500 us) + 0.1 t + 4 us
    ///                 load, the first call and store of one moment <= the sum of what both rules allow, with 4 us once, and
    ///                 f = 7 p max(0, 1 - t / 35 p), where p is what touching a page takes, 0.6 to 2.5 us; load and store of the last
    ///                 result f / 2 more; a thread takes part of the processor time
    /// first call      processor time of the first load and call <= 20 threads t + 60 c + 20 ms
    /// processor time  of threads <= (threads + 0.02) wall + 1 ms, of children <= 20 ms
    /// clock           the two clocks differ by <= 0.02 wall + 1 ms
    /// ```
    ///
    /// Where another process computes and a request takes r, up to 200 us: linearity and fresh call 2 r more, and d for a call right after
    /// many, since the process slept between the two; escaped work three times as much and 20 r; r <= 0.01 of a sample (resolution); the engine's clock tells no more than ours (clock).
    ///
    /// Processor time and clock of the median process: nothing disturbs them. Of several threads, a call that is made alone may take 60 us
    /// instead of 4 us more. Where a device computes it may take 200 us, and escaped work, the first call and processor time say
    /// nothing.
    pub fn doubt(&self) -> Option<Doubt> {
        let evidence = Evidence::new(self);
        let checks = evidence.first_calls().into_iter().chain(evidence.phases());
        let mut checks = checks.chain(evidence.processes());
        // A device is loaded over a bus, and its driver has threads of its own.
        let elsewhere = [Rule::Escaped, Rule::FirstCall, Rule::Processor];
        let says_nothing =
            |check: &Check| evidence.reading.on_device && elsewhere.contains(&check.rule);
        let broken = checks.find(|check| check.found > check.most && !says_nothing(check));
        broken.map(|check| check.doubt(self.call_ns))
    }
}

/// What a rule found, and what it allows, nanoseconds.
struct Check {
    rule: Rule,
    /// What was found, as the beginning of a sentence.
    what: &'static str,
    found: f64,
    most: f64,
}

impl Check {
    fn doubt(&self, call_ns: f64) -> Doubt {
        let [found, most, call] = [self.found, self.most, call_ns].map(duration);
        let detail = format!("{} {found}, where calls of {call} allow {most}", self.what);
        Doubt { rule: self.rule, detail }
    }
}

/// What the checks are made of.
struct Evidence<'a> {
    seen: &'a Seen<'a>,
    /// Of all processes.
    fresh: Vec<FirstCall<'a>>,
    reading: Reading,
    /// Of copying operands and result once: the median process. One that was disturbed would excuse what others do.
    copy_ns: f64,
    /// What a call that is made alone may take more than one of many.
    alone_ns: f64,
    /// What a first call may take of the usual time.
    first: f64,
    /// What a request to the process that computes takes, 0 where there is none.
    request_ns: f64,
}

impl<'a> Evidence<'a> {
    fn new(seen: &'a Seen<'a>) -> Self {
        let audits = || seen.processes.iter().map(|process| process.audit);
        let of = |process: &SeenProcess<'a>| {
            let usual_ns = process.call_ns;
            process.audit.fresh.iter().map(move |fresh| FirstCall { fresh, usual_ns })
        };
        let fresh: Vec<FirstCall> = seen.processes.iter().flat_map(of).collect();
        let on_device = audits().any(|audit| audit.on_device);
        let fault_ns = least(audits().map(|audit| audit.fault_ns)) * DISPLACED;
        let requests = middle(audits(), |audit| asked(audit).request_ns as f64);
        let request_ns = requests.min(REQUEST_NS);
        let few = fresh.iter().all(|first| first.fresh.before_ns == 0) && fresh.len() < ENOUGH;
        Evidence {
            seen,
            reading: Reading {
                threads: seen.threads as f64,
                on_device,
                fault_ns: fault_ns.min(FAULT_NS),
            },
            copy_ns: middle(audits(), |audit| audit.copy_ns as f64),
            alone_ns: ALONE_REQUESTS * request_ns
                + match (on_device, seen.threads > 1) {
                    (true, _) => DEVICE_NS,
                    (false, true) => WAKE_NS,
                    (false, false) => CALL_NS,
                },
            request_ns,
            first: if few { FEW } else { FRESH },
            fresh,
        }
    }

    /// What is allowed for operands that the caches do not hold.
    fn cold_ns(&self) -> f64 {
        let call_ns = self.seen.call_ns;
        let waited = WAITED_COPIES * self.copied_beyond(NEAR_NS);
        let share = if self.copy_ns > call_ns { READ } else { WAITED };
        self.copy_ns.min(COLD * call_ns) + waited.min(share * call_ns)
    }

    /// What is allowed for operands that the caches of a process do not hold which slept until it was asked.
    fn woken_ns(&self) -> f64 {
        if self.request_ns > 0.0 { self.cold_ns() } else { 0.0 }
    }

    /// What is allowed where calls are so short that what the processor has forgotten counts.
    fn forgotten_ns(&self) -> f64 {
        let page_ns = least(self.audits().map(|audit| audit.fault_ns));
        let page_ns = page_ns.clamp(*PAGE_NS.start(), *PAGE_NS.end());
        FORGOTTEN * page_ns * (1.0 - self.seen.call_ns / (FORGOTTEN_UP_TO * page_ns)).max(0.0)
    }

    /// What copying operands and result takes beyond so many nanoseconds.
    fn copied_beyond(&self, ns: f64) -> f64 {
        (self.copy_ns - ns).max(0.0)
    }

    /// What `load` and `store` may take together.
    fn copies_ns(&self) -> f64 {
        let copies = COPIES * self.copy_ns + NEAR_COPIES * self.copied_beyond(NEAR_NS);
        let paged = PAGED_COPIES * self.copied_beyond(PAGED_NS);
        let here = copies + paged + SHARE * self.seen.call_ns + SHORT_NS;
        let through_file = THROUGH_FILE * here + FILE_REQUESTS * self.request_ns;
        if self.request_ns > 0.0 { through_file } else { here }
    }

    /// Calls that are made alone, and the first on other inputs.
    fn first_calls(&self) -> [Check; 4] {
        let call_ns = self.seen.call_ns;
        let first = |what, calls: &FirstCalls<'_>| Check {
            rule: Rule::Fresh,
            what,
            found: calls.shortest(call_ns, self.reading, |[_, call, _]| call),
            most: calls.most,
        };
        [
            Check {
                rule: Rule::Linearity,
                what: "a call alone takes",
                found: self.alone() * call_ns,
                most: FRESH * call_ns + self.cold_ns() + self.alone_ns,
            },
            Check {
                rule: Rule::Linearity,
                what: "a call alone right after many takes",
                found: self.beside() * call_ns,
                most: FRESH * call_ns + self.alone_ns - CALL_NS + BESIDE_NS + self.woken_ns(),
            },
            first("the first call on other inputs takes", &self.on_others()),
            first("the first call on rotated inputs takes", &self.on_rotated()),
        ]
    }

    /// All first calls on other inputs.
    fn on_others(&self) -> FirstCalls<'a> {
        let rotated = self.are_rotated();
        let times = if rotated { ROTATED_ALL } else { FRESH };
        let most = self.first.max(times) * self.seen.call_ns + self.cold_ns() + self.alone_ns;
        FirstCalls { calls: self.fresh.clone(), times, most }
    }

    /// Those on rotated inputs beside others.
    fn on_rotated(&self) -> FirstCalls<'a> {
        let beside = |first: &&FirstCall| first.fresh.rotated && !self.are_rotated();
        let calls: Vec<FirstCall> = self.fresh.iter().filter(beside).copied().collect();
        let times = if calls.len() < ROTATED_ENOUGH { ROTATED_FEW } else { ROTATED };
        let learned_ns = LEARNED_NS.min(LEARNED * self.seen.call_ns) + CALL_NS;
        let most = times * self.seen.call_ns + self.cold_ns() + learned_ns.max(self.alone_ns);
        FirstCalls { calls, times: ROTATED, most }
    }

    /// Whether more than two thirds of the first calls are on rotated inputs: most processes had time for one alone.
    fn are_rotated(&self) -> bool {
        let rotated = self.fresh.iter().filter(|first| first.fresh.rotated).count();
        3 * rotated > 2 * self.fresh.len()
    }

    /// What a call alone takes of one of many, where samples are of many, in the median process: each is compared with the calls of its own
    /// process, since the processor may be faster in the next. The lower one of two.
    fn alone(&self) -> f64 {
        let many = self.seen.processes.iter().filter(|process| process.reps > 1);
        lower_middle(many.map(|one| one.audit.single_ns as f64 / one.call_ns.max(1.0)))
    }

    /// What a call alone right after many takes of one of these, in the median process; one that made none does not accuse.
    fn beside(&self) -> f64 {
        lower_middle(self.audits().map(|audit| audit.beside_permille.unwrap_or(0) as f64 / 1e3))
    }

    /// `load` and `store`, alone and together with the call between them.
    fn phases(&self) -> [Check; 3] {
        let each: Vec<[f64; 3]> =
            self.fresh.iter().map(|first| self.reading.times(first.fresh)).collect();
        let fastest = |at: usize| low(each.iter().map(|times| times[at]));
        let (load, store) = (fastest(0), fastest(2));
        let last_store = least(self.audits().map(|audit| audit.store_ns));
        let check = |what, found, most| Check { rule: Rule::Escaped, what, found, most };
        let first = self.on_others();
        [
            check("`load` and `store` take", load + store, self.copies_ns()),
            check(
                "`load`, the first call and `store` together take",
                first.shortest(self.seen.call_ns, self.reading, |times| times.into_iter().sum()),
                first.most + self.copies_ns() - SHORT_NS + self.forgotten_ns(),
            ),
            check(
                "`load` and the last `store` take",
                load + last_store,
                self.copies_ns() + self.forgotten_ns() / 2.0,
            ),
        ]
    }

    /// Processor time, the clocks, and requests to another process.
    fn processes(&self) -> [Check; 6] {
        let threads = self.reading.threads;
        let excess =
            |audit: &Audit| audit.processor_ns as f64 - (threads + THREADS) * audit.wall_ns as f64;
        let apart = |audit: &Audit| {
            let known = audit.wall_ns > 0;
            if known { audit.wall_ns.abs_diff(audit.clock_ns) as f64 } else { 0.0 }
        };
        [
            Check {
                rule: Rule::FirstCall,
                what: "the first load and call take",
                found: least(self.audits().filter_map(|audit| audit.first_call_ns)),
                most: FIRST * threads * self.seen.call_ns + FIRST_COPIES * self.copy_ns + START_NS,
            },
            Check {
                rule: Rule::Processor,
                what: "more than its threads may, the process worked for",
                found: middle(self.audits(), excess),
                most: ACCOUNT_NS,
            },
            Check {
                rule: Rule::Processor,
                what: "its children worked for",
                found: middle(self.audits(), |audit| audit.children_ns as f64),
                most: CHILDREN_NS,
            },
            Check {
                rule: Rule::Clock,
                what: "the two clocks differ by",
                found: middle(self.audits(), apart),
                most: CLOCKS * middle(self.audits(), |audit| audit.wall_ns as f64) + ACCOUNT_NS,
            },
            Check {
                rule: Rule::Clock,
                what: "more than requests for them took, the engine's clock says of its calls:",
                found: middle(self.audits(), |audit| {
                    asked(audit).told_ns as f64 - asked(audit).asked_ns as f64
                }),
                most: 0.0,
            },
            Check {
                rule: Rule::Resolution,
                what: "a request for the calls of a sample takes",
                found: middle(self.audits(), |audit| asked(audit).request_ns as f64),
                most: REQUEST * self.sample_ns(),
            },
        ]
    }

    /// What a sample lasts: the median process.
    fn sample_ns(&self) -> f64 {
        let samples = self.seen.processes.iter();
        let samples: Vec<f64> = samples.map(|one| f64::from(one.reps) * one.call_ns).collect();
        stats::median(&samples).unwrap_or(0.0)
    }

    fn audits(&self) -> impl Iterator<Item = &'a Audit> {
        self.seen.processes.iter().map(|process| process.audit)
    }
}

/// Requests to another process; none where this one computes.
fn asked(audit: &Audit) -> Asked {
    audit.asked.unwrap_or_default()
}

/// The median; the lower one of two.
fn lower_middle(shares: impl Iterator<Item = f64>) -> f64 {
    let mut shares: Vec<f64> = shares.collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares.get(shares.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// Of the median process.
fn middle<'a>(audits: impl Iterator<Item = &'a Audit>, of: impl Fn(&Audit) -> f64) -> f64 {
    stats::median(&audits.map(of).collect::<Vec<_>>()).unwrap_or(0.0)
}

fn least(times: impl Iterator<Item = u64>) -> f64 {
    times.min().unwrap_or(0) as f64
}
