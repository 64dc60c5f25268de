//! The cases of one group as criterion benchmarks: the same prepared plans that `attn measure`
//! times, checked on inputs A before, timed on inputs B, and checked again after.
//!
//! Throughput is in elements, an element being one useful floating-point operation (`Work::flops`), so
//! criterion's `Gelem/s` reads as GFLOP/s.

// Each suite is a program of its own and uses its part.
#![allow(dead_code)]

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use attn_bench::cell::Prepared;
use attn_bench::expected::Expected;
use attn_bench::run::{Entry, Measured, Preset, Selection, Task, plan};
use attn_bench::suite::{Case, Suite};
use attn_cli::builtin::Builtin;
use attn_cli::registry;
use attn_core::{Backend, Exec, Inputs};
use attn_record::Timing;
use criterion::{BenchmarkId, Criterion, Throughput};

/// Runs the cases of the quick preset below `prefix` on every backend that supports them, one thread.
pub(crate) fn main(prefix: &str) {
    attn_cli::threads::fix(1);
    let sweep = Sweep::load();
    let mut criterion = Criterion::default().configure_from_args();
    let cells =
        sweep.cells(|case| case.id.starts_with(prefix), |entry| entry.measured == Measured::Always);
    for cells in cells.chunk_by(|(a, _), (b, _)| a.id == b.id) {
        let fixture = Fixture::new(&sweep.suite, cells[0].0);
        for (_, backend) in cells {
            fixture.bench(&mut criterion, sweep.backend(backend), Slowdown::NONE);
        }
    }
    criterion.final_summary();
}

/// The built-in cases and all backends.
pub(crate) struct Sweep {
    pub(crate) suite: Suite,
    entries: Vec<Entry>,
}

impl Sweep {
    pub(crate) fn load() -> Self {
        let suite = Suite::load(Box::new(Builtin)).expect("the built-in cases are valid");
        Sweep { suite, entries: registry::in_process(None) }
    }

    /// Cases that are wanted and the quick preset does not skip, each with the wanted backends that can run
    /// them.
    pub(crate) fn cells(
        &self,
        case: impl Fn(&Case) -> bool,
        backend: impl Fn(&Entry) -> bool,
    ) -> Vec<(&Case, String)> {
        let cases = self.suite.cases();
        let selection = Selection {
            cases: (0..cases.len()).filter(|&at| case(&cases[at])).collect(),
            backends: (0..self.entries.len()).filter(|&at| backend(&self.entries[at])).collect(),
            threads: Some(vec![1]),
            timings: Some(vec![Timing::Kernel]),
            measure: true,
        };
        let cells = plan(&self.suite, &self.entries, &selection, &Preset::QUICK, 1);
        let measured = cells.iter().filter(|cell| cell.task == Task::Measure(Timing::Kernel));
        let runnable = measured.filter(|cell| {
            let backend = &self.entries[cell.backend].backend;
            backend.probe().is_ok() && backend.supports(&cell.case.problem).is_ok()
        });
        let id = |at: usize| self.entries[at].backend.id().to_string();
        runnable.map(|cell| (cell.case, id(cell.backend))).collect()
    }

    pub(crate) fn case(&self, id: &str) -> &Case {
        self.suite.cases().iter().find(|case| case.id == id).expect("a built-in case")
    }

    pub(crate) fn backend(&self, id: &str) -> &dyn Backend {
        let entry = self.entries.iter().find(|entry| entry.backend.id().as_str() == id);
        entry.expect("a backend").backend.as_ref()
    }
}

/// A case with its inputs and what is expected of them.
pub(crate) struct Fixture<'s> {
    case: &'s Case,
    inputs: [Inputs; 2],
    expected: [Expected; 2],
}

impl<'s> Fixture<'s> {
    pub(crate) fn new(suite: &Suite, case: &'s Case) -> Self {
        let inputs = suite.inputs(case).expect("the built-in cases have inputs");
        let expected = inputs.each_ref().map(|inputs| {
            Expected::compute(&case.problem, inputs, &registry::NAIVE).expect("the oracle works")
        });
        Fixture { case, inputs, expected }
    }

    pub(crate) fn bench(
        &self,
        criterion: &mut Criterion,
        backend: &dyn Backend,
        mut slower: Slowdown,
    ) {
        let (group, value) = self.case.id.rsplit_once('/').expect("a case has a group");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(self.case.work.flops.0));
        group.bench_function(BenchmarkId::new(backend.id().to_string(), value), |bencher| {
            let mut cell = self.prepare(backend, NonZeroUsize::MIN);
            bencher.iter_custom(|calls| time(&mut cell, slower.calls(calls)));
            self.recheck(&mut cell);
        });
        group.finish();
    }

    /// A plan that is right on inputs A, with inputs B in place.
    pub(crate) fn prepare<'b>(
        &self,
        backend: &'b dyn Backend,
        threads: NonZeroUsize,
    ) -> Prepared<'b> {
        let mut cell = Prepared::new(backend, &self.case.problem, &Exec { threads })
            .expect("supported and available");
        let check = cell.check(&self.inputs[0], &self.expected[0]).expect("it computes");
        assert!(check.agrees(), "{}: {}: {:?}", self.case.id, backend.id(), check.findings);
        cell.load(&self.inputs[1]).expect("it loads");
        cell
    }

    /// The last result must be right on inputs B.
    pub(crate) fn recheck(&self, cell: &mut Prepared<'_>) {
        let check = cell.judge(&self.expected[1]).expect("it stores");
        assert!(check.agrees(), "{}: {:?}", self.case.id, check.findings);
    }
}

/// A slowdown of known size: calls that are made and not counted.
pub(crate) struct Slowdown {
    share: f64,
    counted: u64,
    made: u64,
}

impl Slowdown {
    pub(crate) const NONE: Self = Slowdown { share: 0.0, counted: 0, made: 0 };

    pub(crate) const fn by(share: f64) -> Self {
        Slowdown { share, ..Slowdown::NONE }
    }

    /// How many to make where `counted` are counted: fractions of a call are carried over.
    fn calls(&mut self, counted: u64) -> u64 {
        self.counted += counted;
        let all = (self.counted as f64 * (1.0 + self.share)).round() as u64;
        let now = all - self.made;
        self.made = all;
        now
    }
}

/// The time of `calls` calls.
pub(crate) fn time(cell: &mut Prepared<'_>, calls: u64) -> Duration {
    let calls = u32::try_from(calls).ok().and_then(NonZeroU32::new);
    let start = Instant::now();
    cell.run(calls.expect("between 1 and 2^32 calls")).expect("it computes");
    start.elapsed()
}
