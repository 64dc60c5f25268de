//! One line of `records.jsonl`.

use attn_core::{BackendInfo, DType, Footprint, PhaseTime, ProblemSpec, Verdict, Work};
use serde::{Deserialize, Serialize};

use crate::{Audit, Build, Estimate, Machine, Spread, stats};

/// The schema that this program writes and reads.
pub const SCHEMA: &str = "attn-record/1";

/// One cell: a case on a backend with a number of threads.
///
/// Two runs of the same build on the same machine write the same records, byte for byte, once the
/// field `volatile` is removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `attn-record/1`.
    pub schema: String,
    /// Path of the case: `sweep/seq-len/full/n=256`.
    pub case: String,
    /// The size that varies in the case's group, if it is a sweep.
    pub axis: Option<Axis>,
    /// Path of the backend: `candle/fused`.
    pub backend: String,
    /// Threads that the backend was allowed.
    pub threads: usize,
    /// What was timed; `null` when the cell was only checked.
    #[serde(rename = "model")]
    pub timing: Option<Timing>,
    /// How the cell ended.
    pub outcome: Outcome,
    /// Why it ended so, in one line; `null` when `outcome` is `ok`.
    pub reason: Option<String>,
    /// The problem.
    pub problem: ProblemSpec,
    /// Where the inputs come from: `normal, seed 1` or a file.
    pub inputs: String,
    /// SHA-256 of the inputs; `null` when they were not needed.
    pub digests: Option<Digests>,
    /// Useful work of one call.
    pub work: Work,
    /// What ran; `null` when nothing did.
    #[serde(rename = "receipt")]
    pub info: Option<BackendInfo>,
    /// What the plan occupied; `null` when nothing ran.
    pub footprint: Option<Footprint>,
    /// The verdict on inputs A, before anything else.
    pub check: Option<Verdict>,
    /// The verdict on inputs B, on the last result of the same plan: after timing, or after three more
    /// calls where nothing is timed.
    pub recheck: Option<Verdict>,
    /// The program.
    pub build: Build,
    /// The machine.
    pub machine: Machine,
    /// Everything that differs from run to run.
    pub volatile: Volatile,
}

/// The size that varies along a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Sequence length: `len_k`, with `len_q` along or fixed.
    Len,
    /// Head dimension: `dim`.
    Dim,
}

impl Axis {
    /// Its letter.
    pub const fn symbol(self) -> &'static str {
        match self {
            Axis::Len => "N",
            Axis::Dim => "D",
        }
    }

    /// Of one problem.
    pub const fn size(self, problem: &ProblemSpec) -> usize {
        match self {
            Axis::Len => problem.shape.len_k,
            Axis::Dim => problem.shape.dim,
        }
    }
}

/// What one sample is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// `Plan::run` alone, operands in place and caches warm.
    Kernel,
    /// `Plan::run` alone, on operands that no cache holds: many plans in turn, together larger than the
    /// last-level cache.
    KernelCold,
    /// `Plan::load`, `Plan::run`, `Plan::store`.
    EndToEnd,
    /// `Backend::prepare`, and dropping the plan.
    Prepare,
}

impl Timing {
    /// Every timing, the one that is shown first first.
    pub const ALL: [Timing; 4] =
        [Timing::Kernel, Timing::KernelCold, Timing::EndToEnd, Timing::Prepare];

    /// As in the file and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Timing::Kernel => "kernel",
            Timing::KernelCold => "kernel-cold",
            Timing::EndToEnd => "end-to-end",
            Timing::Prepare => "prepare",
        }
    }

    /// Whether the kernel is called in what is timed.
    pub const fn calls(self) -> bool {
        !matches!(self, Timing::Prepare)
    }
}

impl std::fmt::Display for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How a cell ended: as exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Checked, right, and measured if it was to be measured.
    Ok,
    /// The backend cannot run on this machine or in this build.
    Unavailable,
    /// The backend refuses the problem as stated.
    Unsupported,
    /// The result is wrong. Never timed, or the time is not kept.
    Disagrees,
    /// The result is right and the time cannot be: it is faster than the machine, or what was timed is not the computation.
    Implausible,
    /// The backend, the process or the harness failed.
    Error,
    /// The process was stopped after its time was up.
    Timeout,
    /// Not run, by preset or budget.
    Skipped,
    /// Neither the backend nor the problem ended it: the disk is full, no process can be started, or somebody else sent the
    /// worker a signal. `attn run --resume` tries it again.
    Untried,
}

impl Outcome {
    /// Every outcome, best first.
    pub const ALL: [Outcome; 9] = [
        Outcome::Ok,
        Outcome::Unavailable,
        Outcome::Unsupported,
        Outcome::Disagrees,
        Outcome::Implausible,
        Outcome::Error,
        Outcome::Timeout,
        Outcome::Skipped,
        Outcome::Untried,
    ];

    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Unavailable => "unavailable",
            Outcome::Unsupported => "unsupported",
            Outcome::Disagrees => "disagrees",
            Outcome::Implausible => "implausible",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Skipped => "skipped",
            Outcome::Untried => "untried",
        }
    }

    /// Whether something went wrong; what was not run has no time either, but is no failure.
    pub const fn is_failure(self) -> bool {
        use Outcome::{Disagrees, Error, Implausible, Timeout};
        matches!(self, Disagrees | Implausible | Error | Timeout)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// SHA-256 of the two sets of inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// Inputs checked before timing.
    pub a: String,
    /// Inputs timed, and checked after.
    pub b: String,
}

/// The fields that differ from run to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volatile {
    /// Start of the cell, milliseconds since 1970 UTC.
    pub started_ms: u64,
    /// Wall time of the whole cell: its processes from start to end, checks included, the case's oracle
    /// excluded.
    pub wall_ns: u64,
    /// Wall time of the case's oracle and yardstick, where this cell had to wait for them: the first of
    /// its case. The others share them.
    pub oracle_ns: Option<u64>,
    /// What the computation allocates, from an untimed call; absent when nothing ran or nobody counted.
    pub memory: Option<Memory>,
    /// Where the time of one untimed call went, if the backend looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// The samples; absent when nothing was timed.
    pub measurement: Option<Measurement>,
}

/// What a computation allocates beyond its inputs and outputs: on the heap, all threads together, or on the device that
/// computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Bytes that the plan holds once it is prepared.
    pub prepared_bytes: u64,
    /// Peak over `prepare` and one `run`: what the plan holds plus what the call needs on top.
    pub peak_bytes: u64,
    /// Allocations in one call of `run`, the first being over; absent on a device, which counts bytes in use alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations: Option<u64>,
    /// Bytes that they ask for in total; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<u64>,
    /// Bytes of the peak that no allocator counted: by how much more the process's memory grew. Absent if that is little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted_bytes: Option<u64>,
}

/// Timed samples of every process of a cell. All are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Smallest time that the clock was seen to advance by, nanoseconds.
    pub clock_ns: u64,
    /// Each process that measured the cell, in order.
    pub processes: Vec<Process>,
}

/// The samples of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The processor that it was pinned to; `null` where it was free to move, or had more than one thread.
    pub cpu: Option<u32>,
    /// The processors over which its threads were spread, in turn, all but the first; empty where they were free to
    /// move, or there was only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<u32>,
    /// Calls before the first sample.
    pub warmup_calls: u64,
    /// Wall time of those calls, nanoseconds.
    pub warmup_ns: u64,
    /// Calls per sample.
    pub reps: u32,
    /// Time of each sample of `reps` calls, nanoseconds, in order.
    pub samples_ns: Vec<u64>,
    /// Positions of the samples during which the process had to wait for a processor or the machine lost
    /// time to another; `null` where the system does not say. They are samples like all others.
    pub disturbed: Option<Vec<u32>>,
    /// Time of a fixed number of the processor's cycles, nanoseconds: before the first sample, and after every one.
    /// The more, the slower ran the processor. Empty where it was not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pace_ns: Vec<u64>,
    /// What else it did; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

impl Measurement {
    /// Nanoseconds per call: of every sample of every process, in order.
    pub fn per_call_ns(&self) -> Vec<f64> {
        self.processes.iter().flat_map(Process::per_call_ns).collect()
    }

    /// Samples of all processes.
    pub fn samples(&self) -> usize {
        self.processes.iter().map(|process| process.samples_ns.len()).sum()
    }

    /// Samples that are marked as disturbed; `None` if some process could not tell.
    pub fn disturbed(&self) -> Option<usize> {
        self.processes.iter().map(|process| Some(process.disturbed.as_ref()?.len())).sum()
    }

    /// The median of the processes' medians, nanoseconds per call.
    pub fn median_ns(&self) -> Option<f64> {
        stats::median(&self.process_medians())
    }
}

#[cfg(test)]
impl Process {
    /// One that took these samples.
    pub(crate) fn of_samples(reps: u32, samples_ns: &[u64]) -> Self {
        let samples_ns = samples_ns.to_vec();
        Process {
            cpu: None,
            spread: Vec::new(),
            warmup_calls: 1,
            warmup_ns: 1,
            reps,
            samples_ns,
            disturbed: None,
            pace_ns: Vec::new(),
            audit: None,
        }
    }
}

impl Process {
    /// What is wrong with samples that are of no calls or of no time; `None` if nothing is. A record of such is not read.
    pub fn flaw(&self) -> Option<&'static str> {
        if self.reps == 0 {
            return Some("`reps` is 0, expected at least one call in a sample");
        }
        let timeless = self.samples_ns.contains(&0);
        timeless.then_some("a sample in `samples_ns` is 0, expected at least 1 ns")
    }

    /// Nanoseconds per call, in order.
    pub fn per_call_ns(&self) -> Vec<f64> {
        let reps = f64::from(self.reps);
        self.samples_ns.iter().map(|&ns| ns as f64 / reps).collect()
    }

    /// The time per call in units of the mean of the two paces beside it, in order: proportional to the processor's
    /// cycles. `None` unless every sample is between two paces.
    pub fn per_call_paces(&self) -> Option<Vec<f64>> {
        let beside =
            self.pace_ns.windows(2).map(|pace| f64::midpoint(pace[0] as f64, pace[1] as f64));
        let whole = self.pace_ns.len() == self.samples_ns.len() + 1 && !self.pace_ns.contains(&0);
        whole.then(|| self.per_call_ns().iter().zip(beside).map(|(ns, pace)| ns / pace).collect())
    }
}

/// A case's path without its last part; all of it if it has one part only.
pub fn group_of(case: &str) -> &str {
    case.rsplit_once('/').map_or(case, |(group, _)| group)
}

/// The last part of a case's path.
pub fn leaf_of(case: &str) -> &str {
    case.rsplit('/').next().unwrap_or(case)
}

impl Record {
    /// The case's path without its last part: all cases of a sweep share it.
    pub fn group(&self) -> &str {
        group_of(&self.case)
    }

    /// The last part of the case's path.
    pub fn leaf(&self) -> &str {
        leaf_of(&self.case)
    }

    /// Storage type.
    pub fn dtype(&self) -> DType {
        self.problem.dtype
    }

    /// The samples, if the cell ended `ok` and was measured: a time without a verdict is never shown.
    pub fn measurement(&self) -> Option<&Measurement> {
        self.volatile.measurement.as_ref().filter(|_| self.outcome == Outcome::Ok)
    }

    /// Median nanoseconds per call.
    pub fn median_ns(&self) -> Option<f64> {
        self.measurement()?.median_ns()
    }

    /// The interval of the time per call, nanoseconds: [`Measurement::interval`].
    pub fn interval(&self) -> Option<Estimate> {
        self.measurement()?.interval()
    }

    /// How much the time per call spreads: [`Measurement::spread`].
    pub fn spread(&self) -> Option<Spread> {
        self.measurement()?.spread()
    }

    /// Peak heap memory beyond inputs and outputs, if the cell ended `ok` and it was counted.
    pub fn peak_bytes(&self) -> Option<u64> {
        let memory = self.volatile.memory.filter(|_| self.outcome == Outcome::Ok);
        memory.map(|memory| memory.peak_bytes)
    }

    /// Peak memory of a call, and inputs and output; `None` where memory was not counted.
    pub fn working_set(&self) -> Option<u64> {
        Some(self.peak_bytes()?.saturating_add(self.work.bytes.0))
    }

    /// Useful floating-point operations per nanosecond, at the median; `None` for a timing that does none.
    pub fn gflops(&self) -> Option<f64> {
        self.timing.filter(|timing| timing.calls())?;
        Some(self.work.flops.0 as f64 / self.median_ns()?)
    }

    /// The larger share of the error budget that either check used.
    pub fn budget_share(&self) -> Option<f64> {
        let checks = [&self.check, &self.recheck];
        checks.into_iter().flatten().filter_map(Verdict::budget_share).reduce(f64::max)
    }
}
