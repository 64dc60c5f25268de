//! The truth about one problem in f64, sums and dot products in twice that precision, and the judgement of results against it.
//!
//! ```text
//! Reference::compute(problem, inputs)        o in f64, with what its error bound needs   reference.rs
//! Bounds::new(problem, arithmetic)           |err| <= bound, element by element          bounds.rs
//! Yardstick::measure(reference, naive)       max|err| <= 2 max|err of naive| + floor     yardstick.rs
//! judge(reference, bounds, output)           agrees, or what is wrong and where          verdict.rs
//! ```
//!
//! A result agrees if it is within both. This crate shares no numeric code with any backend.

mod bounds;
mod columns;
mod exact;
mod loose;
mod noise;
mod norms;
mod operands;
mod reference;
mod row;
mod rows;
mod score;
mod twist;
mod typical;
mod verdict;
mod yardstick;

pub use bounds::{Bounds, RowBounds};
pub use loose::LooseRow;
pub use reference::{Effort, OracleError, Reference, RowStats, weights};
pub use rows::Rows;
pub use twist::{Key, ScoreStep, Softmax, Twist, WeightStep};
pub use typical::Typical;
pub use verdict::{Candidate, Rule, judge, judge_output};
pub use yardstick::Yardstick;
