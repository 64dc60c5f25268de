//! Where cells were measured.

use attn_record::{Build, Machine, Record};
use serde::Serialize;

use crate::rows::grouped;

/// A machine and a build: what cells have to share to be shown in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The machine.
    pub machine: Machine,
    /// The program.
    pub build: Build,
}

impl Place {
    /// Of one cell.
    pub fn of(record: &Record) -> Self {
        Place { machine: record.machine.clone(), build: record.build.clone() }
    }

    /// `Test CPU, 2 cores; attn 0.1.0 (release, revision 832489ed, code 1f3a9c22)`.
    pub fn title(&self) -> String {
        let Place { machine, build } = self;
        let cores = attn_record::figures::count(machine.cores, "core");
        format!("{}, {cores}; {build}", machine.cpu)
    }
}

/// The records of every place, in order of first appearance.
pub fn places<'a>(records: &[&'a Record]) -> Vec<(Place, Vec<&'a Record>)> {
    let groups = grouped(records, |r| (&r.machine, &r.build)).into_iter();
    groups
        .map(|((machine, build), records)| {
            (Place { machine: machine.clone(), build: build.clone() }, records)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{elsewhere, ok, refs};

    #[test]
    fn machines_and_builds_are_apart() {
        let mut newer = ok("g/1", "a", 1.0);
        newer.build.code = Some("1f3a9c2244".into());
        let records =
            [ok("g/1", "a", 1.0), elsewhere(ok("g/1", "a", 1.0)), newer, ok("g/2", "a", 1.0)];
        let found = places(&refs(&records));
        let sizes: Vec<usize> = found.iter().map(|(_, records)| records.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert_eq!(found[1].0.title(), "Other CPU, 2 cores; attn 0.1.0 (release)");
        assert_eq!(found[2].0.title(), "Test CPU, 2 cores; attn 0.1.0 (release, code 1f3a9c22)");
    }
}
