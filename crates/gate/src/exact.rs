//! What needs no statistics: it is the same every time it is counted.
//!
//! | what | rule |
//! |---|---|
//! | allocations of one call, and their bytes | no more than base, one thread |
//! | peak of preparation and call | no more bytes than base, one thread |
//! | scratch, as the plan states it | no more bytes than base |
//! | useful work of the case | the same as base: otherwise times do not compare |
//! | accuracy, `-10 log10(sum err^2 / sum want^2)` in dB | a loss of at most `accuracy_db` |
//!
//! With several threads the pools of libraries allocate as they like, so that nothing is said.

use attn_bench::worker::{Counted, Ready};
use attn_core::{Verdict, Work};
use serde::{Deserialize, Serialize};

use crate::config::What;

/// So much more memory beyond what allocators count is a change.
const UNCOUNTED: u64 = 16 << 20;

/// Accuracy of a result without any error: beyond what f64 can hold.
const EXACT_DB: f64 = 400.0;

/// What is counted of one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Allocations of one call, their bytes, and the peak; `None` where nobody counts.
    pub memory: Option<[u64; 3]>,
    /// Memory beyond that, which no allocator counted.
    pub uncounted: u64,
    /// Scratch as the plan states it.
    pub scratch: Option<u64>,
    /// Useful work.
    pub work: Work,
    /// The lower of both checks.
    pub accuracy_db: Option<f64>,
}

impl Facts {
    /// From what a worker said, and the verdicts on its results.
    pub fn of(ready: &Ready, counted: &Counted, verdicts: [&Verdict; 2]) -> Self {
        let metrics = verdicts.into_iter().filter_map(|verdict| verdict.metrics);
        let memory = counted.memory;
        let uncounted = memory.and_then(|memory| memory.uncounted_bytes).unwrap_or(0);
        Facts {
            memory: memory
                .and_then(|m| Some([m.allocations?, m.allocated_bytes?, m.peak_bytes - uncounted])),
            uncounted,
            scratch: ready.footprint.scratch.map(|bytes| bytes.0),
            work: ready.work,
            accuracy_db: metrics.map(|metrics| decibels(metrics.nmse)).reduce(f64::min),
        }
    }
}

fn decibels(nmse: f64) -> f64 {
    if nmse > 0.0 { (-10.0 * nmse.log10()).min(EXACT_DB) } else { EXACT_DB }
}

/// A difference between base and HEAD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its kind.
    pub what: What,
    /// What was counted: `allocations per call`.
    pub name: String,
    /// Of base.
    pub base: f64,
    /// Of HEAD.
    pub head: f64,
    /// By how much HEAD is worse: percent, or dB of accuracy; negative where it is better. `None` where
    /// base has nothing.
    pub worse: Option<f64>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Change { what, name, base, head, worse } = self;
        if *what == What::Accuracy {
            let [base, head, loss] = [*base, *head, worse.unwrap_or_default()];
            return write!(f, "{name}: {base:.2} dB to {head:.2} dB, a loss of {loss:.2} dB");
        }
        write!(f, "{name}: {base} to {head}")?;
        worse.map_or(Ok(()), |worse| write!(f, " ({worse:+.1} %)"))
    }
}

/// Everything in which `head` is worse than `base`, or counts other work.
pub fn compare(base: &Facts, head: &Facts, threads: usize, accuracy_db: f64) -> Vec<Change> {
    let mut found = Vec::new();
    if let (Some(base), Some(head), 1) = (base.memory, head.memory, threads) {
        let kinds = [
            (What::Allocations, "allocations per call"),
            (What::Allocations, "bytes allocated per call"),
            (What::Memory, "peak bytes"),
        ];
        let pairs = kinds.into_iter().zip(base).zip(head);
        found.extend(pairs.filter_map(|(((what, name), base), head)| more(what, name, base, head)));
    }
    // What the system adds to a process differs a little from one to the next.
    if head.uncounted > base.uncounted + UNCOUNTED {
        let name = "bytes that no allocator counted";
        found.push(change(What::Memory, name, base.uncounted, head.uncounted));
    }
    if let (Some(base), Some(head)) = (base.scratch, head.scratch) {
        found.extend(more(What::Memory, "scratch bytes", base, head));
    }
    if base.work != head.work {
        let (base, head) = (base.work.flops.0, head.work.flops.0);
        found.push(change(What::Work, "useful operations", base, head));
    }
    if let (Some(base), Some(head)) = (base.accuracy_db, head.accuracy_db) {
        let (loss, name) = (base - head, "accuracy".to_string());
        let change = Change { what: What::Accuracy, name, base, head, worse: Some(loss) };
        found.extend((loss > accuracy_db).then_some(change));
    }
    found
}

fn more(what: What, name: &str, base: u64, head: u64) -> Option<Change> {
    (head > base).then(|| change(what, name, base, head))
}

fn change(what: What, name: &str, base: u64, head: u64) -> Change {
    let (base, head) = (base as f64, head as f64);
    let worse = (base > 0.0).then(|| 100.0 * (head / base - 1.0));
    Change { what, name: name.into(), base, head, worse }
}

#[cfg(test)]
mod tests {
    use attn_core::{Bytes, Flops};

    use super::*;

    fn facts() -> Facts {
        Facts {
            memory: Some([3, 4096, 10_000]),
            uncounted: 0,
            scratch: Some(512),
            work: Work { pairs: 4, flops: Flops(64), exps: 4, tanhs: 0, bytes: Bytes(128) },
            accuracy_db: Some(140.0),
        }
    }

    fn found(head: &Facts, threads: usize) -> Vec<String> {
        compare(&facts(), head, threads, 1.0).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_and_better_is_nothing() {
        let better = Facts { memory: Some([2, 4000, 0]), scratch: None, ..facts() };
        assert!(found(&facts(), 1).is_empty() && found(&better, 1).is_empty());
        assert!(found(&Facts { accuracy_db: Some(139.1), ..facts() }, 1).is_empty());
    }

    #[test]
    fn one_more_allocation_is_named() {
        let head = Facts { memory: Some([4, 4096, 10_000]), ..facts() };
        assert_eq!(found(&head, 1), ["allocations per call: 3 to 4 (+33.3 %)"]);
        assert!(found(&head, 2).is_empty(), "pools allocate as they like");
    }

    #[test]
    fn more_memory_other_work_and_three_decibels_are_named() {
        let work = Work { flops: Flops(32), ..facts().work };
        let head = Facts { scratch: Some(1024), work, accuracy_db: Some(137.0), ..facts() };
        let expected = [
            "scratch bytes: 512 to 1024 (+100.0 %)",
            "useful operations: 64 to 32 (-50.0 %)",
            "accuracy: 140.00 dB to 137.00 dB, a loss of 3.00 dB",
        ];
        assert_eq!(found(&head, 1), expected);
    }

    #[test]
    fn an_exact_result_has_a_finite_accuracy() {
        assert_eq!(decibels(0.0), EXACT_DB);
        assert!((decibels(1e-14) - 140.0).abs() < 1e-9);
    }
}
