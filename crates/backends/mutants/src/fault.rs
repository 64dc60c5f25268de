//! Backends that do not return: what a harness has to survive.
//!
//! | id | `run` |
//! |---|---|
//! | `fault/abort` | aborts its process |
//! | `fault/panic` | panics |
//! | `fault/exit` | ends its process as if all were well |
//! | `fault/hang` | sleeps for ever |
//! | `fault/hoard` | allocates without end |
//! | `fault/error` | returns an error |

use std::num::NonZeroU32;
use std::time::Duration;

use attn_core::{
    Backend, BackendError, BackendId, BackendInfo, Exec, Inputs, Output, Plan, Problem,
    Unavailable, Unsupported,
};

type Run = fn() -> Result<(), BackendError>;

/// Every fault: its id and what its `run` does.
const FAULTS: [(&str, Run); 6] = [
    ("fault/abort", || std::process::abort()),
    ("fault/panic", || panic!("the backend panics, as it is meant to")),
    ("fault/exit", || std::process::exit(0)),
    ("fault/hang", hang),
    ("fault/hoard", hoard),
    ("fault/error", || {
        Err(BackendError::Library { library: "fault", message: "fails, as it is meant to".into() })
    }),
];

/// Every faulty backend. Run them in processes of their own, with limits of time and memory.
pub fn faults() -> Vec<Box<dyn Backend>> {
    FAULTS.iter().map(|&(id, run)| Box::new(Faulty { id, run }) as Box<dyn Backend>).collect()
}

fn hang() -> Result<(), BackendError> {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn hoard() -> Result<(), BackendError> {
    const BLOCK: usize = 64 << 20;
    let mut kept = Vec::new();
    loop {
        // Not zeros: pages that nobody writes to would cost nothing.
        kept.push(vec![1_u8; BLOCK]);
        std::hint::black_box(&kept);
    }
}

struct Faulty {
    id: &'static str,
    run: Run,
}

impl Backend for Faulty {
    fn id(&self) -> BackendId {
        BackendId::new(self.id)
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo::on_cpu(concat!("attn-mutants ", env!("CARGO_PKG_VERSION"))))
    }

    fn supports(&self, _problem: &Problem) -> Result<(), Unsupported> {
        Ok(())
    }

    fn prepare<'b>(
        &'b self,
        _problem: &Problem,
        _exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(Box::new(FaultyPlan(self.run)))
    }
}

struct FaultyPlan(Run);

impl Plan for FaultyPlan {
    fn load(&mut self, _inputs: &Inputs) -> Result<(), BackendError> {
        Ok(())
    }

    fn run(&mut self, _reps: NonZeroU32) -> Result<(), BackendError> {
        (self.0)()
    }

    fn store(&mut self, _out: &mut Output) -> Result<(), BackendError> {
        Ok(())
    }
}
