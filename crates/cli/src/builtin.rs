//! The cases that are built into the program.

use std::borrow::Cow;
use std::io;

use attn_bench::suite::{CaseFile, Files, SuiteError};

/// `(path below this crate, content)`, sorted.
static FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// This crate, below the root of the repository.
const CRATE: &str = "crates/cli/";

/// The case files of `crates/cli/cases` and the tensors that they name, as of the build.
#[derive(Clone, Copy, Debug)]
pub struct Builtin;

impl Files for Builtin {
    fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
        let cases = FILES.iter().filter_map(|(path, content)| {
            let prefix = path.strip_prefix("cases/")?.strip_suffix(".toml")?;
            let text = String::from_utf8_lossy(content).into_owned();
            Some(CaseFile { path: format!("{CRATE}{path}"), prefix: prefix.into(), text })
        });
        Ok(cases.collect())
    }

    fn read(&self, path: &str) -> io::Result<Cow<'static, [u8]>> {
        let found = FILES.iter().find(|(name, _)| path.strip_prefix(CRATE) == Some(name));
        let missing = || io::Error::new(io::ErrorKind::NotFound, "not built into the program");
        found.map(|(_, content)| Cow::Borrowed(*content)).ok_or_else(missing)
    }
}
