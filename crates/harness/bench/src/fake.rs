//! naive with a fault, for tests of what finds faults.

use std::num::NonZeroU32;

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Inputs, Output, Plan, Problem,
    Unavailable, Unsupported,
};
use attn_naive::Naive;

/// A backend that spoils what naive stores.
#[derive(Clone, Copy)]
pub(crate) struct Fake {
    /// The first result, whatever is loaded later.
    pub(crate) stale: bool,
    /// What becomes of the others.
    pub(crate) spoil: fn(&mut Output),
}

impl Fake {
    pub(crate) const HONEST: Fake = Fake { stale: false, spoil: |_| {} };
    pub(crate) const STALE: Fake = Fake { stale: true, ..Fake::HONEST };
}

impl Backend for Fake {
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
        Ok(Box::new(FakePlan { fake: *self, plan: Naive.prepare(problem, exec)?, loads: 0 }))
    }
}

struct FakePlan<'b> {
    fake: Fake,
    plan: Box<dyn Plan + 'b>,
    loads: u32,
}

impl Plan for FakePlan<'_> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        self.loads += 1;
        if self.fake.stale && self.loads > 1 { Ok(()) } else { self.plan.load(inputs) }
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        self.plan.run(reps)
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.plan.store(out)?;
        (self.fake.spoil)(out);
        Ok(())
    }
}
