//! Every backend on the small cases, in this process, where a debugger can follow.

use std::collections::BTreeSet;

use attn_bench::cell::{CellError, Prepared};
use attn_bench::expected::Expected;
use attn_bench::suite::{Suite, Tier};
use attn_cli::builtin::Builtin;
use attn_cli::registry;
use attn_core::ThreadPolicy;

use crate::threads;

#[test]
fn every_backend_agrees_on_every_small_case_or_refuses_it() {
    let suite = Suite::load(Box::new(Builtin)).unwrap();
    let entries = registry::entries();
    let (mut agreed, mut refused, mut counts) = (0, 0, BTreeSet::new());
    let small =
        |case: &&attn_bench::suite::Case| case.tier != Tier::Full && case.work.flops.0 < 50_000_000;
    for case in suite.cases().iter().filter(small) {
        let [a, b] = suite.inputs(case).unwrap();
        let [on_a, on_b] =
            [&a, &b].map(|x| Expected::compute(&case.problem, x, &registry::NAIVE).unwrap());
        for entry in &entries {
            let id = entry.backend.id();
            let exec = threads::exec(&*entry.backend, &case.id);
            let mut cell = match Prepared::new(&*entry.backend, &case.problem, &exec) {
                Ok(cell) => cell,
                Err(CellError::Unsupported(_)) => {
                    refused += 1;
                    continue;
                }
                // What the processor lacks cannot be judged on it.
                Err(CellError::Unavailable(_)) => continue,
                Err(error) => panic!("{}: {id}, {exec:?}: {error}", case.id),
            };
            for (inputs, expected) in [(&a, &on_a), (&b, &on_b)] {
                let verdict = cell.check(inputs, expected).unwrap();
                assert!(verdict.agrees(), "{}: {id}, {exec:?}: {:?}", case.id, verdict.findings);
            }
            agreed += 1;
            counts.insert((id.to_string(), exec.threads.get()));
        }
    }
    assert!(agreed > 100 && refused < agreed / 4, "{agreed} agreed, {refused} refused");
    for entry in &entries {
        let id = entry.backend.id().to_string();
        let obeys = entry.backend.probe().is_ok_and(|r| r.threads == ThreadPolicy::PerCall);
        for threads in (1..=threads::MOST).filter(|_| obeys) {
            assert!(counts.contains(&(id.clone(), threads)), "{id} never had {threads} threads");
        }
    }
}
