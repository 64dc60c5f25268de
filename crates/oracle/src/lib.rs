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
//!
//! ```
//! use attn_core::{Arithmetic, Exec, InputDistribution, Inputs, Problem, compute};
//! use attn_oracle::{Bounds, Reference, Rows, judge_output};
//!
//! let problem = Problem::new("H4/2 N7x9 D8 bf16 causal:bottom-right".parse()?)?;
//! let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
//! let reference = Reference::compute(&problem, &inputs, Rows::all(&problem))?;
//! let bounds = Bounds::new(&problem, &Arithmetic::PLAIN);
//!
//! let mut out = compute(&attn_naive::Naive, &problem, &Exec::SINGLE, &inputs)?;
//! assert!(judge_output(&problem, &reference, &bounds, None, &out).agrees());
//! out.o_mut().set(5, 1.5);
//! assert!(!judge_output(&problem, &reference, &bounds, None, &out).agrees());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
