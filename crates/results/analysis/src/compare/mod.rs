//! Comparisons as data: backends with each other, and one run with another.
//!
//! | file | answers |
//! |---|---|
//! | `side_by_side` | which backend is the fastest, case by case |
//! | `ranking` | which is the fastest overall |
//! | `winners` | who leads along which cases, and by how much |
//! | `shares` | how much of what the machine can do each gets |
//! | `phases` | where the time of a call goes |
//! | `diff` | what became faster or slower since another run |
//! | `between_runs` | how far two runs of the same program lie apart |
//!
//! Only cells that ended `ok` are compared, and only within one machine, build, timing and number of
//! threads; what is left out is listed with the reason. A difference is a difference only where the
//! interval of the ratio leaves out 1: one of a single process is widened by 10 % on both sides, because
//! it knows nothing of other processes.

mod between_runs;
mod diff;
mod phases;
mod ranking;
mod shares;
mod side_by_side;
mod winners;

pub use crate::place::Place;
pub use between_runs::{Allowance, Kind};
pub use diff::{Agreement, Change, Changes, Diff, Ratio, Ratios, SAME, Uncompared, Verdict, diff};
pub use phases::{Breakdown, phases};
pub use phases::{breakdowns, names};
pub use ranking::widest_ranking;
pub use ranking::{LeftOut, Rank, Ranking, rank};
pub use shares::{Bound, Share, SharePoint, shares};
pub use side_by_side::side_by_side_of;
pub use side_by_side::{Rival, SideBySide, Standing, side_by_side};
pub use winners::{GroupWinner, winners};
