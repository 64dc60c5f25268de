//! The matrix over two fakes: naive scaled by one part in a million, and naive with its first result kept.

use std::borrow::Cow;
use std::io;

use attn_core::Output;
use attn_naive::Naive;

use super::*;
use crate::fake::Fake;
use crate::rules::Rule;
use crate::suite::{CaseFile, Files, SuiteError};

/// One part in a million too large: below what ONNX's rule sees, above the bound.
fn scale(out: &mut Output) {
    let o = out.o_mut().slice_mut::<f64>().expect("the case is f64");
    for x in o {
        *x *= 1.0 + 1e-6;
    }
}

const NONE: (&str, Fake) = ("mutant/none", Fake::HONEST);
const SCALED: (&str, Fake) = ("mutant/scaled", Fake { spoil: scale, ..Fake::HONEST });
const STALE: (&str, Fake) = ("mutant/stale", Fake::STALE);

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

fn subject<'a>((id, fake): &'a (&str, Fake)) -> Subject<'a> {
    Subject { id, description: "a fake", theme: "fakes", backend: fake }
}

fn matrix(mutants: &[(&str, Fake)], threads: usize) -> KillMatrix {
    let suite = Suite::load(Box::new(OneFile)).unwrap();
    let cases: Vec<_> = suite.cases().iter().collect();
    let mutants: Vec<_> = mutants.iter().map(subject).collect();
    let mutation = Mutation {
        suite: &suite,
        cases: &cases,
        max_flops: 1_000_000,
        naive: &Naive,
        control: subject(&NONE),
        mutants: &mutants,
        threads,
    };
    mutation.run().unwrap()
}

#[test]
fn mutants_are_killed_on_the_inputs_that_show_them() {
    let matrix = matrix(&[SCALED, STALE], 1);
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
        RuleScore { rule: Rule::Onnx, misses: 1, misses_on_normal: 1, false_positives: 0 }
    );
}

#[test]
fn a_survivor_is_named_and_the_matrix_does_not_hold() {
    let matrix = matrix(&[NONE], 1);
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
    let matrix = [1, 3].map(|threads| super::tests::matrix(&[SCALED, STALE], threads));
    assert_eq!(matrix[0], matrix[1]);
    let json = serde_json::to_string(&matrix[0]).unwrap();
    assert_eq!(serde_json::from_str::<KillMatrix>(&json).unwrap(), matrix[0]);
}
