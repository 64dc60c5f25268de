//! Summaries of samples: small functions, each with known-answer tests; none drops a sample.
//!
//! | file | what |
//! |---|---|
//! | `order` | [`median`], [`quantile`], [`mad`] |
//! | `mean` | [`geometric_mean`] |
//! | `interval` | [`Interval`], what all intervals are |
//! | `bootstrap` | [`bootstrap_median`], [`bootstrap_ratio`]: nothing is assumed about the samples' shape |
//! | `hodges_lehmann` | [`hodges_lehmann`], [`hodges_lehmann_shift`]: centre and shift, robust |
//! | `student` | [`mean_interval`], [`difference_interval`]: for a handful of values |
//! | `fit` | [`Fit`]: a straight line, and a power law as the line of the logarithms |

mod bootstrap;
mod fit;
mod hodges_lehmann;
mod interval;
mod mean;
mod order;
mod student;

pub use bootstrap::{bootstrap_median, bootstrap_ratio};
pub use fit::Fit;
pub use hodges_lehmann::{hodges_lehmann, hodges_lehmann_shift};
pub use interval::{Interval, LEVEL};
pub use mean::geometric_mean;
pub use order::{mad, median, quantile};
pub use student::{difference_interval, mean_interval, standard_deviation};
