//! What is judged: a file, or a problem that was stated where it was asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use attn_bench::attn_case::{self, AttnCase};
use attn_bench::suite::{Case, Suite};
use attn_core::Problem;
use attn_record::disk::write_whole;

/// Files of more multiplications are judged one at a time, by all cores together.
const LARGE: u64 = 1 << 31;

/// A file, or a problem with its name.
pub(super) enum Subject {
    File(PathBuf),
    Stated(String, Box<AttnCase>),
}

impl Subject {
    pub(super) fn name(&self) -> String {
        match self {
            Subject::File(path) => path.display().to_string(),
            Subject::Stated(name, _) => name.clone(),
        }
    }

    /// Its problem, inputs and result.
    pub(super) fn case(&self) -> anyhow::Result<Cow<'_, AttnCase>> {
        let path = match self {
            Subject::File(path) => path,
            Subject::Stated(_, case) => return Ok(Cow::Borrowed(case)),
        };
        let name = self.name();
        if path.is_dir() {
            bail!("{name}: a folder without any .safetensors file, expected attn-case files");
        }
        if !path.exists() {
            bail!(
                "{name}: no such file, expected an attn-case file, as scripts/attn-case writes it"
            );
        }
        let bytes = attn_case::read(path).with_context(|| name.clone())?;
        Ok(Cow::Owned(AttnCase::parse(&bytes).with_context(|| name)?))
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Subject::File(path) => Some(path),
            Subject::Stated(..) => None,
        }
    }

    /// Whether it is so long that judging it may take seconds: a file by its bytes, before it is read.
    pub(super) fn is_large(&self) -> bool {
        match self {
            Subject::File(path) => {
                let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
                // A square of half types costs most for its size: 2 N^2 D products in 8 N D bytes.
                bytes.saturating_mul(bytes) / 1024 > LARGE
            }
            Subject::Stated(_, case) => {
                let shape = case.problem.shape();
                let products =
                    shape.scores().into_iter().product::<usize>() * (shape.dim + shape.dim_v);
                products as u64 > LARGE
            }
        }
    }
}

/// Files, and all attn-case files in folders and the folders in them, by name.
pub(super) fn files(paths: &[PathBuf]) -> Vec<Subject> {
    paths.iter().flat_map(|path| expand(path)).map(Subject::File).collect()
}

fn expand(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.into()];
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("safetensors")) {
                files.push(path);
            }
        }
    }
    files.sort();
    // An empty folder is a broken argument, not nothing to do.
    if files.is_empty() { vec![path.into()] } else { files }
}

/// Problems with the inputs that `attn check` gives them first; written to `save`, if that is said.
pub(super) fn stated(problems: &[Problem], save: Option<&Path>) -> anyhow::Result<Vec<Subject>> {
    let suite = Suite::of(problems.to_vec());
    let subject = |case: &Case| -> anyhow::Result<Subject> {
        let [inputs, _] = suite.inputs(case).map_err(|error| anyhow!("{}: {error}", case.id))?;
        let problem = case.problem.clone();
        let file = AttnCase { problem, inputs, claim: None, tokens: None, source: None };
        if let Some(folder) = save {
            // The notation has colons, which names of files may not have everywhere.
            let name = case.id.rsplit('/').next().unwrap_or_default().replace(':', "=");
            let path = folder.join(format!("{name}.safetensors"));
            fs::create_dir_all(folder).with_context(|| path.display().to_string())?;
            write_whole(&path, &file.to_bytes())?;
            note!("attn: wrote {}", path.display());
        }
        Ok(Subject::Stated(case.id.clone(), Box::new(file)))
    };
    suite.cases().iter().map(subject).collect()
}

/// What tells them apart: of files the shortest ends of their paths, without their extension.
pub(super) fn labels(subjects: &[Subject]) -> Vec<String> {
    let paths: Vec<&Path> = subjects.iter().filter_map(Subject::path).collect();
    let mut labels = of_files(&paths).into_iter();
    let label = |subject: &Subject| match subject {
        Subject::File(_) => labels.next().expect("one for each file"),
        Subject::Stated(name, _) => name.clone(),
    };
    subjects.iter().map(label).collect()
}

fn of_files(files: &[&Path]) -> Vec<String> {
    let end = |file: &Path, parts: usize| {
        let file = if file.is_dir() { file.to_path_buf() } else { file.with_extension("") };
        let all: Vec<_> =
            file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let most = files.iter().map(|file| file.components().count()).max().unwrap_or(1);
    let mut labels: Vec<String> = files.iter().map(|file| end(file, 1)).collect();
    for parts in 2..=most {
        let mut count = BTreeMap::<String, usize>::new();
        for label in &labels {
            *count.entry(label.clone()).or_default() += 1;
        }
        for (label, file) in labels.iter_mut().zip(files) {
            if count[label] > 1 {
                *label = end(file, parts);
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_as_short_as_they_can_be_and_differ() {
        let files = ["a/same.safetensors", "b/same.safetensors", "c/d/other.safetensors"];
        assert_eq!(
            labels(&files.map(|path| Subject::File(path.into()))),
            ["a/same", "b/same", "other"]
        );
        let twice = ["x", "x"].map(|path| Subject::File(path.into()));
        assert_eq!(labels(&twice), ["x", "x"]);
    }

    #[test]
    fn a_stated_problem_is_a_case_with_inputs_and_no_result() {
        let folder = tempfile::tempdir().unwrap();
        let problem =
            Problem::new("N7x9 D5 causal:bottom-right scale:0.5".parse().unwrap()).unwrap();
        let subjects = stated(std::slice::from_ref(&problem), Some(folder.path())).unwrap();
        let case = subjects[0].case().unwrap();
        assert!(case.problem == problem && case.claim.is_none() && !subjects[0].is_large());
        let written = files(&[folder.path().into()]);
        let again = written[0].case().unwrap();
        assert_eq!((&again.problem, &again.inputs), (&case.problem, &case.inputs));
        assert_eq!(labels(&subjects), ["shape/B1-H1-N7x9-D5-f32-causal:bottom-right"]);
    }
}
