//! What must hold across crates. The tests are in `all/`; the cases and golden files, which are built
//! into the program too, are in `cases/` and `golden/`.
//!
//! The library is what fuzzing needs: [`entry`] has one function for each reader, [`mutate`] makes inputs for it, and [`trial`] runs
//! them. The tests, `fuzz-soak.rs` and the targets in `fuzz/` call these.

pub mod entry;
pub mod mutate;
pub mod trial;
