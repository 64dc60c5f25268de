//! Every backend on the small cases, in this process, where a debugger can follow.

use attn_bench::cell::{CellError, Prepared};
use attn_bench::expected::Expected;
use attn_bench::suite::{Suite, Tier};
use attn_cli::builtin::Builtin;
use attn_cli::registry;
use attn_core::Exec;

#[test]
fn every_backend_agrees_on_every_small_case_or_refuses_it() {
    let suite = Suite::load(Box::new(Builtin)).unwrap();
    let entries = registry::entries();
    let (mut agreed, mut refused) = (0, 0);
    let small =
        |case: &&attn_bench::suite::Case| case.tier != Tier::Full && case.work.flops.0 < 50_000_000;
    for case in suite.cases().iter().filter(small) {
        let [a, b] = suite.inputs(case).unwrap();
        let [on_a, on_b] =
            [&a, &b].map(|x| Expected::compute(&case.problem, x, &registry::NAIVE).unwrap());
        for entry in &entries {
            let id = entry.backend.id();
            let mut cell = match Prepared::new(&*entry.backend, &case.problem, &Exec::SINGLE) {
                Ok(cell) => cell,
                Err(CellError::Unsupported(_)) => {
                    refused += 1;
                    continue;
                }
                // What the processor lacks cannot be judged on it.
                Err(CellError::Unavailable(_)) => continue,
                Err(error) => panic!("{}: {id}: {error}", case.id),
            };
            for (inputs, expected) in [(&a, &on_a), (&b, &on_b)] {
                let verdict = cell.check(inputs, expected).unwrap();
                assert!(verdict.agrees(), "{}: {id}: {:?}", case.id, verdict.findings);
            }
            agreed += 1;
        }
    }
    assert!(agreed > 100 && refused < agreed / 4, "{agreed} agreed, {refused} refused");
}
