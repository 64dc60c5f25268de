//! What `engine.toml` says.

use std::collections::BTreeMap;

use attn_core::{Arithmetic, DType};
use serde::Deserialize;

/// An engine: a library or a program that computes attention, and how it is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Definition {
    /// Its name, which is that of its folder.
    pub name: String,
    /// How it is installed and started.
    pub kind: Kind,
    /// Whose kernel it is.
    pub kernel: String,
    /// What of a call is ours.
    pub ours: String,
    /// Megabytes that installing it downloads, roughly.
    #[serde(default)]
    pub download_mb: u64,
    /// Megabytes of disk that it takes, roughly.
    #[serde(default)]
    pub disk_mb: u64,
    /// Environment variables that are set to the number of threads.
    #[serde(default)]
    pub thread_variables: Vec<String>,
    /// Other environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What starts a [`Kind::Program`]: a program and its arguments, seen from the engine's folder.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its ways of computing attention, each a backend.
    #[serde(rename = "backend")]
    pub backends: Vec<Variant>,
}

/// How an engine is installed and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `engine.py` in a virtual environment with the packages of `requirements.txt`.
    Python,
    /// `main.rs`, built by cargo for this processor with the packages of `Cargo.lock`.
    Cargo,
    /// A program that is there.
    Program,
}

/// A way of computing attention.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variant {
    /// Name of the backend: that of the engine, or a path that begins with it.
    pub id: String,
    /// GFLOP/s that planning assumes.
    pub gflops: f64,
    /// Storage types.
    pub dtypes: Vec<DType>,
    /// Its arithmetic.
    pub arithmetic: Arithmetic,
    /// Causal masks that the engine computes without a bias.
    #[serde(default)]
    pub causal: Vec<Causal>,
    /// What else it takes: a bias that is added to the scores stands for masks, windows, padding and slopes, and for causal masks that
    /// it does not know.
    #[serde(default)]
    pub bias: Bias,
    /// Parts of the semantics that it does not compute, each with the reason.
    #[serde(default)]
    pub refuses: BTreeMap<String, String>,
}

/// A causal mask that an engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Causal {
    /// Of as many queries as keys.
    Square,
    /// The first query sees the first key.
    TopLeft,
    /// The last query sees the last key.
    BottomRight,
}

/// The form of the bias that an engine takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// None.
    #[default]
    None,
    /// Numbers, -inf where a key is not admitted.
    Additive,
    /// The same; where there is nothing but keys that are admitted or not, one byte for each.
    BoolOrAdditive,
}
