//! What a run was: the head of its folder.

use serde::{Deserialize, Serialize};

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `attn-run/1`.
    pub schema: String,
    /// The command line that made it.
    pub command: String,
    /// The arguments of `attn run` as they were given: what a resumed run goes on with.
    pub arguments: Vec<String>,
    /// Which part of the cells, if the run is one of several that measure a suite together.
    pub shard: Option<Shard>,
    /// Name of the preset.
    pub preset: String,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// How many threads ran or wanted to, on average over the minute before the start: the load of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// The machine.
    pub machine: Machine,
    /// The groups of cases, in the order of the suite.
    pub groups: Vec<Group>,
}

impl Run {
    /// The schema that this program writes and reads.
    pub const SCHEMA: &str = "attn-run/1";
}

/// A part of a suite: cases whose position leaves `index - 1` when divided by `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// Number of parts.
    pub count: usize,
}

/// Cases that belong together: those of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the cases' paths start with: `sweep/seq-len`.
    pub prefix: String,
    /// Why the group exists and what to look for.
    pub analysis: String,
}

/// The machine as far as it does not change from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Processor, as it names itself.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cores: usize,
    /// Instruction sets that matter here and that the processor has.
    pub isa: String,
    /// Architecture.
    pub arch: String,
    /// Operating system.
    pub os: String,
    /// Caches of one processor that hold data, nearest first; empty where the system does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
}

/// A cache that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u8,
    /// Its size.
    pub bytes: u64,
}
