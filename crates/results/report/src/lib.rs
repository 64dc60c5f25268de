//! Tables, charts and pages, made from records alone.
//!
//! The crate reads what [`attn_record`] reads and knows no backend. Whatever it shows, it shows by the
//! same rules: a number only for a cell that ended `ok`; every other cell by its outcome and reason;
//! ratios and ranks among `ok` cells of the same case and number of threads.
//!
//! | module | makes |
//! |---|---|
//! | [`table`] | tables, in a terminal, as Markdown and on a page |
//! | [`summary`] | counts, ranking and the worst error, as data |
//! | [`scaling`] | exponents, crossings and speed-ups, as data and as sentences |
//! | [`disturbance`] | how many samples were disturbed, as data and as a warning |
//! | [`overview`] | what a run comes down to, in a terminal |
//! | [`overhead`] | what measuring costs beyond what is measured, as data |
//! | [`compare`] | backends side by side, rankings, one run against another, as data |
//! | [`charts`] | SVG: time, rate, error, attention map |
//! | [`png`] | the same pictures as pixels |
//! | [`page`] | one self-contained HTML page |
//! | [`mod@write`] | all of it, into the folder of a run |

mod certainty;
pub mod charts;
pub mod compare;
pub mod disturbance;
mod error;
mod features;
mod format;
pub mod overhead;
pub mod overview;
pub mod page;
mod peak_rates;
mod place;
pub mod png;
mod rows;
pub mod scaling;
mod source;
pub mod summary;
mod sweep;
pub mod table;
pub mod write;

#[cfg(test)]
mod fixture;

pub use error::ReportError;
pub use format::{escape, percent, ratio};
pub use source::Source;
