//! The stable exit codes.

use attn_record::{Outcome, Record};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done, and the answer is yes.
    Success = 0,
    /// The answer is no: a backend disagrees.
    No = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A file is bad, a worker failed, or nothing could run.
    Broken = 3,
    /// The gate is inconclusive or void.
    Open = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What records say: a disagreement outweighs an error; what is unavailable, unsupported or
    /// skipped fails nothing, unless nothing else is left.
    pub(crate) fn of(records: &[Record]) -> Self {
        let any = |outcome| records.iter().any(|record| record.outcome == outcome);
        if any(Outcome::Disagrees) {
            Exit::No
        } else if any(Outcome::Implausible)
            || any(Outcome::Error)
            || any(Outcome::Timeout)
            || any(Outcome::Untried)
            || !any(Outcome::Ok)
        {
            Exit::Broken
        } else {
            Exit::Success
        }
    }
}

/// A one-line failure and the exit code it means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 2.
    Usage(anyhow::Error),
    /// Exit 3.
    Broken(anyhow::Error),
}

impl Failure {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Failure::Usage(_) => Exit::Usage,
            Failure::Broken(_) => Exit::Broken,
        }
    }

    /// The command line is at fault.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Failure::Usage(error.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failure::Usage(error) | Failure::Broken(error)) = self;
        let mut text = error.to_string();
        // Many errors name their cause themselves.
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

/// Anything that is not said to be a usage error is a broken input or environment.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Broken(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_named_once() {
        let cause = || std::io::Error::other("no such thing");
        let outer = anyhow::Error::from(cause()).context("reading x");
        assert_eq!(Failure::Broken(outer).to_string(), "reading x: no such thing");
        let named = anyhow::Error::from(cause()).context("reading x: no such thing");
        assert_eq!(Failure::Broken(named).to_string(), "reading x: no such thing");
    }
}
