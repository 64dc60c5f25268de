//! One cell in a process of its own, which computes, times and stores; whoever started it judges.
//!
//! A fresh process is the only fair way to set the number of threads (libraries fix their pools for the life of a process), and
//! it keeps a crash or a hang to its own cell. Both ends write a line of JSON at a time:
//!
//! ```text
//! -> {"nonce":"8c5f.."}
//! <- {"nonce":"8c5f..","answer":{"hello":{"protocol":"attn-worker/1"}}}
//! -> {"prepare":{"backend":"faer","threads":1,..}}     <- ..{"ready":{..}}
//! -> {"check":{"case":"a.case"}}                       <- ..{"stored":{..}}      judged before anything is timed
//! -> {"count":{"phases":true}}                         <- ..{"counted":{..}}
//! -> {"measure":{..}}                                  <- ..{"measured":{..}}    or, for comparing two programs in turns,
//! -> "load"                                            <- ..{"stored":{..}}
//! -> {"run":{"calls":40,"warm":1}}                     <- ..{"ran":{"ns":1210345,"disturbed":false}}     as often as wanted
//! -> "fresh"                                           <- ..{"stored":{..}}                              now and then
//! -> "finish"                                          <- ..{"finished":{..}}
//! ```
//!
//! What a backend might do to look better than it is, and what keeps it from that:
//!
//! - It has no expectations: these stay with the harness. Results come as files of their raw bytes.
//! - It prints a reply of its own: the descriptors of the dialogue are not those that libraries know as standard streams, and
//!   every answer bears the nonce that the harness drew.
//! - It knows the inputs, from their file or from a process before: what is timed has signs that are drawn when all is prepared, and at
//!   moments drawn by a secret seed it is given further ones ([`Variation`]), whose results are judged too.
//!
//! Both ends may be of different revisions of this crate. So whoever changes a message, or a file that a message names,
//! gives the protocol another number: a test compares with what is written down. Only to an answer something may be added whose absence
//! says what older workers do: the harness is never older than its workers.

mod client;
mod serve;

pub use client::{Dialogue, Launcher, WorkerError, read_answer, wait};
pub(crate) use serve::AnyError;
pub use serve::{Host, serve, work};

use std::num::NonZeroU32;
use std::path::PathBuf;

use attn_core::{Asked, BackendInfo, Footprint, PhaseTime, Variation, Work};
use attn_record::{Audit, Fresh, Memory, Outcome, Process, Timing};
use serde::{Deserialize, Serialize};

use crate::cell::sampling::SamplingTimes;

/// The protocol of this revision.
pub const PROTOCOL: &str = "attn-worker/1";

/// The first line that a worker reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// What every answer must bear.
    pub nonce: String,
}

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Which cells are there?
    List(Choice),
    /// Get ready to compute.
    Prepare(Setup),
    /// Compute once on these inputs.
    Check {
        /// An attn-case file.
        case: PathBuf,
    },
    /// Count what one more call allocates.
    Count {
        /// And say where the time of a call goes.
        phases: bool,
    },
    /// Time calls on the inputs of [`Setup`], with other signs.
    Measure(Timed),
    /// Compute on the inputs of [`Setup`] a few times, then once on others.
    Repeat,
    /// Load the inputs of [`Setup`], with other signs, and compute once.
    Load,
    /// Compute, and time it.
    Run {
        /// Calls that are timed, together.
        calls: NonZeroU32,
        /// Calls before them that are not: they bring the operands back into the caches. If there are any, two more are made alone
        /// after them, to compare.
        warm: u32,
    },
    /// Compute once on other inputs, then go back to those that are timed.
    Fresh,
    /// Store the last result.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Path of the backend.
    pub backend: String,
    /// Whether a device computes it, not the processor.
    pub on_device: bool,
    /// Threads, also set in the worker's environment.
    pub threads: usize,
    /// The processor to stay on, with one thread.
    pub cpu: Option<u32>,
    /// Bytes of address space that the worker may use; a computation that asks for more dies.
    pub memory_limit: Option<u64>,
    /// An attn-case file: the problem, and inputs. What is timed are these with other signs.
    pub case: PathBuf,
    /// A folder for results.
    pub results: PathBuf,
}

/// What is timed, for how long, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// What one call is.
    #[serde(rename = "model")]
    pub timing: Timing,
    /// How long.
    #[serde(rename = "timing")]
    pub sampling_times: SamplingTimes,
    /// Bytes that the operands of a cold kernel occupy together.
    pub cold_bytes: u64,
    /// The processors over which the threads that the backend starts are spread, in turn; if empty, they are free to
    /// move.
    pub spread: Vec<u32>,
}

/// A sample is planned to last as long as so many requests to the process that computes, if one does: it lasts at least a quarter of
/// that, so that one request is less than a hundredth of it.
const REQUESTS: u64 = 400;

impl Timed {
    /// The same, with samples beside which the request for their calls does not count.
    pub(crate) fn dwarfing(&self, asked: Option<Asked>) -> Self {
        let mut timed = self.clone();
        let least_us = asked.map_or(0, |asked| REQUESTS * asked.request_ns / 1000);
        let times = &mut timed.sampling_times;
        times.min_sample_us = times.min_sample_us.max(least_us);
        timed
    }
}

/// What a worker writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// As in [`Opening`].
    pub nonce: String,
    /// The answer.
    pub answer: Answer,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Opening`].
    Hello {
        /// [`PROTOCOL`].
        protocol: String,
    },
    /// To [`Ask::List`].
    Cells(Vec<CellId>),
    /// To [`Ask::Prepare`].
    Ready(Box<Ready>),
    /// To [`Ask::Check`], [`Ask::Repeat`], [`Ask::Load`] and [`Ask::Fresh`].
    Stored(Stored),
    /// To [`Ask::Count`].
    Counted(Counted),
    /// To [`Ask::Measure`].
    Measured {
        /// The samples.
        process: Box<Process>,
        /// Smallest step of the clock, nanoseconds.
        clock_ns: u64,
        /// Results, that of the last timed call among them.
        stored: Stored,
    },
    /// To [`Ask::Run`].
    Ran(Slot),
    /// To [`Ask::Finish`].
    Finished {
        /// The last result.
        stored: Stored,
        /// What else was done.
        audit: Audit,
    },
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

/// What is known before anything is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// What runs.
    #[serde(rename = "receipt")]
    pub info: BackendInfo,
    /// What it says that it occupies.
    pub footprint: Footprint,
    /// Useful work of one call, as this revision counts it.
    pub work: Work,
    /// The processor that it stays on; `None` if it was not asked to, or the system does not let it.
    pub cpu: Option<u32>,
}

/// What one call takes, apart from time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What it allocates, if that was counted.
    pub memory: Option<Memory>,
    /// Where its time goes, if the backend looks.
    pub phases: Vec<PhaseTime>,
}

/// Results, in files below [`Setup::results`]: the bytes of an [`Output`](attn_core::Output).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The files, each with what was changed in the inputs that are timed; nothing in those as they were.
    pub results: Vec<(PathBuf, Option<Variation>)>,
    /// What was changed in the inputs of [`Setup`] to make those that are timed: signs that the worker drew once the backend was
    /// prepared, so that no file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed: Option<Variation>,
    /// Calls after which an element of the output that had been poisoned before was still not written.
    pub unwritten: u64,
    /// The times of the first call on other inputs, where it was asked for alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Fresh>,
}

/// One timed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Wall time of all its calls, nanoseconds.
    pub ns: u64,
    /// Whether the process had to wait for a processor meanwhile; `None` where the system does not say.
    pub disturbed: Option<bool>,
}

#[cfg(test)]
mod tests;
