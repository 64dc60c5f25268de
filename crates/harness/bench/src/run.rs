//! From cases to records: which cells, in which order, and what becomes of them.

mod batches;
mod case_run;
mod checks;
mod fixture;
mod folder;
mod harness;
mod merge;
mod plan;
mod preset;
mod progress;

use attn_core::Backend;

pub(crate) use fixture::read_output;
pub use fixture::{Fixture, FixtureError, Found};
pub use folder::{Folder, FolderError, Resumable};
pub use harness::{Harness, Limits, Observer};
pub use merge::{MergeError, Part, merge};
pub use plan::{Cell, Selection, Task, plan};
pub use preset::{Preset, Processes};

/// A backend and what planning needs to know of it.
pub struct Entry {
    /// The backend.
    pub backend: Box<dyn Backend>,
    /// Roughly what one thread reaches, in GFLOP/s: for planning alone, never reported.
    pub nominal_gflops: f64,
    /// When it is measured.
    pub measured: Measured,
}

impl Entry {
    /// Whether another program computes it: on a device, of which there is one for all.
    pub fn on_device(&self) -> bool {
        self.backend.runner().is_some()
    }
}

/// When a backend is measured. It is checked in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Always.
    Always,
    /// When somebody asks for it: slower variants of a kernel would only crowd every chart.
    ByName,
}
