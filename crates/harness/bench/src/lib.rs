//! The harness: it knows cases, checks, clocks and processes, but no backend.
//!
//! ```text
//! case files -> Suite -> Plan of cells
//!    -> per case, several at a time: inputs A and B, Expected A and B; cells that are only checked
//!    -> one at a time, in rounds: a fresh worker process per cell: compute A, time B and others; judge -> Record
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`suite`] | case files (TOML), their expansion into cases, where their inputs come from |
//! | [`attn_case`] | the file format attn-case/1 |
//! | [`select`] | the one filter grammar, with suggestions for what was misspelt |
//! | [`expected`] | oracle and yardstick of one set of inputs |
//! | [`cell`] | check and measure one plan, in this process |
//! | [`criterion`] | samples that criterion saved |
//! | [`verify`] | one attn-case file: its own result and every backend's |
//! | [`worker`] | a plan in a child process: what it is asked, what it answers, both ends |
//! | [`run`] | which cells, in which order, and the records they become |
//! | [`random`], [`soak`] | random problems from the whole semantics, and false alarms over many of them |
//! | [`mutation`] | which wrong backends the check catches, and on which cases |
//! | [`detection`] | how wrong a file must be to be refused, type by type and length by length |
//! | [`mod@coverage`] | how often the intervals of cells hold, by simulation |
//! | [`rules`] | how published test suites decide, for comparison |
//! | [`support`] | who can compute what |
//! | [`machine`] | what this machine is |
//! | [`limits`] | this machine's peak rates, measured |
//!
//! ```
//! use attn_bench::select::Filter;
//!
//! let cases = ["curated/models/gpt2", "curated/models/bert-base", "sweep/seq-len/full/n=64"];
//! let chosen = Filter::parse("curated,!*bert*")?.select("case", &cases, &[])?;
//! assert_eq!(chosen, [0]);
//! # Ok::<(), attn_bench::select::FilterError>(())
//! ```

pub mod attn_case;
pub mod cell;
pub mod coverage;
pub mod criterion;
pub mod detection;
pub mod expected;
#[cfg(test)]
mod fake;
pub mod limits;
pub mod machine;
pub mod mutation;
pub mod rules;
pub mod run;
pub mod select;
pub mod share_out;
pub mod soak;
pub mod suite;
pub mod support;
pub mod verify;
pub mod worker;

pub use attn_check::{claim_truth, diagnosis, random};
