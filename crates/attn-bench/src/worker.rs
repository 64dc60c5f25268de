//! One cell in a process of its own: a request on stdin, one JSON line back on stdout.
//!
//! A fresh process is the only fair way to set the number of threads (libraries fix their pools for
//! the life of a process), and it keeps a crash or a hang to its own cell.

mod client;
mod serve;

pub use client::{Launcher, Lost, wait};
pub(crate) use serve::{AnyError, open};
pub use serve::{serve, work};

use std::path::PathBuf;

use attn_core::{Footprint, PhaseTime, Receipt, Verdict};
use attn_record::{Memory, Model, Outcome, Process};
use serde::{Deserialize, Serialize};

use crate::cell::sampling::Timing;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Path of the backend.
    pub backend: String,
    /// Threads, also set in the worker's environment.
    pub threads: usize,
    /// The processor to stay on, with one thread.
    pub cpu: Option<u32>,
    /// Bytes of address space that the worker may use; a computation that asks for more dies.
    pub memory_limit: Option<u64>,
    /// Checked first; then what one more call allocates is counted, and where the time of some goes is asked for.
    /// Absent in the later processes of a cell, of which the first has found that right.
    pub a: Option<Exercise>,
    /// Loaded into the same plan and checked last.
    pub b: Exercise,
    /// What to time on inputs B; absent when the cell is only checked.
    pub timed: Option<Timed>,
}

/// What is timed, for how long, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// What one call is.
    pub model: Model,
    /// How long.
    pub timing: Timing,
    /// Bytes that the operands of a cold kernel occupy together.
    pub cold_bytes: u64,
    /// The processors over which the threads that the backend starts are spread, in turn; if empty, they are free to
    /// move.
    pub spread: Vec<u32>,
}

/// Inputs and what is expected of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// An attn-case file.
    pub case: PathBuf,
    /// A file of [`Expected`](crate::expected::Expected).
    pub expected: PathBuf,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// How the cell ended.
    pub outcome: Outcome,
    /// Why, unless it is `ok`.
    pub reason: Option<String>,
    /// What ran.
    pub receipt: Option<Receipt>,
    /// What it occupied.
    pub footprint: Option<Footprint>,
    /// Verdict on inputs A.
    pub check: Option<Verdict>,
    /// Verdict on inputs B, last.
    pub recheck: Option<Verdict>,
    /// What the computation allocates, if that was to be counted.
    pub memory: Option<Memory>,
    /// Where the time of a call goes, if that was asked and the backend looks.
    pub phases: Vec<PhaseTime>,
    /// Smallest step of the clock, nanoseconds.
    pub clock_ns: u64,
    /// The samples.
    pub process: Option<Process>,
}

impl Reply {
    /// A reply that ended early.
    pub fn ended(outcome: Outcome, reason: String) -> Self {
        Reply {
            outcome,
            reason: Some(reason),
            receipt: None,
            footprint: None,
            check: None,
            recheck: None,
            memory: None,
            phases: Vec::new(),
            clock_ns: 0,
            process: None,
        }
    }
}
