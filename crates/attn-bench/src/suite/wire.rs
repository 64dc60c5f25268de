//! A case file as it is written, and its expansion.
//!
//! ```toml
//! analysis = "Why this group exists and what to look for."
//! axis = "len"                       # in a sweep: the size that varies
//!
//! [[case]]
//! name = "causal"                    # the case's path: file path / name / n=256
//! shape = { heads = 8, len = [256, 512], dim = 64 }
//! causal = "top-left"
//! ```
//!
//! `len` is the number of queries and, unless `len_k` is given, of keys. One size may be an array:
//! one case for each value. Instead of `shape`, `files` names attn-case files, which state the problem.
//! `map = { case = "NAME", head = H }` chooses the head whose attention weights a run draws.

use attn_core::{Alignment, DType, Family, Problem, ProblemSpec, Shape};
use attn_record::{Axis, Group};
use serde::Deserialize;

use super::files::read_attn_case;
use super::{Case, CaseFile, Files, MapChoice, Source, SuiteError, Tier, resolve};
use crate::select::{nearest, quoted};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    analysis: String,
    axis: Option<Axis>,
    map: Option<WireMap>,
    case: Vec<WireCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMap {
    case: String,
    head: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCase {
    name: String,
    shape: Option<WireShape>,
    files: Option<Vec<String>>,
    #[serde(default = "f32")]
    dtype: DType,
    scale: Option<f64>,
    causal: Option<Alignment>,
    #[serde(default = "normal")]
    inputs: Family,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default)]
    tier: Tier,
    #[serde(default = "yes")]
    measure: bool,
    #[serde(default)]
    all_cores: bool,
}

fn f32() -> DType {
    DType::F32
}

fn normal() -> Family {
    Family::Normal
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireShape {
    #[serde(default = "Sizes::one")]
    batch: Sizes,
    #[serde(default = "Sizes::one")]
    heads: Sizes,
    heads_kv: Option<usize>,
    len: Sizes,
    len_k: Option<Sizes>,
    dim: Sizes,
    dim_v: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a size or an array of sizes")]
enum Sizes {
    One(usize),
    Many(Vec<usize>),
}

impl Sizes {
    fn one() -> Self {
        Sizes::One(1)
    }

    fn values(&self) -> &[usize] {
        match self {
            Sizes::One(size) => std::slice::from_ref(size),
            Sizes::Many(sizes) => sizes,
        }
    }

    fn is_array(&self) -> bool {
        matches!(self, Sizes::Many(_))
    }
}

/// All cases of one file.
pub(super) fn expand(file: &CaseFile, files: &dyn Files) -> Result<Expanded, SuiteError> {
    let wire: WireFile = toml::from_str(&file.text).map_err(|error| malformed(file, &error))?;
    let mut cases = Vec::new();
    for case in &wire.case {
        let expansion = Expansion {
            file,
            axis: wire.axis,
            case,
        };
        match (&case.shape, &case.files) {
            (Some(shape), None) => cases.extend(expansion.shapes(shape)?),
            (None, Some(paths)) => cases.extend(expansion.files(paths, files)?),
            _ => return Err(expansion.error("expected either `shape` or `files`")),
        }
    }
    let analysis = wire.analysis.trim().to_string();
    let group = Group {
        prefix: file.prefix.clone(),
        analysis,
    };
    let map = wire.map.map(|map| MapChoice {
        case: format!("{}/{}", file.prefix, map.case),
        head: map.head,
    });
    Ok(Expanded { group, cases, map })
}

/// The error with its line and, for a misspelt key, the keys that look like it.
fn malformed(file: &CaseFile, error: &toml::de::Error) -> SuiteError {
    let at = error.span().map_or(0, |span| span.start);
    let line = file.text[..at].matches('\n').count() + 1;
    let mut message = error.message().replace('\n', " ");
    if let Some((head, valid)) = message.split_once(", expected one of ") {
        let misspelt = head.split('`').nth(1).unwrap_or_default();
        let valid: Vec<_> = valid.split('`').skip(1).step_by(2).collect();
        let nearest = nearest(misspelt, &valid);
        message = format!("{head}, nearest: {}", quoted(&nearest));
    }
    SuiteError::Malformed {
        path: file.path.clone(),
        line,
        message,
    }
}

/// What one file states.
pub(super) struct Expanded {
    pub(super) group: Group,
    pub(super) cases: Vec<Case>,
    pub(super) map: Option<MapChoice>,
}

/// What the expansion of one `[[case]]` needs.
struct Expansion<'a> {
    file: &'a CaseFile,
    axis: Option<Axis>,
    case: &'a WireCase,
}

impl Expansion<'_> {
    fn shapes(&self, wire: &WireShape) -> Result<Vec<Case>, SuiteError> {
        let len_k = wire.len_k.as_ref().unwrap_or(&wire.len);
        let tied = wire.len_k.is_none();
        let sizes = [&wire.batch, &wire.heads, &wire.len, len_k, &wire.dim];
        let labels = ["b", "h", "n", if tied { "" } else { "n" }, "d"];
        let arrays = sizes
            .iter()
            .zip(labels)
            .filter(|(s, label)| s.is_array() && !label.is_empty());
        let (varying, label) = match arrays.collect::<Vec<_>>()[..] {
            [] => (&Sizes::One(1), None),
            [(sizes, label)] => (*sizes, Some(label)),
            _ => return Err(self.error("only one size may be an array")),
        };
        let pick = |sizes: &Sizes, at: usize| {
            if sizes.is_array() {
                sizes.values()[at]
            } else {
                sizes.values()[0]
            }
        };
        let mut cases = Vec::new();
        for (at, value) in varying.values().iter().enumerate() {
            let (heads, dim) = (pick(&wire.heads, at), pick(&wire.dim, at));
            let shape = Shape {
                batch: pick(&wire.batch, at),
                heads_q: heads,
                heads_kv: wire.heads_kv.unwrap_or(heads),
                len_q: pick(&wire.len, at),
                len_k: pick(len_k, at),
                dim,
                dim_v: wire.dim_v.unwrap_or(dim),
            };
            let suffix = label.map(|label| format!("{label}={value}"));
            let WireCase {
                dtype,
                scale,
                causal,
                inputs: family,
                seed,
                ..
            } = *self.case;
            let spec = ProblemSpec {
                shape,
                dtype,
                scale,
                causal,
            };
            let id = self.id(suffix.as_deref());
            let problem = Problem::new(spec).map_err(|source| SuiteError::Problem {
                path: self.file.path.clone(),
                case: id.clone(),
                source,
            })?;
            cases.push(self.case(id, problem, Source::Generated { family, seed }));
        }
        Ok(cases)
    }

    fn files(&self, paths: &[String], files: &dyn Files) -> Result<Vec<Case>, SuiteError> {
        let mut cases = Vec::new();
        for path in paths {
            let path = resolve(&self.file.path, path);
            let stem = path.rsplit('/').next().unwrap_or(&path);
            let stem = stem.strip_suffix(".safetensors").unwrap_or(stem);
            let problem = read_attn_case(files, &path)?.problem;
            cases.push(self.case(self.id(Some(stem)), problem, Source::File { path }));
        }
        Ok(cases)
    }

    fn id(&self, suffix: Option<&str>) -> String {
        let id = format!("{}/{}", self.file.prefix, self.case.name);
        suffix.map_or(id.clone(), |suffix| format!("{id}/{suffix}"))
    }

    fn case(&self, id: String, problem: Problem, source: Source) -> Case {
        let WireCase {
            tier,
            measure,
            all_cores,
            ..
        } = *self.case;
        Case {
            id,
            axis: self.axis,
            tier,
            measure,
            all_cores,
            problem,
            source,
        }
    }

    fn error(&self, message: &str) -> SuiteError {
        SuiteError::Case {
            path: self.file.path.clone(),
            case: self.id(None),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    struct NoFiles;

    impl Files for NoFiles {
        fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
            Ok(Vec::new())
        }

        fn read(&self, _: &str) -> std::io::Result<Cow<'static, [u8]>> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn expand_text(text: &str) -> Result<Vec<Case>, String> {
        let file = CaseFile {
            path: "cases/s.toml".into(),
            prefix: "s".into(),
            text: text.into(),
        };
        expand(&file, &NoFiles)
            .map(|expanded| expanded.cases)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn one_array_is_one_sweep() {
        let cases = expand_text(
            "analysis = 'a'\naxis = 'len'\n[[case]]\nname = 'x'\n\
             shape = { heads = 4, heads_kv = 2, len = [8, 16], dim = 4 }\ncausal = { offset = 3 }",
        )
        .unwrap();
        let ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["s/x/n=8", "s/x/n=16"]);
        let shape = cases[1].problem.shape();
        assert_eq!(
            (shape.len_q, shape.len_k, shape.heads_kv, shape.dim_v),
            (16, 16, 2, 4)
        );
        assert_eq!(cases[0].problem.causal(), Some(Alignment::Offset(3)));
    }

    #[test]
    fn decoding_varies_the_keys_alone() {
        let cases = expand_text(
            "analysis = 'a'\n[[case]]\nname = 'x'\nshape = { len = 1, len_k = [8, 16], dim = 4 }",
        )
        .unwrap();
        assert_eq!(cases[1].id, "s/x/n=16");
        assert_eq!(
            (
                cases[1].problem.shape().len_q,
                cases[1].problem.shape().len_k
            ),
            (1, 16)
        );
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let error = |text: &str| expand_text(text).unwrap_err();
        let misspelt = error("analysis = 'a'\n[[case]]\nname = 'x'\nshpe = { len = 8, dim = 4 }");
        assert!(
            misspelt.starts_with("cases/s.toml:4: unknown field `shpe`, nearest: `shape`"),
            "{misspelt}"
        );
        let two = error("analysis = 'a'\n[[case]]\nname = 'x'\nshape = { len = [8], dim = [4] }");
        assert!(two.contains("only one size may be an array"), "{two}");
        let none = error("analysis = 'a'\n[[case]]\nname = 'x'");
        assert!(
            none.contains("expected either `shape` or `files`"),
            "{none}"
        );
        let zero = error("analysis = 'a'\n[[case]]\nname = 'x'\nshape = { len = 0, dim = 4 }");
        assert_eq!(
            zero,
            "cases/s.toml: case `s/x`: len_q is 0, expected at least 1"
        );
        let file = error("analysis = 'a'\n[[case]]\nname = 'x'\nfiles = ['../nope.safetensors']");
        assert!(file.starts_with("nope.safetensors: "), "{file}");
    }
}
