//! Every backend on the small cases, in this process, where a debugger can follow.

use std::collections::BTreeSet;

use attn_bench::cell::{CellError, Prepared};
use attn_bench::expected::Expected;
use attn_bench::suite::{Case, Suite, Tier};
use attn_cli::builtin::Builtin;
use attn_cli::registry;
use attn_core::ThreadPolicy;

use crate::refusals::{Tally, backends_here};
use crate::threads;

/// How many of the small cases each backend refuses. A new case that one refuses is counted here too.
const REFUSED: [(&str, usize); 8] = [
    ("candle/fused", 242),
    ("flash/scalar", 44),
    ("flash/tiled", 44),
    ("flash/avx2", 44),
    ("flash/avx512", 44),
    ("flash/avx512bf16", 44),
    ("flash/amx", 44),
    ("additive", 384),
];

fn is_small(case: &Case) -> bool {
    case.tier != Tier::Full && case.work.flops.0 < 50_000_000
}

#[test]
fn every_backend_agrees_on_every_small_case_or_is_known_to_refuse_it() {
    let suite = Suite::load(Box::new(Builtin)).unwrap();
    let entries = backends_here();
    let cases: Vec<&Case> = suite.cases().iter().filter(|case| is_small(case)).collect();
    assert!(cases.len() > 300, "{}", cases.len());
    let (mut tally, mut counts) = (Tally::default(), BTreeSet::new());
    for case in &cases {
        let [a, b] = suite.inputs(case).unwrap();
        let [on_a, on_b] =
            [&a, &b].map(|x| Expected::compute(&case.problem, x, &registry::NAIVE).unwrap());
        for entry in &entries {
            let id = entry.backend.id();
            let exec = threads::exec(&*entry.backend, &case.id);
            let mut cell = match Prepared::new(&*entry.backend, &case.problem, &exec) {
                Ok(cell) => cell,
                Err(CellError::Unsupported(_)) => {
                    tally.refused(id.as_str());
                    continue;
                }
                Err(error) => panic!("{}: {id}, {exec:?}: {error}", case.id),
            };
            for (inputs, expected) in [(&a, &on_a), (&b, &on_b)] {
                let verdict = cell.check(inputs, expected).unwrap();
                assert!(verdict.agrees(), "{}: {id}, {exec:?}: {:?}", case.id, verdict.findings);
            }
            tally.computed(id.as_str());
            counts.insert((id.to_string(), exec.threads.get()));
        }
    }
    tally.assert_known(cases.len(), &REFUSED);
    for entry in &entries {
        let id = entry.backend.id().to_string();
        let obeys = entry.backend.probe().is_ok_and(|r| r.threads == ThreadPolicy::PerCall);
        for threads in (1..=threads::MOST).filter(|_| obeys) {
            assert!(counts.contains(&(id.clone(), threads)), "{id} never had {threads} threads");
        }
    }
}
