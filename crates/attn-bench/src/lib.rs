//! The harness: it knows cases, checks, clocks and processes, but no backend.
//!
//! ```text
//! case files -> Suite -> Plan of cells
//!    -> per case, several at a time: inputs A and B, Expected A and B; cells that are only checked
//!    -> one at a time, in rounds: a fresh worker process per cell: check on A, time on B, check B -> Record
//! ```
//!
//! | module | room for |
//! |---|---|
//! | [`suite`] | case files (TOML), their expansion into cases, where their inputs come from |
//! | [`attn_case`] | the file format attn-case/1 |
//! | [`select`] | the one filter grammar, with suggestions for what was misspelt |
//! | [`expected`] | oracle and yardstick of one set of inputs, cached in a file |
//! | [`cell`] | check and measure one plan, in this process |
//! | [`criterion`] | samples that criterion saved |
//! | [`verify`] | one attn-case file: its own result and every backend's |
//! | [`worker`] | the same in a child process: request, reply, both ends |
//! | [`slots`] | a worker that is timed slot by slot, for comparing two programs |
//! | [`run`] | which cells, in which order, and the records they become |
//! | [`random`], [`soak`] | random problems from the whole semantics, and false alarms over many of them |
//! | [`mutation`] | which wrong backends the check catches, and on which cases |
//! | [`detection`] | how wrong a file must be to be refused, type by type and length by length |
//! | [`rules`] | how published test suites decide, for comparison |
//! | [`support`] | who can compute what |
//! | [`machine`] | what this machine is |
//! | [`limits`] | what this machine can do at most, measured |

pub mod attn_case;
pub mod cell;
pub mod claim_truth;
pub mod criterion;
pub mod detection;
pub mod diagnosis;
pub mod expected;
pub mod limits;
pub mod machine;
mod markdown;
pub mod mutation;
pub mod random;
pub mod rules;
pub mod run;
pub mod select;
pub mod share_out;
pub mod slots;
pub mod soak;
pub mod suite;
pub mod support;
pub mod verify;
pub mod worker;
