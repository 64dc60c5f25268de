//! From a case file to its cases.

use attn_core::{DType, InputDistribution, Inputs, Problem, Shape, Work, text};
use attn_record::{Axis, Group};
use toml::Table;

use super::files::read_attn_case;
use super::wire::{WireCase, WireFile, WireShape};
use super::{Case, CaseFile, Files, MapChoice, Source, SuiteError, resolve};

/// What one file states.
pub(super) struct Expanded {
    pub(super) group: Group,
    pub(super) cases: Vec<Case>,
    pub(super) map: Option<MapChoice>,
}

/// Words of memory that the cases of one file may take, about: arrays multiply.
const MOST_WORDS: usize = 1 << 24;
/// Words of a case, beside what a file states at any length.
const CASE_WORDS: usize = 64;

/// The file as it is written, if its cases fit into memory.
fn parse(file: &CaseFile) -> Result<WireFile, SuiteError> {
    let wire = WireFile::parse(file)?;
    let mut words = 0_usize;
    for case in &wire.case {
        words = words.saturating_add(case.count().saturating_mul(CASE_WORDS + case.words()));
        if words > MOST_WORDS {
            let most = MOST_WORDS / CASE_WORDS / 10_000 * 10_000;
            let message =
                format!("the file has more cases than memory, expected about {most} at most");
            return Err(Expansion { file, axis: None, case }.error(&message));
        }
    }
    Ok(wire)
}

/// All cases of one file.
pub(super) fn expand(file: &CaseFile, files: &dyn Files) -> Result<Expanded, SuiteError> {
    let wire = parse(file)?;
    let mut cases = Vec::new();
    let named = wire.case.iter().any(|case| case.files.is_some());
    let written = if named { toml::from_str(&file.text).unwrap_or_default() } else { Table::new() };
    for (at, case) in wire.case.iter().enumerate() {
        let expansion = Expansion { file, axis: wire.axis, case };
        if let Some(key) = case.files.as_ref().and_then(|_| key_of_a_problem(&written, at)) {
            let message = format!(
                "`{key}` beside `files`, expected none: the attn-case files state the problem"
            );
            return Err(expansion.error(&message));
        }
        match (&case.shape, &case.files) {
            (Some(shape), None) => cases.extend(expansion.shapes(shape)?),
            (None, Some(paths)) => cases.extend(expansion.files(paths, files)?),
            _ => return Err(expansion.error("expected either `shape` or `files`")),
        }
    }
    let analysis = wire.analysis.trim().to_string();
    if let Some(case) = cases.iter().find(|case| !is_name(&case.id)) {
        let (path, case) = (file.path.escape_debug().to_string(), text::beginning(&case.id));
        let message =
            format!("expected a name of printable characters, {LONGEST_NAME} bytes at most");
        return Err(SuiteError::Case { path, case, message });
    }
    let group = Group { prefix: file.prefix.clone(), analysis };
    let map = wire
        .map
        .map(|map| MapChoice { case: format!("{}/{}", file.prefix, map.case), head: map.head });
    Ok(Expanded { group, cases, map })
}

/// A key of the case at `at` of a file, as it is `written`, that would have no effect beside `files`.
fn key_of_a_problem(written: &Table, at: usize) -> Option<String> {
    const OTHERS: [&str; 7] =
        ["name", "files", "tier", "measure", "all_cores", "timings", "models"];
    let keys = written.get("case")?.get(at)?.as_table()?.keys();
    keys.into_iter().find(|key| !OTHERS.contains(&key.as_str())).cloned()
}

/// Paths and problems of the cases with a shape that `file` states. Neither their inputs nor their work are looked at.
pub fn problems(file: &CaseFile) -> Result<Vec<(String, Problem)>, SuiteError> {
    let wire = parse(file)?;
    let mut problems = Vec::new();
    for case in &wire.case {
        let Some(shape) = &case.shape else { continue };
        let stated = Expansion { file, axis: wire.axis, case }.stated(shape)?;
        problems.extend(stated.into_iter().map(|stated| (stated.id, stated.problem)));
    }
    Ok(problems)
}

/// A case with a shape before its work is counted.
struct Stated {
    id: String,
    problem: Problem,
    distribution: InputDistribution,
}

/// Bytes of a case's name, at most.
const LONGEST_NAME: usize = 1000;

/// Elements of a mask, at most: of 8192 tokens with each other. They are counted when cases are read.
const MOST_OF_A_MASK: usize = 1 << 26;

/// Terminals, tables and pictures show names as they are.
fn is_name(id: &str) -> bool {
    id.len() <= LONGEST_NAME && text::is_printable(id)
}

/// What the expansion of one `[[case]]` needs.
struct Expansion<'a> {
    file: &'a CaseFile,
    axis: Option<Axis>,
    case: &'a WireCase,
}

impl Expansion<'_> {
    /// The cases of every shape in every storage type with every distribution of inputs.
    fn shapes(&self, wire: &WireShape) -> Result<Vec<Case>, SuiteError> {
        Ok(self.stated(wire)?.into_iter().map(|stated| self.generated(stated)).collect())
    }

    fn stated(&self, wire: &WireShape) -> Result<Vec<Stated>, SuiteError> {
        let mut stated = Vec::new();
        for (shape, sizes) in wire.expand().map_err(|message| self.error(message))? {
            for &dtype in self.case.dtype.values() {
                for &distribution in self.case.inputs.values() {
                    stated.push(self.state(shape, sizes.clone(), dtype, distribution)?);
                }
            }
        }
        Ok(stated)
    }

    fn state(
        &self,
        shape: Shape,
        sizes: Option<String>,
        dtype: DType,
        distribution: InputDistribution,
    ) -> Result<Stated, SuiteError> {
        let WireCase { dtype: dtypes, inputs: distributions, .. } = self.case;
        let dtype_label = dtypes.is_array().then(|| dtype.name().to_string());
        let family_label = distributions.is_array().then(|| distribution.name().to_string());
        let suffixes = [sizes, dtype_label, family_label];
        let id = self.id(suffixes.into_iter().flatten());
        let problem = self.case.problem(shape, dtype).map_err(|source| SuiteError::Problem {
            path: self.file.path.clone(),
            case: id.clone(),
            source,
        })?;
        let elements = problem.spec().mask.map_or(1, |mask| mask.dims.iter().product());
        if elements > MOST_OF_A_MASK {
            let message =
                format!("{id}: a mask of {elements} elements, expected at most {MOST_OF_A_MASK}");
            return Err(self.error(&message));
        }
        Ok(Stated { id, problem, distribution })
    }

    fn generated(&self, Stated { id, problem, distribution }: Stated) -> Case {
        let seed = self.case.seed;
        // Only a mask's elements say how much work there is.
        let work = Work::of(&problem, Inputs::generate_mask(&problem, seed).as_ref());
        self.case(id, problem, work, Source::Generated { distribution, seed })
    }

    fn files(&self, paths: &[String], files: &dyn Files) -> Result<Vec<Case>, SuiteError> {
        let mut cases = Vec::new();
        for path in paths {
            let path = resolve(&self.file.path, path);
            let stem = path.rsplit('/').next().unwrap_or(&path);
            let stem = stem.strip_suffix(".safetensors").unwrap_or(stem).to_string();
            let parsed = read_attn_case(files, &path)?;
            let work = Work::of(&parsed.problem, parsed.inputs.mask());
            cases.push(self.case(self.id([stem]), parsed.problem, work, Source::File { path }));
        }
        Ok(cases)
    }

    fn id(&self, suffixes: impl IntoIterator<Item = String>) -> String {
        let mut id = format!("{}/{}", self.file.prefix, self.case.name);
        for suffix in suffixes {
            id.push('/');
            id.push_str(&suffix);
        }
        id
    }

    fn case(&self, id: String, problem: Problem, work: Work, source: Source) -> Case {
        let WireCase { tier, measure, all_cores, .. } = *self.case;
        let timings = self.case.timings.clone();
        Case { id, axis: self.axis, tier, measure, all_cores, timings, problem, source, work }
    }

    fn error(&self, message: &str) -> SuiteError {
        SuiteError::Case {
            path: self.file.path.clone(),
            case: self.id([]),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use attn_core::{Alignment, ProblemSpec};

    use super::*;
    use crate::attn_case::{AttnCase, Tokens};
    use crate::suite::Suite;
    use crate::suite::files::NoFiles;

    /// A case file that chooses this head of two of a file with tokens.
    struct OfTokens(usize);

    impl Files for OfTokens {
        fn case_files(&self) -> Result<Vec<CaseFile>, SuiteError> {
            let map = format!("map = {{ case = 'x/a', head = {} }}", self.0);
            let text =
                format!("analysis = 'a'\n{map}\n[[case]]\nname = 'x'\nfiles = ['a.safetensors']");
            Ok(vec![CaseFile { path: "cases/s.toml".into(), prefix: "s".into(), text }])
        }

        fn read(&self, _: &str) -> std::io::Result<Cow<'static, [u8]>> {
            let problem = Problem::new(ProblemSpec::new(Shape::square(2, 1, 4), DType::F32));
            let problem = problem.expect("it is one");
            let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
            let label = vec!["a".to_string()];
            let tokens = Some(Tokens { q: label.clone(), k: label });
            let case = AttnCase { problem, inputs, claim: None, tokens, source: None };
            Ok(Cow::Owned(case.to_bytes()))
        }
    }

    #[test]
    fn a_map_of_a_head_that_is_not_there_is_refused() {
        let map = |head| Suite::load(Box::new(OfTokens(head))).unwrap().map();
        assert_eq!(map(1).unwrap().unwrap().weights, [[Some(1.0)]]);
        for head in [2, usize::MAX] {
            let error = map(head).unwrap_err().to_string();
            assert!(error.ends_with(&format!("map: head {head}, expected one below 2")), "{error}");
        }
    }

    fn expand_text(text: &str) -> Result<Vec<Case>, String> {
        let text = format!("analysis = 'a'\n[[case]]\nname = 'x'\n{text}");
        let file = CaseFile { path: "cases/s.toml".into(), prefix: "s".into(), text };
        expand(&file, &NoFiles).map(|expanded| expanded.cases).map_err(|e| e.to_string())
    }

    fn ids(text: &str) -> Vec<String> {
        expand_text(text).unwrap().into_iter().map(|case| case.id).collect()
    }

    #[test]
    fn an_array_is_a_sweep_and_the_rest_follows() {
        let cases = expand_text(
            "shape = { heads = 4, heads_kv = 2, len = [8, 16], dim = 4 }\ncausal = { offset = 3 }",
        )
        .unwrap();
        assert_eq!(
            cases.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(),
            ["s/x/n=8", "s/x/n=16"]
        );
        let shape = cases[1].problem.shape();
        assert_eq!((shape.len_q, shape.len_k, shape.heads_kv, shape.dim_v), (16, 16, 2, 4));
        assert_eq!(cases[0].problem.causal(), Some(Alignment::Offset(3)));
    }

    #[test]
    fn arrays_of_the_same_length_vary_together() {
        assert_eq!(
            ids("shape = { len = [1, 9], len_k = [9, 9], dim = 4 }"),
            ["s/x/n=1x9", "s/x/n=9"]
        );
        assert_eq!(ids("shape = { len = 1, len_k = [8, 16], dim = 4 }"), ["s/x/n=8", "s/x/n=16"]);
        assert_eq!(ids("shape = { len = 3, dim = [4], dim_v = [2] }"), ["s/x/d=4x2"]);
    }

    #[test]
    fn a_few_arrays_that_multiply_to_millions_of_cases_are_refused() {
        let many = |word: &str| vec![word; 200].join(", ");
        let text = format!(
            "shape = {{ len = [{}], dim = 4 }}\ndtype = [{}]\ninputs = [{}]",
            many("3"),
            many("'f32'"),
            many("'normal'")
        );
        let says =
            "cases/s.toml: case `s/x`: the file has more cases than memory, expected about 2";
        let error = expand_text(&text).unwrap_err();
        assert!(error.starts_with(says), "{error}");
        let long = format!("shape = {{ batch = [{}], len = 3, dim = 4 }}\n", many("1"));
        let kernels = vec!["'kernel'"; 100_000].join(",");
        let error = expand_text(&format!("{long}timings = [{kernels}]")).unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }

    #[test]
    fn types_and_families_multiply() {
        let all = ids(
            "shape = { len = 3, dim = 4 }\ndtype = ['f32', 'f16']\ninputs = ['normal', 'needle']",
        );
        let want = ["s/x/f32/normal", "s/x/f32/needle", "s/x/f16/normal", "s/x/f16/needle"];
        assert_eq!(all, want);
    }

    #[test]
    fn masks_are_full_over_the_axes_that_are_named() {
        let text = "shape = { batch = 2, heads = 3, len = 4, len_k = 5, dim = 4 }\n\
                    mask = { kind = 'additive', over = ['batch', 'keys'] }";
        let cases = expand_text(text).unwrap();
        assert_eq!(cases[0].problem.spec().mask.unwrap().dims, [2, 1, 1, 5]);
        assert!(cases[0].work.pairs < 2 * 3 * 4 * 5);
    }

    #[test]
    fn huge_problems_are_counted_without_their_elements() {
        let pairs = |shape: &str| expand_text(shape).map(|cases| cases[0].work.pairs);
        assert_eq!(pairs("shape = { len = 1, len_k = 60000000000, dim = 1 }"), Ok(60_000_000_000));
        let heads = "shape = { heads = 65536, heads_kv = 64, len = 4096, dim = 64 }";
        assert_eq!(pairs(heads), Ok(1 << 40));
        let causal = format!("{heads}\ncausal = 'top-left'");
        assert_eq!(pairs(&causal), Ok((1 << 16) * 4096 * 4097 / 2));
        let shared = "shape = { heads = 65536, len = 64, dim = 4 }\nmask = { kind = 'bool', over = ['queries', 'keys'] }";
        assert!(pairs(shared).is_ok_and(|pairs| pairs % (1 << 16) == 0));
        let all = "shape = { heads = 64, len = 4096, dim = 4 }\n\
                   mask = { kind = 'bool', over = ['heads', 'queries', 'keys'] }";
        let error = pairs(all).unwrap_err();
        assert!(
            error.ends_with("a mask of 1073741824 elements, expected at most 67108864"),
            "{error}"
        );
        let name =
            expand_text(&format!("shape = {{ len = 8, dim = 4 }}\nscale = 1{}", "0".repeat(400)));
        assert!(name.is_err());
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let error = |text: &str| expand_text(text).unwrap_err();
        let misspelt = error("shpe = { len = 8, dim = 4 }");
        let head = "cases/s.toml:4: unknown field `shpe`, nearest: `shape`";
        assert!(misspelt.starts_with(head), "{misspelt}");
        let two = error("shape = { len = [8], dim = [4, 5] }");
        assert!(two.contains("sizes that are arrays must have the same length"), "{two}");
        assert!(error("").contains("expected either `shape` or `files`"));
        let zero = error("shape = { len = 0, dim = 4 }");
        assert_eq!(zero, "cases/s.toml: case `s/x`: len_q is 0, expected at least 1");
        let file = error("files = ['../nope.safetensors']");
        assert!(file.starts_with("nope.safetensors: "), "{file}");
        for key in ["dtype = 'f16'", "shape = { len = 8, dim = 4 }", "causal = 'top-left'"] {
            let beside = error(&format!("files = ['a.safetensors']\n{key}"));
            let name = key.split(' ').next().unwrap();
            assert!(
                beside.contains(&format!("`{name}` beside `files`, expected none")),
                "{beside}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(at in 0usize..400, to in ".{0,12}") {
            let text = "shape = { heads = 4, heads_kv = 2, len = [8, 16], len_k = 9, dim = 4, dim_v = [3, 3] }\n\
                        dtype = ['f32', 'f16']\ninputs = ['normal', 'needle']\nscale = 0.5\n\
                        causal = { offset = 3 }\nwindow = { left = 1 }\nsoftcap = 2.0\nkv_len = [4]\n\
                        mask = { kind = 'bool', over = ['keys', 'heads'] }\nseed = 3\n";
            let at = at % text.len();
            let _ = expand_text(&format!("{}{to}{}", &text[..at], &text[at + 1..]));
        }
    }
}
