//! Four fakes: naive itself, naive with one per cent added, naive with its last bit changed, and naive with its first result kept.

use std::sync::atomic::AtomicBool;

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, DType, Exec, Inputs, Output, Plan, Problem,
    Unavailable, Unsupported,
};
use attn_naive::Naive;

use super::*;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Scaled,
    LastBit,
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
        let o = out.o_mut().slice_mut::<f32>().expect("the statements are f32");
        match self.fault {
            Fault::Scaled => o.iter_mut().for_each(|x| *x *= 1.01),
            Fault::LastBit => o[0] = f32::from_bits(o[0].to_bits() ^ 1),
            Fault::None | Fault::Stale => {}
        }
        Ok(())
    }
}

fn subject<'a>(id: &'a str, fault: &'a Fault) -> Subject<'a> {
    Subject { id, description: "a fake", theme: "fakes", backend: fault }
}

fn limits(mutants: &[Subject<'_>], honest: &[Subject<'_>], threads: usize) -> Limits {
    let detection = Detection {
        control: subject("control", &Fault::None),
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
        subject("scaled", &Fault::Scaled),
        subject("last bit", &Fault::LastBit),
        subject("stale", &Fault::Stale),
    ];
    let limits = limits(&mutants, &[subject("last bit", &Fault::LastBit)], 1);
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
    let limits = limits(&[], &[subject("scaled", &Fault::Scaled)], 2);
    assert!(!limits.holds());
    assert_eq!(limits.accusations.len(), limits.statements);
    let text = limits.exceptions();
    assert!(text.contains("- ACCUSED: scaled on full, N = 64, f32: "), "{text}");
}

#[test]
fn a_planted_error_must_be_larger_the_fewer_elements_it_has() {
    let [planted] = &limits(&[], &[], 1).planted[..] else { panic!("one type, one length") };
    let smallest = planted.smallest.map(|e| e.expect("16 is refused everywhere"));
    assert!(smallest.is_sorted(), "{smallest:?}");
    assert!(smallest[0] > DType::F32.unit_roundoff() && smallest[0] < 1e-4, "{smallest:?}");
}
