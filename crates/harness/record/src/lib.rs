//! What `attn` writes down, and how its numbers are summarised.
//!
//! A run is a folder:
//!
//! | file | content | type |
//! |---|---|---|
//! | `run.json` | what was asked, when, on which machine | [`Run`] |
//! | `records.jsonl` | one line per cell: case x backend x threads | [`Record`] |
//! | `partial.jsonl` | one line per process, of the cells that are under way, or were when a run was interrupted | [`Record`] |
//! | `map.json` | attention weights of one head, for the picture | [`Map`] |
//! | `limits.json` | the machine's peak rates, measured | [`Limits`] |
//! | `claims.json` | statements about attention and what was found, in a folder of its own | [`claims`] |
//!
//! The bench crates write these files and the report, cmp and gate read them; neither knows the other.
//!
//! ```
//! use attn_record::stats::{bootstrap_ratio, median};
//!
//! let (ours, theirs) = ([100.0, 101.0, 99.0, 100.0], [230.0, 228.0, 233.0, 231.0]);
//! assert_eq!(median(&ours), Some(100.0));
//! let ratio = bootstrap_ratio(&theirs, &ours, 0.95).unwrap();
//! assert!(ratio.contains(2.3) && !ratio.contains(1.0));
//! ```

mod audit;
mod build;
pub mod claims;
mod code;
pub mod disk;
pub mod figures;
mod files;
pub mod limits;
mod map;
mod measurement;
mod processes;
mod record;
mod run;
pub mod stats;

pub use audit::{Audit, Doubt, Fresh, Rule, Seen, SeenProcess};
pub use build::Build;
pub use code::{REVISION_LEN, REVISION_MARK, code};
pub use files::{
    HEAD, PARTIAL, RECORDS, ReadError, UNFINISHED, is_finished, read_finished, read_limits,
    read_map, read_partial, read_records, read_run,
};
pub use limits::Limits;
pub use map::Map;
pub use measurement::{Estimate, STOPPING, Spread};
pub use processes::{CellKey, merge_processes};
pub use record::{
    Axis, Digests, Measurement, Memory, Outcome, Process, Record, SCHEMA, Timing, Volatile,
    group_of, leaf_of,
};
pub use run::{Cache, Group, Machine, Run, Shard};
