//! One binary for all tests that need more than one crate.

mod architecture;
mod conformance;
mod formats;
mod fuzz;
mod golden;
mod hostile;
mod layer;
mod properties;
mod refusals;
mod threads;
mod unread;
mod vacuous;
