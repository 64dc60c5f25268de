//! Reading a run folder. Whatever is wrong with it is one line that names file and place.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use attn_core::{Problem, text};
use serde::de::DeserializeOwned;

use crate::disk::FileError;
use crate::limits::Ceilings;
use crate::{CellKey, Limits, Machine, Map, Process, Record, Run, SCHEMA, merge_processes};

/// Why a file of a run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is none of a run, or is not there.
    #[error("{}: no {file} there, expected the folder of a run, as `attn run` makes it", run.display())]
    NotARun {
        /// The folder.
        run: PathBuf,
        /// What every run has.
        file: &'static str,
    },
    /// A line is not what its schema says.
    #[error("{}:{line}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was expected.
        message: String,
    },
}

/// The file of a run folder that says what the run is.
pub const HEAD: &str = "run.json";

/// The file of a run folder with a record for each finished cell.
pub const RECORDS: &str = "records.jsonl";

/// The file of a run folder with a record for each process that ended, of the cells that are not finished. A run has it,
/// though it may be empty, while it is under way or if it was interrupted.
pub const PARTIAL: &str = "partial.jsonl";

/// What a run is of which [`is_finished`] is false, after its name.
pub const UNFINISHED: &str = "is unfinished: it is under way, or was interrupted or killed, so cells or some of their processes \
                              are missing";

/// Whether nobody is writing into the run folder `run` any more, and nothing cut it short.
pub fn is_finished(run: &Path) -> bool {
    !run.join(PARTIAL).exists() && !is_torn(&run.join(RECORDS)).unwrap_or(false)
}

/// Whether the last line of a file does not end, as of a process that was killed while it wrote, or whose disk was full.
fn is_torn(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The records of the run folder `run`: of its finished cells, then what [`PARTIAL`] knows of others. A time that cannot be, by
/// what the run knows of its machine, is none: see [`Record::doubt`].
pub fn read_records(run: &Path) -> Result<Vec<Record>, ReadError> {
    let mut records = read_finished(run)?;
    let partial = merge_processes(&read_partial(run, &records)?);
    records.extend(partial);
    let limits = read_limits(run)?;
    let mut machines: Vec<(Machine, Option<Ceilings>)> = Vec::new();
    for record in &records {
        if !machines.iter().any(|(machine, _)| *machine == record.machine) {
            let probe = limits.as_ref().and_then(|limits| limits.of(&record.machine));
            machines.push((record.machine.clone(), probe.map(|probe| probe.ceilings())));
        }
    }
    let doubted = |record: Record| {
        let known = machines.iter().find(|(machine, _)| *machine == record.machine);
        record.doubted(known.and_then(|(_, ceilings)| ceilings.as_ref()))
    };
    Ok(records.into_iter().map(doubted).collect())
}

/// Reads [`RECORDS`] of the run folder `run`, which has each cell once. Half a line at the end is left out: see [`is_finished`].
pub fn read_finished(run: &Path) -> Result<Vec<Record>, ReadError> {
    let path = run.join(RECORDS);
    let records = lines(&path, &read(&own(run, RECORDS)?)?)?;
    let mut seen = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        if let Some(first) = seen.insert(record.cell(), at) {
            let (case, backend) = (&record.case, &record.backend);
            let message = format!(
                "{case} on {backend} again, expected each cell once: it is record {} of the file too",
                first + 1
            );
            return Err(ReadError::Malformed { path, line: at + 1, message });
        }
    }
    Ok(records)
}

/// Reads [`PARTIAL`] of the run folder `run`, if it is there, without what it says of cells in `finished`: a harness that was
/// killed between the writing of both files left them in both. Half a line at the end is left out.
pub fn read_partial(run: &Path, finished: &[Record]) -> Result<Vec<Record>, ReadError> {
    let path = run.join(PARTIAL);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut partial = lines(&path, &read(&path)?)?;
    let finished: HashSet<CellKey<'_>> = finished.iter().map(Record::cell).collect();
    partial.retain(|said| !finished.contains(&said.cell()));
    Ok(partial)
}

/// The records in `text`, one on each line that ends. The last one may be torn anywhere, within a letter too.
fn lines(path: &Path, text: &[u8]) -> Result<Vec<Record>, ReadError> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&text[..whole]).map_err(|error| {
        let line = text[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
        ReadError::Malformed { path: path.into(), line, message: "not UTF-8".into() }
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| parse(path, at + 1, line, SCHEMA).and_then(|r| timed(path, at + 1, r)))
        .collect()
}

/// Refuses a sample of no calls or of no time, a problem that is none, and names that terminals would take for commands.
fn timed(path: &Path, line: usize, record: Record) -> Result<Record, ReadError> {
    let named = [("case", &record.case), ("backend", &record.backend)];
    if let Some((what, name)) = named.iter().find(|(_, name)| !text::is_printable(name)) {
        let name = text::beginning(name);
        let message = format!("`{what}` is \"{name}\", expected printable characters");
        return Err(ReadError::Malformed { path: path.into(), line, message });
    }
    if let Err(error) = Problem::new(record.problem.clone()) {
        let message = format!("`problem`: {error}");
        return Err(ReadError::Malformed { path: path.into(), line, message });
    }
    let measurement = record.volatile.measurement.as_ref();
    let processes = measurement.map_or(&[][..], |measured| &measured.processes);
    match processes.iter().find_map(Process::flaw) {
        Some(flaw) => Err(ReadError::Malformed { path: path.into(), line, message: flaw.into() }),
        None => Ok(record),
    }
}

/// Reads [`HEAD`] of the run folder `run`.
pub fn read_run(run: &Path) -> Result<Run, ReadError> {
    parse(&run.join(HEAD), 1, &text(&own(run, HEAD)?)?, Run::SCHEMA)
}

/// Reads `map.json` of the run folder `run`; `None` if the run has none.
pub fn read_map(run: &Path) -> Result<Option<Map>, ReadError> {
    read_if_there(&run.join("map.json"), Map::SCHEMA)
}

/// Reads `limits.json` of the run folder `run`; `None` if the run has none.
pub fn read_limits(run: &Path) -> Result<Option<Limits>, ReadError> {
    read_if_there(&run.join("limits.json"), Limits::SCHEMA)
}

fn read_if_there<T: DeserializeOwned>(path: &Path, schema: &str) -> Result<Option<T>, ReadError> {
    if path.exists() { parse(path, 1, &text(path)?, schema).map(Some) } else { Ok(None) }
}

/// A file that every run folder has.
fn own(run: &Path, file: &'static str) -> Result<PathBuf, ReadError> {
    let path = run.join(file);
    if path.exists() { Ok(path) } else { Err(ReadError::NotARun { run: run.into(), file }) }
}

fn text(path: &Path) -> Result<String, ReadError> {
    Ok(crate::disk::text(path, crate::disk::LARGE)?)
}

fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    Ok(crate::disk::bytes(path, crate::disk::LARGE)?)
}

fn parse<T: DeserializeOwned>(
    path: &Path,
    line: usize,
    text: &str,
    schema: &str,
) -> Result<T, ReadError> {
    let malformed = |message| ReadError::Malformed { path: path.into(), line, message };
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| malformed(format!("not JSON: {e}")))?;
    match value.get("schema").and_then(|s| s.as_str()) {
        Some(found) if found == schema => {}
        Some(found) => {
            return Err(malformed(format!("schema `{found}`, expected `{schema}`")));
        }
        None => return Err(malformed(format!("no schema, expected `{schema}`"))),
    }
    serde_json::from_value(value).map_err(|e| malformed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let path = Path::new("run/records.jsonl");
        parse::<Record>(path, 3, text, SCHEMA).unwrap_err().to_string()
    }

    #[test]
    fn unknown_versions_and_torn_lines_are_refused_in_one_line() {
        assert_eq!(
            message(r#"{"schema":"attn-record/2"}"#),
            "run/records.jsonl:3: schema `attn-record/2`, expected `attn-record/1`"
        );
        assert!(message("{}").ends_with("no schema, expected `attn-record/1`"));
        assert!(message(r#"{"schema":"#).contains("not JSON"));
        assert!(message(r#"{"schema":"attn-record/1","case":"x"}"#).contains("missing field"));
    }

    #[test]
    fn names_that_a_terminal_would_obey_are_refused() {
        let of = |case: &str| {
            let record = crate::processes::tests::record("x", crate::Outcome::Ok, 1);
            let record = Record { case: case.into(), ..record };
            timed(Path::new("run/records.jsonl"), 3, record).map_err(|error| error.to_string())
        };
        assert!(of("sweep/full/n=64").is_ok());
        let error = of("a\u{1b}[2J").unwrap_err();
        assert_eq!(
            error,
            "run/records.jsonl:3: `case` is \"a\\u{1b}[2J\", expected printable characters"
        );
    }

    /// What is read of a run folder with these records.
    fn finished(content: &[u8]) -> (bool, Result<Vec<Record>, String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(RECORDS), content).unwrap();
        let records = read_finished(folder.path()).map_err(|error| {
            error.to_string().rsplit_once("records.jsonl:").unwrap().1.to_string()
        });
        (is_finished(folder.path()), records)
    }

    fn line_of(case: &str, ns: u64) -> String {
        let record = crate::processes::tests::record(case, crate::Outcome::Ok, ns);
        serde_json::to_string(&record).unwrap() + "\n"
    }

    #[test]
    fn a_torn_last_line_costs_that_line() {
        let whole = line_of("a", 5);
        let torn = whole.clone() + &line_of("b\u{e4}", 5);
        for end in whole.len() + 1..torn.len() {
            let (is_finished, records) = finished(&torn.as_bytes()[..end]);
            assert_eq!((is_finished, records.unwrap().len()), (false, 1), "{end}");
        }
        assert_eq!(finished(torn.as_bytes()).1.unwrap().len(), 2);
        assert!(finished(torn.as_bytes()).0 && finished(b"").0);
        assert_eq!(finished(b"{}\n\xff\n").1.unwrap_err(), "2: not UTF-8");
    }

    #[test]
    fn a_cell_that_is_there_twice_is_refused() {
        let twice = [line_of("a", 5), line_of("b", 5), line_of("a", 6)].concat();
        let error = finished(twice.as_bytes()).1.unwrap_err();
        assert_eq!(
            error,
            "3: a on b again, expected each cell once: it is record 1 of the file too"
        );
    }

    #[test]
    fn a_sample_without_time_is_refused() {
        let error = finished(line_of("a", 0).as_bytes()).1.unwrap_err();
        assert_eq!(error, "1: a sample in `samples_ns` is 0, expected at least 1 ns");
    }

    #[test]
    fn a_problem_that_is_none_is_refused() {
        let mut record = crate::processes::tests::record("x", crate::Outcome::Ok, 1);
        record.problem.shape.len_q = usize::MAX;
        let error = timed(Path::new("run/records.jsonl"), 3, record).unwrap_err().to_string();
        assert!(error.starts_with("run/records.jsonl:3: `problem`: the shape "), "{error}");
    }

    #[test]
    fn a_folder_without_a_run_is_named_and_so_is_what_makes_one() {
        let expected =
            "nowhere: no run.json there, expected the folder of a run, as `attn run` makes it";
        assert_eq!(read_run(Path::new("nowhere")).unwrap_err().to_string(), expected);
        let error = read_records(Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("nowhere: no records.jsonl there"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}", version in "attn-record/[0-9]{1,2}") {
            let path = Path::new("run/records.jsonl");
            let _ = parse::<Record>(path, 1, &text, SCHEMA);
            let _ = parse::<Record>(path, 1, &format!(r#"{{"schema":"{version}",{text}"#), SCHEMA);
        }
    }
}
