//! What is noted beside the samples of a process, so that its time can be doubted.

mod doubt;
mod first_calls;
mod seen;
#[cfg(test)]
mod tests;

use attn_core::Asked;
use serde::{Deserialize, Serialize};

pub use doubt::{Doubt, Rule};
pub use seen::{Seen, SeenProcess};

/// What a process did apart from its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Drawn by this process: of the other inputs that it was given, and of the moments when.
    pub seed: u64,
    /// Drawn when the backend was prepared: of the signs that make what is timed of inputs B; absent where these were timed as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<u64>,
    /// Processor time of the first `load` and the first call after the plan was made, nanoseconds; absent where the system does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_call_ns: Option<u64>,
    /// Of the fastest call of the warm-up, each timed alone, nanoseconds.
    pub single_ns: u64,
    /// A call alone right after many at once, in thousandths of one of these: the median; absent where none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside_permille: Option<u64>,
    /// Of copying all operands and the result once, nanoseconds.
    pub copy_ns: u64,
    /// Of a page of memory that is touched for the first time, nanoseconds; 0 where it is not known.
    #[serde(default)]
    pub fault_ns: u64,
    /// The first calls on other inputs, at moments that the seed draws.
    pub fresh: Vec<Fresh>,
    /// Of storing the last result, nanoseconds.
    pub store_ns: u64,
    /// Of all samples and what is between them: wall time, by the kernel's own clock, nanoseconds; 0 where it is not known.
    pub wall_ns: u64,
    /// The same by the clock that takes samples.
    pub clock_ns: u64,
    /// Processor time of all threads meanwhile.
    pub processor_ns: u64,
    /// Processor time of children meanwhile.
    pub children_ns: u64,
    /// Whether a device computed, as the harness knows, whatever the backend says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_device: bool,
    /// What asking the process that computes takes and has taken; absent where the process of the samples computes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// How often samples were thrown away because calls became faster meanwhile.
    pub restarts: u32,
}

/// One load of other inputs, the first call on them, and where its result is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fresh {
    /// Time of `load`, nanoseconds; 0 where it is part of a call.
    pub load_ns: u64,
    /// Time of one call.
    pub call_ns: u64,
    /// Time of `store`, after some further calls, likewise.
    pub store_ns: u64,
    /// Whether all elements of the inputs moved, not only some changed their signs.
    pub rotated: bool,
    /// What a call took just before, nanoseconds; 0 where no call was timed before.
    #[serde(default)]
    pub before_ns: u64,
    /// Processor time of `load`, of the call and of `store`, all threads together; absent where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_ns: Option<[u64; 3]>,
    /// Of the same, how long the thread that called was ready to run and did not: others had the processor. Absent where the system
    /// does not say, and where children of the process may have had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ns: Option<[u64; 3]>,
    /// Pages of memory that `load` touched for the first time.
    #[serde(default)]
    pub load_faults: u64,
    /// Those of the call.
    #[serde(default)]
    pub call_faults: u64,
}
