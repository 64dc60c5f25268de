//! The engines of this user: where they are installed.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::anyhow;
use attn_engines::Engines;

use crate::exit::Failure;

/// The folder that engines are installed in: `ATTN_ENGINES`, or `attn/engines` in the user's cache folder.
pub(crate) fn home() -> Result<PathBuf, Failure> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let home = || variable("HOME").map(|home| home.join(".cache"));
        Some(variable("XDG_CACHE_HOME").or_else(home)?.join("attn").join("engines"))
    };
    let folder = variable("ATTN_ENGINES").or_else(cache);
    let folder = folder.and_then(|folder| std::path::absolute(folder).ok());
    folder.ok_or_else(|| {
        Failure::usage(anyhow!(
            "none of ATTN_ENGINES, XDG_CACHE_HOME and HOME says where engines are installed: set ATTN_ENGINES to a folder of your own"
        ))
    })
}

/// The engines there are, read once; none where nobody can say where they would be, or where what is there makes no sense: `attn engine
/// list` says why.
pub(crate) fn known() -> Option<&'static Engines> {
    static KNOWN: OnceLock<Option<Engines>> = OnceLock::new();
    KNOWN.get_or_init(|| Engines::open(&home().ok()?).ok()).as_ref()
}
