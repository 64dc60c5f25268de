//! `gate.toml`: what is gated, and which regressions are meant.
//!
//! ```toml
//! schema = 1
//!
//! [gate]
//! cases = "gate"                  # filters as on the command line
//! backends = "flash/*,faer"
//! detect = 3.0                    # percent that must be found
//! tolerate = 0.75                 # percent that must not fail
//! alpha = 0.01                    # probability of a false fail, per suite
//! accuracy_db = 1.0               # a smaller loss of accuracy is none
//! replicate_ms = 500              # the longest time of one replicate
//!
//! [build]
//! package = "attn-cli"
//! bin = "attn"
//!
//! [[accept]]
//! glob = "faer:gate/prefill*"     # BACKEND:CASE, @THREADS behind it if there are several
//! what = "time"                   # time, allocations, memory, accuracy, work or removed
//! max = 6.0                       # percent; dB of accuracy
//! reason = "exact softmax"
//! expires = "2027-01-31"
//! ```
//!
//! Unknown keys are errors. Everything but `schema` may be left out.

use std::path::Path;

use attn_bench::worker::{CellId, Choice};
use attn_record::disk::{self, FileError};
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::rule::{Rule, ln_ratio};

/// The file as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    schema: u32,
    /// What is gated, and how strictly.
    #[serde(default)]
    pub gate: Limits,
    /// What is built.
    #[serde(default)]
    pub build: Target,
    /// Regressions that are meant.
    #[serde(default)]
    pub accept: Vec<Accept>,
}

/// What is gated, and how strictly.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Filter of cases.
    pub cases: String,
    /// Filter of backends.
    pub backends: Option<String>,
    /// Percent that must be found.
    pub detect: f64,
    /// Percent that must not fail.
    pub tolerate: f64,
    /// Probability of a false fail, per suite.
    pub alpha: f64,
    /// A smaller loss of accuracy is none, dB.
    pub accuracy_db: f64,
    /// The longest time of one replicate.
    pub replicate_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cases: "gate".into(),
            backends: None,
            detect: 3.0,
            tolerate: 0.75,
            alpha: 0.01,
            accuracy_db: 1.0,
            replicate_ms: 500,
        }
    }
}

/// What is built, in release mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// The package.
    pub package: String,
    /// Its binary: the one that calls `attn_cli::main`.
    pub bin: String,
    /// Cargo features.
    pub features: Vec<String>,
}

impl Default for Target {
    fn default() -> Self {
        Target { package: "attn-cli".into(), bin: "attn".into(), features: Vec::new() }
    }
}

/// What may get worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Time per call.
    #[default]
    Time,
    /// Number and bytes of allocations in a call.
    Allocations,
    /// Peak memory and scratch.
    Memory,
    /// Error against the oracle.
    Accuracy,
    /// Useful work as counted.
    Work,
    /// The case is gone.
    Removed,
}

/// A regression that is meant.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// Pattern of cells.
    pub glob: String,
    /// What may get worse.
    #[serde(default)]
    pub what: What,
    /// By how much: percent, or dB of accuracy. Not used for `removed`.
    #[serde(default)]
    pub max: f64,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, `2027-01-31`.
    pub expires: String,
}

/// Why a configuration cannot be used, in one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what it should be.
    #[error("{path}:{line}: {message}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A value makes no sense.
    #[error("{path}: {message}")]
    Value {
        /// The file.
        path: String,
        /// Which, and what was expected.
        message: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        Config { schema: 1, gate: Limits::default(), build: Target::default(), accept: Vec::new() }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Config::parse(&disk::text(path, disk::SMALL)?, &path.display().to_string())
    }

    /// Parses and checks `text`; messages call it `path`.
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| ConfigError::Malformed {
            path: path.into(),
            line: error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count()),
            message: error.message().replace('\n', " "),
        })?;
        let wrong = config.wrong().map(|message| ConfigError::Value { path: path.into(), message });
        wrong.map_or(Ok(config), Err)
    }

    /// What makes no sense, if anything.
    fn wrong(&self) -> Option<String> {
        let Limits { detect, tolerate, alpha, accuracy_db, replicate_ms, .. } = self.gate;
        if self.schema != 1 {
            return Some(format!("schema = {}, this program reads schema = 1", self.schema));
        }
        // As ratios: two percentages may be too close to 0 to differ.
        let apart = ln_ratio(tolerate) < ln_ratio(detect);
        if !(0.0 <= tolerate && apart && detect <= 100.0) {
            return Some(format!(
                "tolerate = {tolerate} and detect = {detect}, expected 0 <= tolerate < detect <= 100"
            ));
        }
        if !(1e-6..=0.2).contains(&alpha) {
            return Some(format!("alpha = {alpha}, expected 0.000001 to 0.2"));
        }
        if !(0.0..=100.0).contains(&accuracy_db) || !(20..=60_000).contains(&replicate_ms) {
            return Some("accuracy_db must be 0 to 100, replicate_ms 20 to 60000".into());
        }
        self.accept.iter().find_map(Accept::wrong)
    }

    /// The parameters of the decision.
    pub fn rule(&self) -> Rule {
        Rule {
            detect: ln_ratio(self.gate.detect),
            tolerate: ln_ratio(self.gate.tolerate),
            alpha: self.gate.alpha,
            ..Rule::default()
        }
    }

    /// Which cells are gated.
    pub fn choice(&self) -> Choice {
        Choice { backends: self.gate.backends.clone(), cases: Some(self.gate.cases.clone()) }
    }

    /// The first entry that excuses `what` of `cell` by so much, percent or dB, on the day `today`, if there is one.
    pub fn excuse(&self, cell: &CellId, what: What, by: f64, today: &str) -> Option<&Accept> {
        let covers = |accept: &&Accept| {
            let enough = what == What::Removed || by <= accept.max;
            accept.what == what && enough && !accept.is_over(today) && accept.matches(cell)
        };
        self.accept.iter().find(covers)
    }

    /// Entries that have expired by `today`.
    pub fn expired(&self, today: &str) -> impl Iterator<Item = &Accept> {
        self.accept.iter().filter(move |accept| accept.is_over(today))
    }
}

impl Accept {
    fn wrong(&self) -> Option<String> {
        let Accept { glob, reason, expires, max, .. } = self;
        if let Err(error) = Glob::new(glob) {
            return Some(format!("accept: `{glob}` is not a pattern: {}", error.kind()));
        }
        if reason.trim().is_empty() {
            return Some(format!("accept `{glob}`: the reason is empty"));
        }
        if !is_date(expires) {
            return Some(format!(
                "accept `{glob}`: expires = \"{expires}\", expected \"2027-01-31\""
            ));
        }
        (!(0.0..=1000.0).contains(max))
            .then(|| format!("accept `{glob}`: max = {max}, expected 0 to 1000"))
    }

    /// Dates of this form are ordered as texts.
    fn is_over(&self, today: &str) -> bool {
        self.expires.as_str() < today
    }

    fn matches(&self, cell: &CellId) -> bool {
        Glob::new(&self.glob)
            .is_ok_and(|glob| GlobMatcher::is_match(&glob.compile_matcher(), cell.to_string()))
    }
}

/// Whether `text` is a day of the calendar, `2027-01-31`.
fn is_date(text: &str) -> bool {
    text.len() == "2027-01-31".len()
        && humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "gate.toml").map_err(|error| error.to_string())
    }

    fn cell(backend: &str, case: &str) -> CellId {
        CellId { backend: backend.into(), case: case.into(), threads: 1 }
    }

    const ACCEPT: &str = "schema = 1\n[[accept]]\nglob = 'faer:gate/*'\nmax = 6\n\
        reason = 'exact softmax'\nexpires = '2027-01-31'\n";

    #[test]
    fn everything_but_the_schema_may_be_left_out() {
        assert_eq!(parse("schema = 1").unwrap(), Config::default());
        assert_eq!(Config::default().rule(), Rule::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(
            error("schema = 1\n[gate]\ndetekt = 3\n").starts_with("gate.toml:3: unknown field")
        );
        assert!(error("").contains("missing field `schema`"));
        assert!(error("schema = 2").ends_with("this program reads schema = 1"));
        assert!(error("schema = 1\n[gate]\ntolerate = 4\n").contains("tolerate < detect"));
        assert!(
            error("schema = 1\n[gate]\ntolerate = 0\ndetect = 5e-324\n")
                .contains("tolerate < detect")
        );
        for day in ["2027-02-31", "2027-13-01", "2027-1-31", "2027-00-10", "20270131xx"] {
            assert!(error(&ACCEPT.replace("2027-01-31", day)).contains(day), "{day}");
        }
        assert!(error(&ACCEPT.replace("2027-01-31", "soon")).contains("expires = \"soon\""));
        assert!(error(&ACCEPT.replace("exact softmax", " ")).contains("the reason is empty"));
        assert!(error(&ACCEPT.replace("faer:gate/*", "a[")).contains("`a[` is not a pattern"));
        assert!(error(&ACCEPT.replace("reason = 'exact softmax'\n", "")).contains("`reason`"));
    }

    #[test]
    fn an_excuse_holds_for_its_cells_until_its_last_day() {
        let config = parse(ACCEPT).unwrap();
        let excused = |cell: &CellId, what, today| config.excuse(cell, what, 6.0, today).is_some();
        let cells = [cell("faer", "gate/prefill"), cell("naive", "gate/prefill")];
        assert!(excused(&cells[0], What::Time, "2027-01-31"));
        assert!(!excused(&cells[0], What::Time, "2027-02-01"));
        assert!(!excused(&cells[0], What::Memory, "2027-01-31"));
        assert!(!excused(&cells[1], What::Time, "2027-01-31"));
        assert_eq!(config.expired("2027-02-01").count(), 1);
    }

    #[test]
    fn of_several_excuses_the_first_that_covers_the_change_counts() {
        let second = ACCEPT.replace("schema = 1\n", "").replace("max = 6", "max = 20");
        let config = parse(&format!("{ACCEPT}{}", second.replace("exact", "other"))).unwrap();
        let cell = cell("faer", "gate/prefill");
        let reason = |by| Some(&*config.excuse(&cell, What::Time, by, "2027-01-31")?.reason);
        let reasons = ["exact softmax", "other softmax"].map(Some);
        assert_eq!([reason(5.0), reason(15.0), reason(25.0)], [reasons[0], reasons[1], None]);
    }
}
