//! Problems that somebody got wrong, as files that `verify` judges again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use attn_bench::attn_case::AttnCase;
use attn_bench::suite::Suite;
use attn_core::text::hex;
use attn_record::disk::{FileError, write_whole};
use attn_record::{Outcome, Record};
use sha2::{Digest as _, Sha256};

use crate::exit::Failure;
use crate::program::{program, quoted};
use crate::session::FAILURES;

/// The inputs of a case: checked before anything is timed, or timed.
#[derive(Clone, Copy)]
enum Side {
    A,
    B,
}

/// What one backend got wrong.
pub(crate) struct Failures {
    backend: String,
    /// Files of problems, each once whatever was timed of it.
    files: BTreeSet<PathBuf>,
    first: Option<PathBuf>,
}

impl Failures {
    /// How many problems are kept.
    pub(crate) fn problems(&self) -> usize {
        self.files.len()
    }

    /// The command that judges the first of them again.
    pub(crate) fn verify(&self) -> Option<String> {
        let first = quoted(&self.first.as_ref()?.to_string_lossy());
        Some(format!("{} verify -b {} {first}", program(), quoted(&self.backend)))
    }
}

/// Says on stderr how to judge the first problem of each backend again.
pub(crate) fn say(failures: &[Failures]) {
    for failures in failures {
        let Some(verify) = failures.verify() else { continue };
        let (count, backend) = (failures.problems(), quoted(&failures.backend));
        let problems = if count == 1 { "problem is" } else { "problems are" };
        eprintln!("attn: {backend}: {count} {problems} kept in {FAILURES}; judge the first again:");
        eprintln!("  {verify}");
    }
}

/// Writes every problem that somebody got wrong as an attn-case file.
pub(crate) fn write_failures(suite: &Suite, records: &[Record]) -> Result<Vec<Failures>, Failure> {
    let mut failures: Vec<Failures> = Vec::new();
    for record in records.iter().filter(|record| record.outcome == Outcome::Disagrees) {
        let backend = record.backend.as_str();
        let at = failures.iter().position(|known| known.backend == backend);
        let at = at.unwrap_or_else(|| {
            failures.push(Failures {
                backend: backend.into(),
                files: BTreeSet::new(),
                first: None,
            });
            failures.len() - 1
        });
        let own = &mut failures[at];
        let side = if record.recheck.is_some() { Side::B } else { Side::A };
        let path = Path::new(FAILURES).join(file_name(&record.case, backend, side));
        if !own.files.insert(path.clone()) {
            continue;
        }
        match write(suite, record, side, &path)? {
            Ok(()) => {
                own.first.get_or_insert(path);
            }
            // The verdict stands without the file.
            Err(error) => eprintln!("attn: {error}: this failure has no file"),
        }
    }
    Ok(failures)
}

/// The problem of a record with the inputs that were got wrong, as a file.
fn write(
    suite: &Suite,
    record: &Record,
    side: Side,
    path: &Path,
) -> Result<Result<(), FileError>, Failure> {
    let case = suite.cases().iter().find(|case| case.id == record.case);
    let case = case.expect("records are of the suite's cases");
    let [a, b] = suite.inputs(case)?;
    let file = AttnCase {
        problem: case.problem.clone(),
        inputs: match side {
            Side::A => a,
            Side::B => b,
        },
        claim: None,
        tokens: None,
        source: Some(format!("case {}, {}", record.case, record.inputs)),
    };
    let folder = fs::create_dir_all(FAILURES).map_err(FileError::of(path));
    Ok(folder.and_then(|()| write_whole(path, &file.to_bytes())))
}

/// `semantics.mha.normal@flash.avx2@inputs-a.safetensors`: other cases, backends or inputs have other files.
fn file_name(case: &str, backend: &str, side: Side) -> String {
    let side = match side {
        Side::A => "a",
        Side::B => "b",
    };
    format!("{}@{}@inputs-{side}.safetensors", short(flat(case)), short(flat(backend)))
}

/// A name that two of fit into the 255 bytes that file systems allow: of a longer one the beginning, and a hash of all.
fn short(name: String) -> String {
    const LONGEST: usize = 100;
    const KEPT: usize = 80;
    if name.len() <= LONGEST {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    format!("{}+{}", &name[..KEPT], hex(&digest[..8]))
}

/// A path as one name, different for different paths whatever a file system makes of capitals: `.` for `/`, and every character but
/// small letters, digits and `-_=,+` as its bytes in hexadecimal.
fn flat(path: &str) -> String {
    let mut name = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' => name.push('.'),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'=' | b',' | b'+' => {
                name.push(char::from(byte));
            }
            _ => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_backend_and_side_has_a_file_of_its_own() {
        let name = file_name("semantics/masks/n=65", "flash/avx2", Side::B);
        assert_eq!(name, "semantics.masks.n=65@flash.avx2@inputs-b.safetensors");
        let long = "a/".repeat(200);
        let (longer, other) = (format!("{long}b"), format!("{long}c"));
        let paths = [
            long.as_str(),
            &longer,
            &other,
            "A",
            "a/b-c",
            "a-b/c",
            "a.b-c",
            "a/b/c",
            "a--b",
            "a%2Eb",
            "a/b@c",
            "a",
            "b@c",
            "ä",
        ];
        let mut names = std::collections::BTreeSet::new();
        for case in paths {
            for backend in paths {
                for side in [Side::A, Side::B] {
                    let name = file_name(case, backend, side);
                    assert!(name.len() < 255 && !name.contains('\0'), "{name}");
                    assert!(names.insert(name.to_lowercase()), "{case} {backend}");
                }
            }
        }
    }
}
