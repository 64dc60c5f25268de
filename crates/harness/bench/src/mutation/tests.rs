//! The matrix over two fakes: naive scaled by one part in a million, and naive with its first result kept.

use std::borrow::Cow;
use std::io;

use attn_core::{
    BackendError, BackendId, BackendInfo, Exec, Inputs, Output, Plan, Unavailable, Unsupported,
};
use attn_naive::Naive;

use super::*;
use crate::rules::Rule;
use crate::suite::{CaseFile, Files, SuiteError};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// One part in a million too large: below what ONNX's rule sees, above the bound.
    Scaled,
    /// The first result, whatever is loaded later.
    Stale,
}

impl Backend for Fault {
    fn id(&self) -> BackendId {
        BackendId::new("fake")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Naive.probe()
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        Naive.supports(problem)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(Box::new(Fake { fault: *self, plan: Naive.prepare(problem, exec)?, loads: 0 }))
    }
}

struct Fake<'b> {
    fault: Fault,
    plan: Box<dyn Plan + 'b>,
    loads: u32,
}

impl Plan for Fake<'_> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        self.loads += 1;
        if self.fault == Fault::Stale && self.loads > 1 { Ok(()) } else { self.plan.load(inputs) }
    }

    fn run(&mut self, reps: std::num::NonZeroU32) -> Result<(), BackendError> {
        self.plan.run(reps)
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.plan.store(out)?;
        if self.fault == Fault::Scaled {
            let o = out.o_mut().slice_mut::<f64>().expect("the case is f64");
            for x in o {
                *x *= 1.0 + 1e-6;
            }
        }
        Ok(())
    }
}

struct OneFile;

impl Files for OneFile {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        let text = "analysis = 'a'\n[[case]]\nname = 'x'\nshape = { heads = 2, len = 9, dim = 4 }\n\
                    dtype = 'f64'\ninputs = ['needle', 'normal', 'flat']\n\
                    [[case]]\nname = 'large'\nshape = { len = 999, dim = 4 }\n";
        Ok(vec![CaseFile { path: "cases/s.toml".into(), prefix: "s".into(), text: text.into() }])
    }

    fn read(&self, _: &str) -> io::Result<Cow<'static, [u8]>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn subject(fault: &Fault) -> Subject<'_> {
    let id = match fault {
        Fault::None => "mutant/none",
        Fault::Scaled => "mutant/scaled",
        Fault::Stale => "mutant/stale",
    };
    Subject { id, description: "a fake", theme: "fakes", backend: fault }
}

fn matrix(mutants: &[Fault], threads: usize) -> KillMatrix {
    let suite = Suite::load(Box::new(OneFile)).unwrap();
    let cases: Vec<_> = suite.cases().iter().collect();
    let mutants: Vec<_> = mutants.iter().map(subject).collect();
    let mutation = Mutation {
        suite: &suite,
        cases: &cases,
        max_flops: 1_000_000,
        naive: &Naive,
        control: subject(&Fault::None),
        mutants: &mutants,
        threads,
    };
    mutation.run().unwrap()
}

#[test]
fn mutants_are_killed_on_the_inputs_that_show_them() {
    let matrix = matrix(&[Fault::Scaled, Fault::Stale], 1);
    assert_eq!((matrix.cases, matrix.left_out), (3, 1));
    assert!(matrix.holds());
    assert_eq!(matrix.control.total, Tally::default());
    let [scaled, stale] = &matrix.mutants[..] else { panic!("two mutants") };
    for row in [scaled, stale] {
        assert_eq!(row.total, Tally { exercised: 3, killed: 3 });
        assert_eq!(row.findings, [(FindingKind::Bound, 3)].into());
        let families: Vec<_> = row.families.keys().map(String::as_str).collect();
        assert_eq!(families, ["flat", "needle", "normal"]);
    }
    assert_eq!(scaled.example.as_ref().unwrap().case, "s/x/flat", "cases are in order");
    assert_eq!(scaled.example.as_ref().unwrap().on, "inputs A");
    assert_eq!(stale.example.as_ref().unwrap().on, "inputs B");
    assert_eq!(scaled.missed_by, [Rule::Onnx, Rule::Ggml]);
    assert_eq!(stale.missed_by, []);
    assert_eq!(
        matrix.rules[0],
        RuleScore { rule: Rule::Onnx, misses: 1, misses_on_normal: 1, accuses: 0 }
    );
}

#[test]
fn a_survivor_is_named_and_the_matrix_does_not_hold() {
    let matrix = matrix(&[Fault::None], 1);
    assert!(!matrix.holds());
    assert_eq!(matrix.mutants[0].total, Tally::default());
    let text = matrix.summary();
    assert!(text.contains("SURVIVES: mutant/none: a fake; it shows on 0 cases."), "{text}");
    assert!(text.contains("Killed 0 of 1 mutants on 3 cases (1 left out: too much work).\n"));
    assert!(text.contains("The control survives everywhere.\n"));
    assert!(text.contains("On normal inputs alone the check misses 1, ONNX's rule 1, "));
}

#[test]
fn threads_change_nothing_and_json_gives_it_back() {
    let matrix =
        [1, 3].map(|threads| super::tests::matrix(&[Fault::Scaled, Fault::Stale], threads));
    assert_eq!(matrix[0], matrix[1]);
    let json = serde_json::to_string(&matrix[0]).unwrap();
    assert_eq!(serde_json::from_str::<KillMatrix>(&json).unwrap(), matrix[0]);
}
