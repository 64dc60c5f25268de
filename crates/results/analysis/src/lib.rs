//! What records say, in numbers: no table, no chart, no page.
//!
//! The crate reads what [`attn_record`] reads and knows no backend. Whatever is compared, is compared by the
//! same rules: a number only for a cell that ended `ok`; ratios and ranks among `ok` cells of the same machine, build,
//! case, timing and number of threads. What is found serialises as the commands' `--json` prints it; `attn-report` shows it.
//!
//! | module | answers |
//! |---|---|
//! | [`compare`] | which backend is the fastest, and what became faster since another run |
//! | [`scaling`] | how time and memory grow: exponents, crossings, speed-ups |
//! | [`sweep`] | which cells differ in one size and in the backend alone |
//! | [`summary`] | how cells ended, who is the fastest, which error is the largest |
//! | [`peak_rates`] | how much of what the machine can do a cell does |
//! | [`certainty`] | when a difference is believed |
//! | [`disturbance`] | how many samples were disturbed |
//! | [`overhead`] | what measuring costs beyond what is measured |
//! | [`place`] | what cells have to share to be shown together: a machine and a build |
//! | [`rows`] | records in order, in groups, with their ratios |
//! | [`fixture`] | records that nobody measured, for examples and tests |
//!
//! ```
//! use attn_analysis::compare::rank;
//! use attn_analysis::fixture::sure;
//! use attn_record::Timing;
//!
//! let run = vec![sure("g/1", "faer", 200.0), sure("g/1", "flash", 100.0)];
//! let rankings = rank(&[run], Timing::Kernel);
//! let fastest = &rankings[0].ranks[0];
//! assert_eq!((fastest.backend.as_str(), fastest.ratio), ("flash", 1.0));
//! assert_eq!(rankings[0].ranks[1].ratio, 2.0);
//! ```

pub mod certainty;
pub mod compare;
pub mod disturbance;
pub mod fixture;
pub mod overhead;
pub mod peak_rates;
pub mod place;
pub mod rows;
pub mod scaling;
pub mod summary;
pub mod sweep;
