//! Tables as data, their forms for terminals, Markdown and pages, and the tables that are made of records.
//!
//! ```text
//! sweep/seq-len/full
//!   case    backend       threads     time  GFLOP/s  ratio  error
//!   n=64    naive               1  54.2 µs     19.3  4.41x   3.1%
//!           candle/fused        1  12.3 µs     85.3  1.00x*  0.9%
//!           candle/cuda         1  unavailable: built without CUDA
//! ```

mod cells;
mod checked;
mod compare;
mod csv;
mod escape;
mod html;
mod limits;
mod map;
mod markdown;
mod model;
mod phases;
mod scaling;
mod shape;
mod shares;
mod sweeps;
mod terminal;
mod text;

pub(crate) use cells::{LEGEND, not_ok, table as cells_table};
pub use cells::{plain as cells, render};
pub(crate) use compare::to_fastest;
pub use compare::{diff, rankings, side_by_side};
pub use csv::csv;
pub use escape::{code as markdown_code, escape as escape_markdown};
pub use limits::{device_limits, limits};
pub use map::map;
pub use model::{Cell, Column, Gauge, Look, Table, Tone};
pub use phases::phases;
pub use scaling::scaling;
pub use shares::shares;
pub use sweeps::sweeps;
pub use terminal::Options;
pub use text::wrap;

#[cfg(test)]
mod tests;
