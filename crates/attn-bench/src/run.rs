//! From cases to records: which cells, in which order, and what becomes of them.

mod folder;
mod harness;
mod plan;
mod preset;

use attn_core::Backend;

pub use folder::{Folder, FolderError};
pub use harness::{Harness, Observer};
pub use plan::{Cell, Selection, Task, plan};
pub use preset::Preset;

/// A backend and what planning needs to know of it.
pub struct Entry {
    /// The backend.
    pub backend: Box<dyn Backend>,
    /// Roughly what one thread reaches, in GFLOP/s: for planning alone, never reported.
    pub nominal_gflops: f64,
}
