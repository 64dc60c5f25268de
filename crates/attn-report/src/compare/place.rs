//! Where cells were measured.

use attn_record::{Build, Machine, Record};
use serde::Serialize;

/// A machine and a build: what cells have to share to be compared without a word of warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The machine.
    pub machine: Machine,
    /// The program.
    pub build: Build,
}

impl Place {
    pub(super) fn of(record: &Record) -> Self {
        Place { machine: record.machine.clone(), build: record.build.clone() }
    }

    /// `Test CPU, 2 cores; attn 0.1.0 (release)`.
    pub fn title(&self) -> String {
        let Place { machine, build } = self;
        let cores = crate::format::count(machine.cores, "core");
        format!("{}, {cores}; attn {} ({})", machine.cpu, build.version, build.profile)
    }
}
