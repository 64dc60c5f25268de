//! The regression gate: does this commit make anything slower or wrong, and how sure is the answer?
//!
//! The unit of inference is a **replicate**: two fresh processes, one of each revision, measured in turns.
//! The samples inside a process say nothing of the next process, so that they are condensed to one number
//! each, the logarithm of the ratio of the times, and everything is decided on these numbers.
//!
//! | module | contents |
//! |---|---|
//! | [`build`] | programs of revisions, without touching anybody's checkout |
//! | [`calibrate`] | whether all this holds on a machine: slowdowns of known size |
//! | [`config`] | `gate.toml`: what is gated, which regressions are meant |
//! | [`run`] | the whole gate: correctness, what is counted, times |
//! | [`exact`] | what is counted: allocations, memory, work, accuracy |
//! | [`duel`] | two backends of one program against each other |
//! | [`rule`] | the decision on the replicates of one case: screen, confirm, close |
//! | [`judge`] | the procedure over a whole suite, which takes replicates as it needs them |
//! | [`live`] | live replicates: two fresh processes for each |
//! | [`pair`] | one replicate: two workers take turns in short slots |
//! | [`output`] | what is made from it: Markdown, JUnit, annotations, plot, page, table |
//! | [`result`] | `gate.json`, which every output is made from |
//! | [`tries`] | whole comparisons with a slowdown of known size, by this gate and by others |
//!
//! ```
//! use attn_gate::rule::{Rule, Screened, ln_ratio};
//!
//! // Ten replicates, each of them about 0.1 % slower: less than what must be found.
//! let replicates: Vec<f64> = (0..10).map(|i| ln_ratio(0.1 + 0.01 * f64::from(i))).collect();
//! assert_eq!(Rule::default().look(&replicates), Screened::Pass);
//! ```

pub mod build;
pub mod calibrate;
pub mod config;
pub mod duel;
pub mod exact;
pub mod judge;
pub mod live;
pub mod output;
pub mod pair;
pub mod result;
pub mod rule;
pub mod run;
pub mod tries;
mod verdict;
