//! Attention at the machine's limit, as a ladder of four rungs.

mod buffer;
mod engine;
mod grid;
mod kernel;
mod num;
mod operands;
mod phases;
mod plan;
mod rung;
mod scalar;
mod simd;
mod stream;
mod team;
mod tile;
mod tiles;

pub use operands::{Operands, Results};
pub use phases::{Phase, Phases};
pub use rung::{Computed, Flash, Prepared, Rung, Stored};
pub use tiles::Tiles;
