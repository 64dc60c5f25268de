//! The one interface between the harness and every implementation of attention.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{BackendInfo, Bytes, DType, Inputs, Output, Problem, ScoreKind};

/// Stable name of a backend in cases, records and reports: a path such as `candle/fused`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackendId(Cow<'static, str>);

impl BackendId {
    /// The id of a backend in this program.
    pub const fn new(id: &'static str) -> Self {
        BackendId(Cow::Borrowed(id))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for BackendId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// How a computation may use the machine. Passed, never global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exec {
    /// Threads that may compute at the same time, the caller's included.
    pub threads: NonZeroUsize,
}

impl Exec {
    /// One thread.
    pub const SINGLE: Exec = Exec { threads: NonZeroUsize::MIN };
}

/// One way of computing attention.
pub trait Backend: Send + Sync {
    /// Stable name.
    fn id(&self) -> BackendId;

    /// What would run here: version, instruction set or device, arithmetic; or why it cannot.
    fn probe(&self) -> Result<BackendInfo, Unavailable>;

    /// Whether this problem can be computed *as stated*. Never approximates silently.
    fn supports(&self, problem: &Problem) -> Result<(), Unsupported>;

    /// All that depends on the problem only: plan, allocate, build a causal bias.
    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError>;

    /// Whether plans ask another process to compute: what goes to it and back is no part of the computation, so that calls of `run`
    /// alone can be timed.
    fn asks_a_process(&self) -> bool {
        false
    }

    /// The program whose `worker` computes this, if it is not the program that asks: a library that may be
    /// missing must not keep everything else from starting.
    fn runner(&self) -> Option<&Path> {
        None
    }
}

/// A backend that can leave query rows out. The yardstick is one: where only some rows are checked, the
/// others would cost without telling anything.
pub trait ByRows: Backend {
    /// Like [`compute`] on one thread, with `rows` (the same in every batch and head) alone computed; what
    /// the others hold is finite and means nothing.
    fn compute_rows(
        &self,
        problem: &Problem,
        inputs: &Inputs,
        rows: &[usize],
    ) -> Result<Output, BackendError>;
}

/// A prepared computation; the harness decides which phase is timed.
///
/// `load` may copy, permute axes into the library's layout and zero what no query reads
/// ([`Inputs::zero_unread`]), which may hold NaN. Everything else that depends on values (packing,
/// conversion, repeating k and v for grouped heads) belongs to `run`.
pub trait Plan {
    /// Host to the backend's own layout or device.
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError>;

    /// Computes `reps` times; returns when the last result exists.
    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError>;

    /// The last result to the canonical layout `[B, Hq, Nq, Dv]`; writes every element.
    fn store(&mut self, out: &mut Output) -> Result<(), BackendError>;

    /// Computes once and says where the time went; without any phase where the plan does not look.
    fn phases(&mut self) -> Result<Vec<PhaseTime>, BackendError> {
        Ok(Vec::new())
    }

    /// Computes once and says what that occupies of a device's memory at its peak, beyond what the plan occupied before;
    /// `None` where no device computes, or it does not count.
    fn device_peak(&mut self) -> Result<Option<Bytes>, BackendError> {
        Ok(None)
    }

    /// Memory beyond inputs and output, if known.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// What asking takes and has taken, where another process computes; `None` where this one does.
    fn asked(&self) -> Option<Asked> {
        None
    }
}

/// Runs `backend` once on `inputs`: prepare, load, run, store.
pub fn compute(
    backend: &dyn Backend,
    problem: &Problem,
    exec: &Exec,
    inputs: &Inputs,
) -> Result<Output, BackendError> {
    run_once(&mut *backend.prepare(problem, exec)?, problem, inputs)
}

/// Runs a plan of `problem` once on `inputs`: load, run, store.
pub fn run_once(
    plan: &mut dyn Plan,
    problem: &Problem,
    inputs: &Inputs,
) -> Result<Output, BackendError> {
    plan.load(inputs)?;
    plan.run(NonZeroU32::MIN)?;
    let mut out = Output::poisoned(problem);
    plan.store(&mut out)?;
    Ok(out)
}

/// Requests to another process that computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Time of a request that asks for nothing, nanoseconds.
    pub request_ns: u64,
    /// Time of all requests to compute so far, by our clock.
    pub asked_ns: u64,
    /// The same calls by the clock of the process that computes.
    pub told_ns: u64,
}

/// What a plan occupies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprint {
    /// Scratch that `prepare` and `run` hold at their peak.
    pub scratch: Option<Bytes>,
}

/// Time that a call spent on a part of the computation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseTime {
    /// What was done.
    pub name: Cow<'static, str>,
    /// Nanoseconds, all threads together.
    pub ns: u64,
}

/// The backend cannot run on this machine or in this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing and how to get it.
    pub reason: String,
}

/// The backend does not compute this problem as stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{feature}: {why}")]
pub struct Unsupported {
    /// The part of the problem that is not supported.
    pub feature: Feature,
    /// What the library does or lacks.
    pub why: &'static str,
}

/// A part of a problem that a backend may not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// The storage type.
    DType(DType),
    /// A score other than scaled-dot.
    Score(ScoreKind),
    /// `dim_k != dim`.
    KeyDim,
    /// More than one sequence.
    Batch,
    /// `heads_q != heads_kv`.
    GroupedHeads,
    /// `dim_v != dim`.
    ValueDim,
    /// Causal masking at this shape and alignment.
    Causal,
    /// Keys near the diagonal only.
    Window,
    /// Scores bounded by tanh.
    Softcap,
    /// A boolean mask.
    BoolMask,
    /// A mask that is added to the scores.
    AdditiveMask,
    /// Padding after the valid keys.
    KvLen,
    /// A bias that grows with the distance.
    Alibi,
    /// A logit that adds no value.
    Sinks,
    /// The log-sum-exp as a second output.
    Lse,
    /// More elements than can be counted.
    Size,
}

impl Feature {
    /// Whether a backend that says nothing of it computes it: all that there was when backends were first written. What came later
    /// is refused by every backend that does not name it.
    pub const fn is_basic(self) -> bool {
        match self {
            Feature::DType(_)
            | Feature::Score(_)
            | Feature::KeyDim
            | Feature::Batch
            | Feature::GroupedHeads
            | Feature::ValueDim
            | Feature::Causal
            | Feature::Window
            | Feature::Softcap
            | Feature::BoolMask
            | Feature::AdditiveMask
            | Feature::KvLen
            | Feature::Alibi
            | Feature::Sinks
            | Feature::Lse
            | Feature::Size => true,
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Feature::DType(dtype) => f.write_str(dtype.name()),
            Feature::Score(kind) => write!(f, "{kind} score"),
            Feature::KeyDim => f.write_str("dim_k != dim"),
            Feature::Batch => f.write_str("batch"),
            Feature::GroupedHeads => f.write_str("grouped heads"),
            Feature::ValueDim => f.write_str("dim_v != dim"),
            Feature::Causal => f.write_str("causal"),
            Feature::Window => f.write_str("window"),
            Feature::Softcap => f.write_str("softcap"),
            Feature::BoolMask => f.write_str("boolean mask"),
            Feature::AdditiveMask => f.write_str("additive mask"),
            Feature::KvLen => f.write_str("kv_len"),
            Feature::Alibi => f.write_str("alibi"),
            Feature::Sinks => f.write_str("sinks"),
            Feature::Lse => f.write_str("lse"),
            Feature::Size => f.write_str("size"),
        }
    }
}

/// A computation failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// `run` or `store` came before `load`.
    #[error("nothing is loaded: `load` comes before `run` and `store`")]
    NotLoaded,
    /// Inputs or output are stored in another type than the plan was prepared for.
    #[error("the plan was prepared for {expected} tensors, got {found}")]
    DType {
        /// The plan's type.
        expected: DType,
        /// The tensor's type.
        found: DType,
    },
    /// The library reported an error.
    #[error("{library}: {message}")]
    Library {
        /// Name of the library.
        library: &'static str,
        /// Its words.
        message: String,
    },
}
