//! Summaries of samples: small functions, each with known-answer tests; none drops a sample.
//!
//! | file | what |
//! |---|---|
//! | `order` | [`median`], [`quantile`], [`mad`] |
//! | `mean` | [`geometric_mean`] |
//! | `interval` | [`Interval`], what all intervals are |
//! | `bootstrap` | [`bootstrap_median`], [`bootstrap_ratio`]: nothing is assumed about the samples' shape |
//! | `hodges_lehmann` | [`hodges_lehmann`], [`hodges_lehmann_shift`]: centre and shift, robust |
//! | `normal` | [`normal_quantile`] |
//! | `student` | [`mean_interval`], [`difference_interval`]: for a handful of values |
//! | `signed_rank` | [`signed_rank`], [`signed_rank_interval`]: Wilcoxon's test, exact |
//! | `holm` | [`holm`]: several tests at once |
//! | `binomial` | [`clopper_pearson`]: a probability from counts |
//! | `fit` | [`Fit`]: a straight line, and a power law as the line of the logarithms |

mod binomial;
mod bootstrap;
mod fit;
mod hodges_lehmann;
mod holm;
mod interval;
mod mean;
mod normal;
mod order;
mod signed_rank;
mod student;

pub use binomial::clopper_pearson;
pub use bootstrap::{bootstrap_median, bootstrap_ratio};
pub use fit::Fit;
pub use hodges_lehmann::{hodges_lehmann, hodges_lehmann_shift};
pub use holm::holm;
pub use interval::{Interval, LEVEL};
pub use mean::geometric_mean;
pub use normal::normal_quantile;
pub use order::{mad, median, quantile};
pub use signed_rank::{Tail, signed_rank, signed_rank_interval};
pub use student::{difference_interval, mean_interval, standard_deviation, variance};
