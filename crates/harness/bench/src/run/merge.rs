//! Several runs of parts of one suite as one run.

use std::collections::HashMap;
use std::path::PathBuf;

use attn_record::{CellKey, Group, Record, Run};

/// One of the runs that are put together.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its folder.
    pub path: PathBuf,
    /// Its head.
    pub run: Run,
    /// Its records.
    pub records: Vec<Record>,
}

/// Why runs cannot be put together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("nothing to merge")]
    Nothing,
    /// Two runs measured the same cell on the same machine, with the same build.
    #[error("{case} on {backend} is in {} and in {}: a merged run has each cell once per machine and build",
            first.display(), second.display())]
    Twice {
        /// Path of the case.
        case: String,
        /// Path of the backend.
        backend: String,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// All records of `parts`, in the order of the suite, under one head: `command` made it at `started`.
/// Records of different machines and builds keep theirs.
pub fn merge(
    parts: Vec<Part>,
    command: String,
    started: String,
) -> Result<(Run, Vec<Record>), MergeError> {
    let first = parts.first().ok_or(MergeError::Nothing)?.run.clone();
    refuse_twice(&parts)?;
    let mut groups: Vec<Group> = Vec::new();
    for group in parts.iter().flat_map(|part| &part.run.groups) {
        if !groups.iter().any(|known| known.prefix == group.prefix) {
            groups.push(group.clone());
        }
    }
    let mut records: Vec<Record> = parts.into_iter().flat_map(|part| part.records).collect();
    records.sort_by_key(|record| {
        let group = groups.iter().position(|group| record.case.starts_with(&group.prefix));
        let shape = record.problem.shape;
        (group, record.group().to_string(), shape.len_k, shape.dim, record.case.clone())
    });
    let head =
        Run { command, started, arguments: Vec::new(), shard: None, load: None, groups, ..first };
    Ok((head, records))
}

fn refuse_twice(parts: &[Part]) -> Result<(), MergeError> {
    let mut seen: HashMap<CellKey<'_>, &PathBuf> = HashMap::new();
    for part in parts {
        for record in &part.records {
            if let Some(first) = seen.insert(record.cell(), &part.path) {
                return Err(MergeError::Twice {
                    case: record.case.clone(),
                    backend: record.backend.clone(),
                    first: first.clone(),
                    second: part.path.clone(),
                });
            }
        }
    }
    Ok(())
}
