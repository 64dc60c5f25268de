//! Which program wrote a record.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// The program that wrote a record.
///
/// Two are the same build if their code is: a commit that changes comments alone makes no other program, and two
/// programs of one revision, of changed files or by other compilers, may well differ. The revision is for people; it
/// decides where the code of a program is not known.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Version of `attn`.
    pub version: String,
    /// The commit of `attn`'s source that it was built from; absent where that was no git checkout, and in records of
    /// programs that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether the files that it was built from were other than those of that commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// SHA-256 of its machine code, constants and initial values: [`code`](crate::code()) of the program that ran; absent where the
    /// system or the format does not let a program read itself, and in records of programs that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Target features at compile time.
    pub target_features: String,
    /// `release` or `debug-assertions`.
    pub profile: String,
}

impl Build {
    /// What is equal in two that are the same.
    fn identity(&self) -> impl PartialEq + Hash {
        let source = self.code.is_none().then_some((&self.revision, self.dirty));
        (&self.version, &self.target_features, &self.profile, &self.code, source)
    }
}

impl PartialEq for Build {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Hash for Build {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Digits of a revision, and of a hash of code, that people are shown.
const SHORT: usize = 8;

/// `attn 0.1.0 (release, revision 832489ed with changes, code 1f3a9c22)`.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Build { version, profile, .. } = self;
        write!(f, "attn {version} ({profile}")?;
        if let Some(revision) = &self.revision {
            let changes = if self.dirty { " with changes" } else { "" };
            write!(f, ", revision {revision:.SHORT$}{changes}")?;
        }
        if let Some(code) = &self.code {
            write!(f, ", code {code:.SHORT$}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(revision: &str, dirty: bool, code: Option<&str>) -> Build {
        Build {
            version: "0.1.0".into(),
            revision: Some(revision.into()),
            dirty,
            code: code.map(String::from),
            target_features: "avx2".into(),
            profile: "release".into(),
        }
    }

    #[test]
    fn the_code_decides_and_where_it_is_not_known_the_revision() {
        let one = build("aa", false, Some("11"));
        assert_eq!(one, build("bb", true, Some("11")), "a commit that changes comments");
        assert_ne!(one, build("aa", false, Some("22")), "another compiler");
        assert_ne!(one, build("aa", false, None));
        assert_eq!(build("aa", true, None), build("aa", true, None));
        assert_ne!(build("aa", false, None), build("bb", false, None));
        assert_ne!(build("aa", false, None), build("aa", true, None));
        assert_ne!(one, Build { profile: "debug-assertions".into(), ..one.clone() });
    }

    #[test]
    fn people_are_shown_the_first_digits() {
        let known = build("832489e1ddddddddd", true, Some("1f3a9c2244444444"));
        let said = "attn 0.1.0 (release, revision 832489e1 with changes, code 1f3a9c22)";
        assert_eq!(known.to_string(), said);
        let published = Build { revision: None, dirty: false, code: None, ..known };
        assert_eq!(published.to_string(), "attn 0.1.0 (release)");
    }

    #[test]
    fn records_from_before_there_were_hashes_read_and_read_back_the_same() {
        let before = r#"{"version":"0.1.0","target_features":"avx2","profile":"release"}"#;
        let read: Build = serde_json::from_str(before).unwrap();
        assert_eq!((&read.revision, read.dirty, &read.code), (&None, false, &None));
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
        let now = build("aa", true, Some("11"));
        let text = serde_json::to_string(&now).unwrap();
        assert!(text.contains(r#""revision":"aa","dirty":true,"code":"11""#), "{text}");
        assert!(!serde_json::to_string(&build("aa", false, None)).unwrap().contains("dirty"));
    }
}
