//! A kernel of your own with everything that `attn` does: `attn-example check -b mine`, `measure`, `gate`.
//!
//! The kernel is in `kernel.rs`. This file is all that a crate needs to register it: what it is called, what
//! it computes with, what it supports, and how it is prepared.

mod kernel;

use attn_cli::{Entry, Measured};
use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, DType, Exec, Feature, Plan, Problem,
    ScoreKind, Unavailable, Unsupported,
};
use attn_host::HostPlan;

/// Counts what a computation allocates, when asked: the gate compares it.
#[global_allocator]
static ALLOCATOR: attn_sys::alloc::Counting = attn_sys::alloc::Counting;

fn main() -> std::process::ExitCode {
    attn_cli::main_with(|| {
        let backend = Box::new(Mine);
        vec![Entry { backend, nominal_gflops: 2.0, measured: Measured::Always }]
    })
}

struct Mine;

impl Backend for Mine {
    fn id(&self) -> BackendId {
        BackendId::new("mine")
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            arithmetic: Arithmetic { online: true, ..Arithmetic::PLAIN },
            ..BackendInfo::on_cpu(concat!("attn-example ", env!("CARGO_PKG_VERSION")))
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let (spec, dtype) = (problem.spec(), problem.dtype());
        let score = spec.score.kind();
        let refused = [
            (dtype != DType::F32, Feature::DType(dtype)),
            (score != ScoreKind::ScaledDot, Feature::Score(score)),
            (spec.sinks, Feature::Sinks),
            (spec.lse, Feature::Lse),
        ];
        let first = refused.into_iter().find(|(present, _)| *present);
        let why = "not written yet";
        first.map_or(Ok(()), |(_, feature)| Err(Unsupported { feature, why }))
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(Box::new(HostPlan::<f32, _>::new(problem, kernel::Online)))
    }
}
