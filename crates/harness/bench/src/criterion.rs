//! Samples that criterion saved, as measurements.
//!
//! Criterion 0.8 keeps the latest samples of a benchmark in a folder `new`:
//!
//! | file | what is read of it |
//! |---|---|
//! | `benchmark.json` | `group_id`, `function_id`, `value_str` |
//! | `sample.json` | `iters`: calls of each sample; `times`: nanoseconds of all of them |
//!
//! Everything else there is ignored. Our suites name the group and the value like a case, `group/value`, and
//! the function like a backend, with `@n` where it has n threads.

use std::fs;
use std::path::{Path, PathBuf};

use attn_record::Process;
use attn_record::disk::{self, FileError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What one benchmark measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// Path of the case.
    pub case: String,
    /// Path of the backend.
    pub backend: String,
    /// Threads.
    pub threads: usize,
    /// Its samples: see [`Saved::read`].
    pub process: Process,
    /// The file that holds them.
    pub path: PathBuf,
}

/// Why samples cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CriterionError {
    /// The operating system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what criterion 0.8 writes.
    #[error("{}: expected {expected}, as criterion 0.8 writes it: {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Everything below `folder`, which is `target/criterion` as a rule, in the order of paths. Benchmarks that are not
/// named like a cell are left out.
pub fn read(folder: &Path) -> Result<Vec<Saved>, CriterionError> {
    let mut found = Vec::new();
    for path in benchmarks(folder)? {
        found.extend(Saved::read(&path)?);
    }
    Ok(found)
}

/// The folders `new`.
fn benchmarks(folder: &Path) -> Result<Vec<PathBuf>, CriterionError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(FileError::of(folder))?;
    let mut folders: Vec<PathBuf> =
        entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir()).collect();
    folders.sort();
    let mut found = Vec::new();
    for path in folders {
        if path.ends_with("new") && path.join("benchmark.json").exists() {
            found.push(path);
        } else {
            found.extend(benchmarks(&path)?);
        }
    }
    Ok(found)
}

impl Saved {
    /// Reads a folder `new`; `None` if the benchmark is not named like a cell.
    ///
    /// Criterion's samples may differ in their number of calls. They are stated as the time of as many calls as the
    /// largest sample has, in proportion; warm-up and disturbances are not known.
    pub fn read(folder: &Path) -> Result<Option<Self>, CriterionError> {
        let names = "`group_id`, `function_id` and `value_str`";
        let benchmark: Benchmark = parse(&folder.join("benchmark.json"), names)?;
        let path = folder.join("sample.json");
        let sample: Sample = parse(&path, "`iters` and `times`")?;
        let (Some(function), Some(value)) = (benchmark.function_id, benchmark.value_str) else {
            return Ok(None);
        };
        let (backend, threads) = match function.rsplit_once('@') {
            None => (function.as_str(), 1),
            Some((backend, threads)) => match threads.parse() {
                Ok(threads) if threads > 0 => (backend, threads),
                _ => return Ok(None),
            },
        };
        let process = process(&sample).ok_or_else(|| CriterionError::Malformed {
            path: path.clone(),
            expected: "as many positive `iters` as positive `times`",
            found: format!("{} and {}", sample.iters.len(), sample.times.len()),
        })?;
        if process.samples_ns.contains(&0) {
            let (expected, found) = ("samples of at least 1 ns", "one that rounds to 0 ns".into());
            return Err(CriterionError::Malformed { path, expected, found });
        }
        Ok(Some(Saved {
            case: format!("{}/{value}", benchmark.group_id),
            backend: backend.to_string(),
            threads,
            process,
            path,
        }))
    }
}

fn parse<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T, CriterionError> {
    let text = disk::text(path, disk::LARGE)?;
    serde_json::from_str(&text).map_err(|error| CriterionError::Malformed {
        path: path.into(),
        expected,
        found: error.to_string(),
    })
}

/// `None` where something is missing or no time.
fn process(Sample { iters, times }: &Sample) -> Option<Process> {
    let positive = |x: &f64| x.is_finite() && *x > 0.0;
    let sound = iters.len() == times.len() && iters.iter().chain(times).all(positive);
    let reps = iters.iter().copied().reduce(f64::max).filter(|_| sound)?;
    let reps = (reps <= f64::from(u32::MAX) && reps >= 1.0).then_some(reps as u32)?;
    let whole = |(calls, ns): (&f64, &f64)| (ns / calls * f64::from(reps)).round() as u64;
    Some(Process {
        cpu: None,
        spread: Vec::new(),
        warmup_calls: 0,
        warmup_ns: 0,
        reps,
        samples_ns: iters.iter().zip(times).map(whole).collect(),
        disturbed: None,
        pace_ns: Vec::new(),
        audit: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(benchmark: &str, sample: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let new = root.path().join("group/function/value/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        fs::write(new.join("sample.json"), sample).unwrap();
        (root, new)
    }

    const CELL: &str = r#"{"group_id":"sweep/len","function_id":"candle/fused@2","value_str":"n=64",
        "throughput":{"Elements":7},"full_id":"x","later":"ignored"}"#;

    #[test]
    fn samples_of_unequal_size_are_stated_in_proportion() {
        let sample = r#"{"sampling_mode":"Linear","iters":[10,20,40],"times":[1000.0,2100,4000]}"#;
        let (root, _) = folder(CELL, sample);
        let found = read(root.path()).unwrap();
        let [saved] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (saved.case.as_str(), saved.backend.as_str()),
            ("sweep/len/n=64", "candle/fused")
        );
        assert_eq!((saved.threads, saved.process.reps), (2, 40));
        assert_eq!(saved.process.samples_ns, [4000, 4200, 4000]);
    }

    #[test]
    fn what_is_no_cell_is_left_out_and_what_is_broken_is_named() {
        let good = r#"{"iters":[1],"times":[1]}"#;
        let (root, _) = folder(r#"{"group_id":"g","function_id":null,"value_str":null}"#, good);
        assert_eq!(read(root.path()).unwrap(), []);
        let broken = [
            (r#"{"iters":[1,2],"times":[1]}"#, "2 and 1"),
            (r#"{"iters":[0],"times":[1]}"#, "positive"),
            (r#"{"iters":[],"times":[]}"#, "0 and 0"),
            (r#"{"iters":[1,1],"times":[0.3,5]}"#, "one that rounds to 0 ns"),
            (r#"{"iters":[1]}"#, "missing field `times`"),
            ("", "EOF"),
        ];
        for (sample, words) in broken {
            let (root, new) = folder(CELL, sample);
            let error = read(root.path()).unwrap_err().to_string();
            assert!(error.starts_with(&new.join("sample.json").display().to_string()), "{error}");
            assert!(error.contains("criterion 0.8") && error.contains(words), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(benchmark in ".{0,80}", sample in "[\\[\\]{}:,\"a-z0-9.]{0,80}") {
            let (root, _) = folder(&benchmark, &sample);
            let _ = read(root.path());
            let (root, _) = folder(CELL, &sample);
            let _ = read(root.path());
        }
    }
}
