//! Run folders: by path, or by being the newest.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use attn_record::{is_finished, read_run};

use crate::exit::Failure;
use crate::program::program;

/// Where runs are kept unless something else is asked for.
pub(crate) const RUNS: &str = "bench-results/runs";

/// What stands for the newest run of [`RUNS`].
const LATEST: &str = "latest";

/// The run that `path` names: the newest of [`RUNS`] for `latest` where no folder has that name, and for none, which is said on stderr.
pub(crate) fn named(path: Option<&Path>) -> Result<PathBuf, Failure> {
    match path {
        Some(path) if path.exists() || path != Path::new(LATEST) => Ok(path.into()),
        _ => {
            let [run] = latest()?;
            if path.is_none() {
                note!("attn: the latest run: {}", run.display());
            }
            Ok(run)
        }
    }
}

/// The run that `path` names, to go on with it: for `latest` the newest of [`RUNS`], finished or not.
pub(crate) fn begun(path: &Path) -> Result<PathBuf, Failure> {
    if path.exists() || path != Path::new(LATEST) {
        return Ok(path.into());
    }
    let newest = all(Path::new(RUNS)).pop();
    newest.ok_or_else(|| {
        Failure::usage(anyhow!("{RUNS}: no run is there, expected one to go on with"))
    })
}

/// The last `N` finished runs of [`RUNS`], oldest first.
pub(crate) fn latest<const N: usize>() -> Result<[PathBuf; N], Failure> {
    let mut runs = finished(Path::new(RUNS));
    let last = runs.split_off(runs.len().saturating_sub(N));
    last.try_into().map_err(|found: Vec<PathBuf>| {
        let (found, attn) = (found.len(), program());
        Failure::usage(anyhow!(
            "{RUNS}: {found} finished runs, expected {N}: name a run folder, or make one with `{attn} run`"
        ))
    })
}

/// The finished runs in `folder`, oldest first.
pub(crate) fn finished(folder: &Path) -> Vec<PathBuf> {
    all(folder).into_iter().filter(|path| is_finished(path)).collect()
}

/// The runs in `folder`, oldest first.
fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut runs: Vec<PathBuf> = paths.filter(|path| path.join("run.json").is_file()).collect();
    runs.sort_by_cached_key(|path| (started(path), path.clone()));
    runs
}

/// When the run was started, as folders are named: a folder may have got another name since. Of a run that cannot be read,
/// its name.
fn started(path: &Path) -> String {
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    read_run(path).map_or_else(|_| name(), |run| run.started).replace(':', "-")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn runs_are_in_the_order_of_their_start_and_others_are_none() {
        let folder = tempfile::tempdir().unwrap();
        for (name, file) in [
            ("2026-02-01T12-00-00Z", "run.json"),
            ("2026-01-31T12-00-00Z", "run.json"),
            ("2026-03-01T12-00-00Z", "partial.jsonl"),
            ("notes", "x"),
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(file), "{}").unwrap();
        }
        let partial = folder.path().join("2026-02-02T12-00-00Z");
        fs::create_dir(&partial).unwrap();
        for file in ["run.json", "partial.jsonl"] {
            fs::write(partial.join(file), "{}").unwrap();
        }
        let names = ["2026-01-31T12-00-00Z", "2026-02-01T12-00-00Z"];
        assert_eq!(finished(folder.path()), names.map(|name| folder.path().join(name)));
        assert!(finished(&folder.path().join("none")).is_empty());
        assert_eq!(all(folder.path()).pop().unwrap(), partial);
    }

    #[test]
    fn the_latest_run_is_the_one_that_was_started_last_whatever_its_name_is() {
        let folder = tempfile::tempdir().unwrap();
        let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-results/reference");
        let run = read_run(Path::new(reference)).unwrap();
        let names = ["zzz", "2026-01-31T12-00-00Z", "aaa"].map(|name| folder.path().join(name));
        for (path, started) in names.iter().zip(["2026-01-01", "2026-01-31", "2026-02-01"]) {
            fs::create_dir(path).unwrap();
            let started = format!("{started}T12:00:00Z");
            let text = serde_json::to_string(&attn_record::Run { started, ..run.clone() }).unwrap();
            fs::write(path.join("run.json"), text).unwrap();
        }
        assert_eq!(finished(folder.path()), names);
    }

    #[test]
    fn a_path_is_itself() {
        assert_eq!(named(Some(Path::new("a/b"))).unwrap(), Path::new("a/b"));
    }
}
