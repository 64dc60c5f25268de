//! The cases of one group as criterion benchmarks: the same prepared plans that `attn measure`
//! times, checked on inputs A before, timed on inputs B, and checked again after.
//!
//! One thread. Throughput is in elements, an element being one useful floating-point operation
//! (`Work::flops`), so criterion's `Gelem/s` reads as GFLOP/s.

use std::num::NonZeroU32;
use std::time::Instant;

use attn_bench::cell::Prepared;
use attn_bench::expected::Expected;
use attn_bench::run::{Measured, Preset, Selection, Task, plan};
use attn_bench::suite::{Case, Suite};
use attn_cli::builtin::Builtin;
use attn_cli::registry;
use attn_core::{Backend, Exec, Inputs};
use attn_record::Model;
use criterion::{BenchmarkId, Criterion, Throughput};

/// Runs the cases of the quick preset below `prefix` on every backend that supports them.
pub(crate) fn main(prefix: &str) {
    attn_cli::threads::fix(1);
    let suite = Suite::load(Box::new(Builtin)).expect("the built-in cases are valid");
    let entries = registry::entries();
    let selection = Selection {
        cases: (0..suite.cases().len())
            .filter(|&at| suite.cases()[at].id.starts_with(prefix))
            .collect(),
        backends: (0..entries.len())
            .filter(|&at| entries[at].measured == Measured::Always)
            .collect(),
        threads: Some(vec![1]),
        models: Some(vec![Model::Kernel]),
        measure: true,
    };
    let cells = plan(&suite, &entries, &selection, &Preset::QUICK, 1);
    let mut criterion = Criterion::default().configure_from_args();
    for cells in cells.chunk_by(|a, b| a.case.id == b.case.id) {
        let exercise = Exercise::new(&suite, cells[0].case);
        for cell in cells.iter().filter(|cell| cell.task == Task::Measure(Model::Kernel)) {
            let backend = entries[cell.backend].backend.as_ref();
            if backend.probe().is_ok() && backend.supports(&cell.case.problem).is_ok() {
                exercise.bench(&mut criterion, backend);
            }
        }
    }
    criterion.final_summary();
}

struct Exercise<'s> {
    case: &'s Case,
    inputs: [Inputs; 2],
    expected: [Expected; 2],
}

impl<'s> Exercise<'s> {
    fn new(suite: &Suite, case: &'s Case) -> Self {
        let inputs = suite.inputs(case).expect("the built-in cases have inputs");
        let expected = inputs.each_ref().map(|inputs| {
            Expected::compute(&case.problem, inputs, &registry::NAIVE).expect("the oracle works")
        });
        Exercise { case, inputs, expected }
    }

    fn bench(&self, criterion: &mut Criterion, backend: &dyn Backend) {
        let (group, value) = self.case.id.rsplit_once('/').expect("sweep cases have a value");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(self.case.work.flops.0));
        group.bench_function(BenchmarkId::new(backend.id().to_string(), value), |bencher| {
            let mut cell = Prepared::new(backend, &self.case.problem, &Exec::SINGLE)
                .expect("supported and available");
            let check = cell.check(&self.inputs[0], &self.expected[0]).expect("it computes");
            assert!(check.agrees(), "{}: {}: {:?}", self.case.id, backend.id(), check.findings);
            cell.load(&self.inputs[1]).expect("it loads");
            bencher.iter_custom(|calls| {
                let calls = u32::try_from(calls).ok().and_then(NonZeroU32::new);
                let start = Instant::now();
                cell.run(calls.expect("between 1 and 2^32 calls")).expect("it computes");
                start.elapsed()
            });
            let check = cell.judge(&self.expected[1]).expect("it stores");
            assert!(check.agrees(), "{}: {}: {:?}", self.case.id, backend.id(), check.findings);
        });
        group.finish();
    }
}
