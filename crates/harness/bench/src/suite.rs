//! The cases: data in TOML files, expanded and validated.

mod case;
mod expand;
mod files;
mod wire;

pub use case::{Case, Source, Tier};
pub use expand::problems;
pub use files::{CaseFile, Directory, Files, resolve};

use std::collections::BTreeSet;

use attn_core::{Inputs, InvalidInputs, InvalidProblem, Problem};
use attn_oracle::weights;
use attn_record::disk::FileError;
use attn_record::{Group, Map};

use self::files::NoFiles;
use crate::attn_case::FormatError;

/// Every case, in the order of the files' paths.
pub struct Suite {
    files: Box<dyn Files>,
    groups: Vec<Group>,
    cases: Vec<Case>,
    map: Option<MapChoice>,
}

/// The head whose attention weights are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapChoice {
    /// Path of a case.
    pub case: String,
    /// Query head.
    pub head: usize,
}

/// Why a suite could not be loaded, in one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A case file is not what it should be.
    #[error("{path}:{line}: {message}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A case is not a problem.
    #[error("{path}: case `{case}`: {source}")]
    Problem {
        /// The file.
        path: String,
        /// The case.
        case: String,
        /// Why.
        source: InvalidProblem,
    },
    /// A case says two things at once or nothing.
    #[error("{path}: case `{case}`: {message}")]
    Case {
        /// The file.
        path: String,
        /// The case.
        case: String,
        /// Why.
        message: String,
    },
    /// A file with tensors is broken.
    #[error("{path}: {source}")]
    Tensors {
        /// The file.
        path: String,
        /// Why.
        source: FormatError,
    },
    /// The tensors of a file do not fit.
    #[error("{path}: {source}")]
    Inputs {
        /// The file.
        path: String,
        /// Why.
        source: InvalidInputs,
    },
}

impl Suite {
    /// Reads and expands all case files of `files`.
    pub fn load(files: Box<dyn Files>) -> Result<Self, SuiteError> {
        let (mut groups, mut cases, mut map) = (Vec::new(), Vec::<Case>::new(), None);
        let mut ids = BTreeSet::new();
        for file in files.case_files()? {
            let expanded = expand::expand(&file, files.as_ref())?;
            if let Some(twin) = expanded.cases.iter().find(|case| !ids.insert(case.id.clone())) {
                let message = "another case has the same path".into();
                return Err(SuiteError::Case { path: file.path, case: twin.id.clone(), message });
            }
            groups.push(expanded.group);
            cases.extend(expanded.cases);
            map = map.or(expanded.map);
        }
        Ok(Suite { files, groups, cases, map })
    }

    /// A suite of these problems with normal inputs, each named after what it is printed as: `shape/B1-H32x8-N1x4096-D128-bf16`.
    pub fn of(problems: Vec<Problem>) -> Self {
        const PREFIX: &str = "shape";
        let analysis = "Problems that were stated where they were asked for, with normal inputs.";
        let mut cases: Vec<Case> = Vec::new();
        for problem in problems {
            let name =
                problem.to_string().replace('/', "x").replace('*', "all").replace([' ', ','], "-");
            let id = format!("{PREFIX}/{name}");
            if cases.iter().all(|case| case.problem != problem) {
                // What is not printed tells problems of one name apart.
                let named = |id: &str| cases.iter().any(|case| case.id == id);
                let numbered = (2..).map(|n| format!("{id}-{n}"));
                let id = std::iter::once(id.clone()).chain(numbered).find(|id| !named(id));
                cases.push(Case::stated(id.expect("numbers do not end"), problem));
            }
        }
        let groups = vec![Group { prefix: PREFIX.into(), analysis: analysis.into() }];
        Suite { files: Box::new(NoFiles), groups, cases, map: None }
    }

    /// Every case.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The files' groups with their analysis, for reports.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The weights of the head that the suite chooses to draw; `None` if it chooses none.
    pub fn map(&self) -> Result<Option<Map>, SuiteError> {
        let chosen = self.map.as_ref().and_then(|choice| {
            let case = self.cases.iter().find(|case| case.id == choice.case)?;
            Some((choice, case))
        });
        let Some((choice, case)) = chosen else {
            return Ok(None);
        };
        let Source::File { path } = &case.source else {
            return Ok(None);
        };
        let heads = case.problem.shape().heads_q;
        if choice.head >= heads {
            let message = format!("map: head {}, expected one below {heads}", choice.head);
            return Err(SuiteError::Case { path: path.clone(), case: case.id.clone(), message });
        }
        let file = files::read_attn_case(self.files.as_ref(), path)?;
        let Some(tokens) = file.tokens else {
            return Ok(None);
        };
        Ok(Some(Map {
            schema: Map::SCHEMA.into(),
            case: case.id.clone(),
            source: file.source.unwrap_or_default(),
            head: choice.head,
            tokens_q: tokens.q,
            tokens_k: tokens.k,
            weights: weights(&file.problem, &file.inputs, 0, choice.head),
        }))
    }

    /// Inputs A (checked before timing) and B (timed, and checked after) of `case`.
    ///
    /// Generated cases have two seeds. For a file, B is A with heads rotated and v negated.
    pub fn inputs(&self, case: &Case) -> Result<[Inputs; 2], SuiteError> {
        match &case.source {
            Source::Generated { distribution, seed } => Ok([0, 1 << 32].map(|offset| {
                Inputs::generate(&case.problem, *distribution, seed.wrapping_add(offset))
            })),
            Source::File { path } => {
                let a = files::read_attn_case(self.files.as_ref(), path)?.inputs;
                let b = a.varied(&case.problem);
                Ok([a, b])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_cases_named_after_themselves() {
        let problem = |text: &str| Problem::new(text.parse().unwrap()).unwrap();
        let suite = Suite::of(vec![
            problem("H32/8 N1x4096 D128 bf16 causal:bottom-right window:4096,0"),
            problem("N8 D4"),
            problem("N8 D4"),
            problem("N8 D4 scale:0.5"),
        ]);
        let ids: Vec<&str> = suite.cases().iter().map(|case| case.id.as_str()).collect();
        let first = "shape/B1-H32x8-N1x4096-D128-bf16-causal:bottom-right-window:4096-0";
        assert_eq!(ids, [first, "shape/B1-H1-N8-D4-f32", "shape/B1-H1-N8-D4-f32-2"]);
        assert_eq!(suite.inputs(&suite.cases()[1]).unwrap()[0].q().data().len(), 32);
    }
}
