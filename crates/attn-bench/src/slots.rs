//! A worker that is timed slot by slot: what the gate measures two programs in turns with.
//!
//! The worker says which protocol it speaks, then answers one JSON line with one JSON line:
//!
//! ```text
//! <- {"hello":{"protocol":"attn-slots/1"}}
//! -> {"list":{"backends":null,"cases":"gate"}}            <- {"cells":[..]}
//! -> {"prepare":{"backend":"faer","threads":1,..}}        <- {"ready":{..}}
//! -> {"run":{"calls":40,"warm":1}}                        <- {"ran":{"ns":1210345,"disturbed":false}}
//!    ... as often as wanted ...
//! -> "finish"                                             <- {"finished":{..}}
//! ```
//!
//! `prepare` checks the result on inputs A if there are any, then loads inputs B; `finish` checks the result
//! that was timed last. Both ends may be of different revisions of this crate. So whoever changes a message,
//! or a file that a message names, gives the protocol another number: a test compares with what is
//! written down.

mod client;
mod serve;

pub use client::{Dialogue, SlotError, Start};
pub use serve::{Host, serve};

use std::num::NonZeroU32;

use attn_core::{Footprint, Receipt, Verdict, Work};
use attn_record::{Memory, Outcome};
use serde::{Deserialize, Serialize};

use crate::worker::Exercise;

/// The protocol of this revision.
pub const PROTOCOL: &str = "attn-slots/1";

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Which cells are there?
    List(Choice),
    /// Get ready to compute.
    Prepare(Setup),
    /// Compute, and time it.
    Run {
        /// Calls that are timed, together.
        calls: NonZeroU32,
        /// Calls before them that are not: they bring the operands back into the caches.
        warm: u32,
    },
    /// Check the last result.
    Finish,
}

/// Filters, as on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Backends; all without.
    pub backends: Option<String>,
    /// Cases; all without.
    pub cases: Option<String>,
}

/// What is computed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Path of the backend.
    pub backend: String,
    /// Threads, also set in the worker's environment.
    pub threads: usize,
    /// The processor to stay on.
    pub cpu: Option<u32>,
    /// Checked first, with one more call whose allocations are counted, if there is any.
    pub a: Option<Exercise>,
    /// Timed, and checked last.
    pub b: Exercise,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The first line.
    Hello {
        /// [`PROTOCOL`].
        protocol: String,
    },
    /// To [`Ask::List`].
    Cells(Vec<CellId>),
    /// To [`Ask::Prepare`].
    Ready(Box<Ready>),
    /// To [`Ask::Run`].
    Ran(Slot),
    /// To [`Ask::Finish`].
    Finished(Verdict),
    /// To anything that did not work.
    Failed {
        /// How the cell ended.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
}

/// A case on a backend with a number of threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId {
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// Threads.
    pub threads: usize,
}

/// `faer:gate/prefill`, and `faer:gate/prefill@2` with two threads.
impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CellId { case, backend, threads } = self;
        let threads = if *threads == 1 { String::new() } else { format!("@{threads}") };
        f.pad(&format!("{backend}:{case}{threads}"))
    }
}

/// What is known before anything is timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// What runs.
    pub receipt: Receipt,
    /// What it says that it occupies.
    pub footprint: Footprint,
    /// Useful work of one call, as this revision counts it.
    pub work: Work,
    /// The verdict on inputs A, if there were any.
    pub check: Option<Verdict>,
    /// What one call allocates, if that was counted.
    pub memory: Option<Memory>,
}

/// One timed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Wall time of all its calls, nanoseconds.
    pub ns: u64,
    /// Whether the process had to wait for a processor meanwhile; `None` where the system does not say.
    pub disturbed: Option<bool>,
}

#[cfg(test)]
mod tests;
