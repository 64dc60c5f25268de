//! Tables, charts and pages, made from records alone.
//!
//! The crate shows what [`attn_analysis`] finds in what [`attn_record`] reads, and computes no figure of its own. A number
//! is shown only for a cell that ended `ok`, every other cell by its outcome and reason.
//!
//! | module | makes |
//! |---|---|
//! | [`table`] | tables, in a terminal, as Markdown and on a page |
//! | [`sentences`] | what is said beside them |
//! | [`overview`] | what a run comes down to, in a terminal |
//! | [`charts`] | SVG: time, rate, error, attention map |
//! | [`png`] | the same pictures as pixels |
//! | [`page`] | one self-contained HTML page |
//! | [`mod@write`] | all of it, into the folder of a run |
//!
//! ```
//! use attn_analysis::compare::rank;
//! use attn_analysis::fixture::sure;
//! use attn_record::Timing;
//! use attn_report::table::rankings;
//!
//! let run = vec![sure("g/1", "faer", 200.0), sure("g/1", "flash", 100.0)];
//! let tables = rankings(&rank(&[run], Timing::Kernel));
//! let markdown = tables[0].markdown();
//! assert!(markdown.contains("`flash`") && markdown.contains("2.00x"), "{markdown}");
//! ```

pub mod charts;
mod description;
mod error;
mod features;
mod format;
pub mod overview;
pub mod page;
pub mod png;
pub mod sentences;
mod source;
pub mod table;
pub mod write;

pub use error::ReportError;
pub use format::{escape, ratio};
pub use source::Source;
