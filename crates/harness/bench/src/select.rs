//! The one filter grammar: `PATTERN[,PATTERN..]`, with suggestions for what was misspelt.
//!
//! A pattern is a name, the beginning of a path (`sweep` selects `sweep/...`), or a glob whose `*`
//! also crosses `/`. What follows a `!` is taken away: `torch,!torch/compile`.

use globset::{Glob, GlobMatcher};

/// Patterns, each of which must select something.
#[derive(Clone, Debug)]
pub struct Filter(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    glob: GlobMatcher,
    /// Whether it takes away what others select.
    excludes: bool,
}

/// Why a filter selects nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A pattern selects nothing.
    #[error("no {what} matches `{pattern}`{}", nearest_hint(nearest))]
    NoMatch {
        /// `backend` or `case`.
        what: &'static str,
        /// The pattern.
        pattern: String,
        /// Names that look like it, best first.
        nearest: Vec<String>,
    },
    /// There is no pattern.
    #[error("the filter is empty, expected names or patterns separated by commas")]
    Empty,
    /// A pattern is not a glob.
    #[error("`{pattern}` is not a pattern: {message}")]
    Malformed {
        /// The pattern.
        pattern: String,
        /// Why.
        message: String,
    },
}

fn nearest_hint(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(", nearest: {}", quoted(nearest)) }
}

/// The names in backticks, separated by commas.
pub(crate) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Filter {
    /// Parses a comma-separated list; surrounding blanks are ignored.
    pub fn parse(list: &str) -> Result<Self, FilterError> {
        let patterns = list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| {
            let excludes = text.starts_with('!');
            let text = text.trim_start_matches('!');
            let glob = Glob::new(text).map_err(|error| FilterError::Malformed {
                pattern: text.into(),
                message: error.kind().to_string(),
            })?;
            Ok(Pattern { text: text.into(), glob: glob.compile_matcher(), excludes })
        });
        let patterns: Vec<Pattern> = patterns.collect::<Result<_, _>>()?;
        if patterns.iter().all(|pattern| pattern.excludes) {
            Err(FilterError::Empty)
        } else {
            Ok(Filter(patterns))
        }
    }

    /// The positions of the names that some pattern selects, in order. A pattern that equals an
    /// alias `(alias, name)` selects that name.
    pub fn select(
        &self,
        what: &'static str,
        names: &[&str],
        aliases: &[(&str, &str)],
    ) -> Result<Vec<usize>, FilterError> {
        let mut selected = vec![false; names.len()];
        let (excluding, including): (Vec<&Pattern>, Vec<&Pattern>) =
            self.0.iter().partition(|pattern| pattern.excludes);
        for pattern in including.into_iter().chain(excluding) {
            let alias = aliases.iter().find(|(alias, _)| *alias == pattern.text);
            let mut found = false;
            for (name, selected) in names.iter().zip(&mut selected) {
                let hit = alias.map_or_else(|| pattern.selects(name), |(_, target)| target == name);
                *selected = if pattern.excludes { *selected && !hit } else { *selected || hit };
                found |= hit;
            }
            if !found {
                let pattern = pattern.text.clone();
                let nearest = nearest(&pattern, names);
                return Err(FilterError::NoMatch { what, pattern, nearest });
            }
        }
        Ok((0..names.len()).filter(|&at| selected[at]).collect())
    }
}

impl Pattern {
    fn selects(&self, name: &str) -> bool {
        let below = name.strip_prefix(self.text.trim_end_matches('/'));
        self.glob.is_match(name)
            || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Names that are less alike than this are not suggested, 1 being equal.
const ALIKE: f64 = 0.8;
/// So alike are names one letter apart, or with two neighbours in each other's place.
const ONE_APART: f64 = 0.95;

/// Up to three names that look like `pattern`, as a whole or by a part of their path, best first.
pub fn nearest(pattern: &str, names: &[&str]) -> Vec<String> {
    let pattern = pattern.to_lowercase();
    let alike = |name: &str| {
        let name = name.to_lowercase();
        let parts = name.split('/').chain([name.as_str()]);
        let alike = |part: &str| match strsim::damerau_levenshtein(&pattern, part) {
            0 => 1.0,
            1 if part.chars().count() > 2 => ONE_APART,
            _ => strsim::jaro_winkler(&pattern, part),
        };
        parts.map(alike).fold(0.0, f64::max)
    };
    let mut scored: Vec<_> = names.iter().map(|&name| (alike(name), name)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 5] =
        ["naive", "candle/composed", "candle/fused", "sweep/len/n=8", "sweepy"];

    fn select(list: &str) -> Result<Vec<&'static str>, FilterError> {
        let aliases = [("candle", "candle/composed")];
        let selected = Filter::parse(list)?.select("backend", &NAMES, &aliases)?;
        Ok(selected.into_iter().map(|at| NAMES[at]).collect())
    }

    #[test]
    fn names_prefixes_globs_and_aliases_select() {
        assert_eq!(select("naive").unwrap(), ["naive"]);
        assert_eq!(select("sweep").unwrap(), ["sweep/len/n=8"]);
        assert_eq!(
            select("candle/*, naive").unwrap(),
            ["naive", "candle/composed", "candle/fused"]
        );
        assert_eq!(select("candle").unwrap(), ["candle/composed"]);
        assert_eq!(select("*n=8").unwrap(), ["sweep/len/n=8"]);
    }

    #[test]
    fn what_follows_an_exclamation_mark_is_taken_away() {
        assert_eq!(select("!candle/fused, candle/*").unwrap(), ["candle/composed"]);
        assert_eq!(select("*,!sweep*,!candle").unwrap(), ["naive", "candle/fused"]);
        assert_eq!(select("!naive").unwrap_err(), FilterError::Empty);
        let error = select("naive,!fusd").unwrap_err().to_string();
        assert!(error.starts_with("no backend matches `fusd`"), "{error}");
    }

    #[test]
    fn what_selects_nothing_is_named_with_the_nearest_names() {
        let error = select("naive,niave").unwrap_err().to_string();
        assert!(error.starts_with("no backend matches `niave`, nearest: `naive`"), "{error}");
        assert!(select("FAUX").unwrap_err().to_string().ends_with("no backend matches `FAUX`"));
        assert_eq!(nearest("rnu", &["rank", "run"]), ["run"]);
        let error = select("FUSED").unwrap_err().to_string();
        assert!(error.ends_with("nearest: `candle/fused`"), "{error}");
        for empty in ["", " , "] {
            assert_eq!(select(empty).unwrap_err(), FilterError::Empty);
        }
        assert!(select("a[").unwrap_err().to_string().starts_with("`a[` is not a pattern"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(list in ".{0,40}") {
            let _ = select(&list);
        }
    }
}
