//! What is said about attention, and what was found: the file that `attn claims` writes.

use serde::{Deserialize, Serialize};

use crate::{Build, Machine, Map};

/// `claims.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// `attn-claims/1`.
    pub schema: String,
    /// The command that made it.
    pub command: String,
    /// When, as RFC 3339.
    pub started: String,
    /// Where.
    pub machine: Machine,
    /// By which build.
    pub build: Build,
    /// In the order of the notes.
    pub claims: Vec<Claim>,
}

impl Claims {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "attn-claims/1";
}

/// One statement and its test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name: `later-tokens`.
    pub id: String,
    /// The part of the notes that it belongs to.
    pub section: String,
    /// What is said.
    pub sentence: String,
    /// What was measured, or how it was proved.
    pub method: String,
    /// What came out.
    pub figure: String,
    /// The verdict.
    #[serde(rename = "ruling")]
    pub verdict: ClaimVerdict,
    /// Why this verdict; the condition, if it has one.
    pub reason: String,
    /// What it looks like.
    pub picture: Option<Picture>,
}

/// A verdict about a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimVerdict {
    /// As stated.
    #[serde(rename = "holds")]
    Holds,
    /// In some cases, which the reason names.
    #[serde(rename = "holds with a condition")]
    WithCondition,
    /// What was found contradicts it.
    #[serde(rename = "does not hold as stated")]
    DoesNotHold,
    /// This machine or this build cannot tell.
    #[serde(rename = "not decided here")]
    Undecided,
}

impl ClaimVerdict {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            ClaimVerdict::Holds => "holds",
            ClaimVerdict::WithCondition => "holds with a condition",
            ClaimVerdict::DoesNotHold => "does not hold as stated",
            ClaimVerdict::Undecided => "not decided here",
        }
    }
}

/// The numbers of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// Curves over a size, whose axis is logarithmic.
    Curves(Curves),
    /// Rows of a matrix: attention weights, or something like them.
    Map {
        /// What the cells are: `weight`.
        cells: String,
        /// The cells.
        map: Map,
    },
}

/// Several curves over one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curves {
    /// What is drawn.
    pub title: String,
    /// Name of the horizontal axis.
    pub x: String,
    /// Name of the vertical axis.
    pub y: String,
    /// What the values are counted in.
    pub unit: Unit,
    /// The curves.
    pub series: Vec<Series>,
}

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A plain number, on a logarithmic axis.
    Number,
    /// A plain number, on an axis from 0.
    Share,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// One curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Size and value.
    pub points: Vec<(usize, f64)>,
}
