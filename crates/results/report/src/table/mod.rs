//! The table in the terminal, and Markdown for a README.
//!
//! ```text
//! sweep/seq-len/full
//!   case    backend       threads     time  GFLOP/s  ratio  error
//!   n=64    naive               1  54.2 µs     19.3  4.41x   3.1%
//!           candle/fused        1  12.3 µs     85.3  1.00x*  0.9%
//!           candle/cuda         1  unavailable: built without CUDA
//! ```

mod checked;
mod columns;
mod compare;
mod grid;
mod limits;
mod map;
mod markdown;
mod phases;
mod scaling;
mod shares;
mod terminal;

pub use compare::{diff, rankings, side_by_side};
pub use grid::Grid;
pub use limits::{device_limits, limits};
pub use map::map;
pub use markdown::markdown;
pub use phases::phases;
pub use scaling::{scaling, scaling_markdown};
pub use shares::shares;
pub use terminal::{Options, render};
