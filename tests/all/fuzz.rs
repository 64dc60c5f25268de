//! Readers of what others write, on inputs that are nearly right: a short run of what `scripts/fuzz-soak` does longer.

use std::collections::BTreeSet;

use attn_tests::entry::{READERS, Reader};
use attn_tests::{mutate, trial};

/// Inputs of each reader.
const INPUTS: u64 = 2000;
/// Of 100 inputs, so many at least must be read as what they should be: others test nothing but the parser.
const READ: u64 = 3;

fn run(name: &str) {
    let reader = READERS.into_iter().find(|reader| reader.name == name).unwrap();
    let (report, finding) = trial::run(reader, 0..INPUTS, None);
    assert!(finding.is_none(), "{}", finding.unwrap());
    assert!(100 * report.read >= READ * INPUTS, "{name}: {report:?}");
}

macro_rules! readers {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run(stringify!($name)); })*
    };
}

readers! { attn_case case_file run_folder gate_toml gate_folder criterion worker_answer worker_request }

#[test]
fn every_reader_is_tested_and_has_a_target() {
    let names: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
    assert_eq!(names, TESTED);
    let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let target = std::fs::read_to_string(fuzz.join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("entry::{name}(")), "{target}");
    }
}

#[test]
fn every_seed_is_read() {
    for reader in READERS {
        for (at, seed) in trial::seeds(&reader).iter().enumerate() {
            assert!((reader.read)(seed), "{}: seed {at}", reader.name);
        }
    }
}

#[test]
fn inputs_are_the_same_for_the_same_number_and_differ_between_numbers() {
    let seeds = trial::seeds(&READERS[0]);
    let all = || (0..200).map(|number| mutate::input(&seeds, number));
    assert!(all().eq(all()));
    assert!(all().collect::<BTreeSet<_>>().len() > 180);
}

/// The runner finds what it is for.
#[test]
fn a_panic_is_told_with_its_input() {
    let reader = Reader { name: "gate_toml", read: |bytes| bytes.len() < 5 || panic!("too long") };
    let finding = trial::run(reader, 0..100, None).1.unwrap();
    assert!(finding.to_string().contains("it panics: too long"), "{finding}");
    assert!(finding.input.len() >= 5);
}
