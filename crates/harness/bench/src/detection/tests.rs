//! Four fakes: naive itself, naive with one per cent added, naive with its last bit changed, and naive with its first result kept.

use std::sync::atomic::AtomicBool;

use attn_core::{DType, Output};

use super::*;
use crate::fake::Fake;

fn elements(out: &mut Output) -> &mut [f32] {
    out.o_mut().slice_mut().expect("the statements are f32")
}

const SCALED: Fake =
    Fake { spoil: |out| elements(out).iter_mut().for_each(|x| *x *= 1.01), ..Fake::HONEST };

const LAST_BIT: Fake = Fake {
    spoil: |out| {
        let o = elements(out);
        o[0] = f32::from_bits(o[0].to_bits() ^ 1);
    },
    ..Fake::HONEST
};

fn subject<'a>(id: &'a str, fake: &'a Fake) -> Subject<'a> {
    Subject { id, description: "a fake", theme: "fakes", backend: fake }
}

fn limits(mutants: &[Subject<'_>], honest: &[Subject<'_>], threads: usize) -> Limits {
    let detection = Detection {
        control: subject("control", &Fake::HONEST),
        mutants,
        honest,
        dtypes: &[DType::F32],
        lengths: &[64],
        threads,
        progress: &|_| {},
        cancel: &AtomicBool::new(false),
    };
    detection.run().unwrap()
}

#[test]
fn what_is_visible_is_refused_and_what_is_not_is_said() {
    let mutants = [
        subject("scaled", &SCALED),
        subject("last bit", &LAST_BIT),
        subject("stale", &Fake::STALE),
    ];
    let limits = limits(&mutants, &[subject("last bit", &LAST_BIT)], 1);
    assert!(limits.holds() && limits.is_complete(), "{}", limits.exceptions());
    let [limit] = &limits.limits[..] else { panic!("one type, one length") };
    let statements = limits.statements;
    // The stale one is seen only where second calls are judged.
    assert_eq!((limit.visible, limit.visible_refused), (statements + 2, statements + 2));
    assert_eq!((limit.differing, limit.others_refused), (2 * statements + 2, 0));
    assert_eq!((limit.mutants_visible, limit.mutants_refused), (2, 2));
    assert_eq!((limit.honest, limit.honest_refused), (2 * statements, 0));
    let [unseen] = &limits.unseen[..] else { panic!("{:?}", limits.unseen) };
    assert!(unseen.mutant == "last bit" && unseen.differs);
}

#[test]
fn honest_results_that_are_refused_are_named() {
    let limits = limits(&[], &[subject("scaled", &SCALED)], 2);
    assert!(!limits.holds());
    assert_eq!(limits.false_positives.len(), limits.statements);
    let text = limits.exceptions();
    assert!(text.contains("- FALSE POSITIVE: scaled on full, N = 64, f32: "), "{text}");
}

#[test]
fn a_planted_error_must_be_larger_the_fewer_elements_it_has() {
    let [planted] = &limits(&[], &[], 1).planted[..] else { panic!("one type, one length") };
    let smallest = planted.smallest.map(|e| e.expect("16 is refused everywhere"));
    assert!(smallest.is_sorted(), "{smallest:?}");
    assert!(smallest[0] > DType::F32.unit_roundoff() && smallest[0] < 1e-4, "{smallest:?}");
}
