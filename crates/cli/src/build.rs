//! Which build this program is.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::{env, io};

use attn_record::{Build, REVISION_LEN, REVISION_MARK, code};

/// Bytes of [`STAMP`].
const STAMP_LEN: usize = REVISION_MARK.len() + REVISION_LEN;

/// [`REVISION_MARK`], the revision, dots up to the last character, and there `+` for changed files (`build.rs` of this crate writes
/// it).
///
/// [`code`] leaves it out: else each commit would have another hash, and of two whose code is the same nobody could tell.
static STAMP: Mutex<[u8; STAMP_LEN]> = Mutex::new(
    *concat!("attn revision ", env!("ATTN_REVISION"))
        .as_bytes()
        .first_chunk()
        .expect("build.rs writes that many characters"),
);

/// What this program was built as. Its code is hashed once, in some 20 ms.
pub(crate) fn build() -> Build {
    static BUILD: OnceLock<Build> = OnceLock::new();
    BUILD.get_or_init(now).clone()
}

fn now() -> Build {
    // A compiler that saw that nobody writes it would make it a constant.
    let stamp = *black_box(&STAMP).lock().expect("nobody panics while holding it");
    let (mark, stamp) = stamp.split_at(REVISION_MARK.len());
    assert_eq!(mark, REVISION_MARK.as_bytes());
    let (revision, changed) = stamp.split_at(REVISION_LEN - 1);
    let revision = String::from_utf8_lossy(revision).trim_end_matches('.').to_string();
    Build {
        version: env!("CARGO_PKG_VERSION").into(),
        revision: Some(revision).filter(|revision| !revision.is_empty()),
        dirty: changed == b"+",
        code: this_file().ok().and_then(|path| code(&path)),
        target_features: attn_core::target_features(),
        profile: if cfg!(debug_assertions) { "debug-assertions" } else { "release" }.into(),
    }
}

/// A path of the file that this process runs. On Linux it still is where that has been replaced since, by a compiler
/// for example: a worker is then of the build that the records name.
pub(crate) fn this_file() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { env::current_exe() }
}
