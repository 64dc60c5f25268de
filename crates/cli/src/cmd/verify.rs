//! `attn verify`: are these numbers attention?

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use attn_bench::attn_case::{self, AttnCase};
use attn_bench::share_out::share_out;
use attn_bench::verify::{Judged, Jury, Verified, verify};
use attn_core::{Backend, Exec};
use attn_oracle::Effort;
use attn_record::Outcome;
use serde::Serialize;

use super::print_json;
use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::{registry, session, threads};

mod text;

/// Judge attn-case files: their own result, if they have one, and every backend's
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files in the format attn-case/1, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    backends: BackendArgs,
    /// Judge the file's own result alone, no backend's
    #[arg(long, conflicts_with = "backend")]
    no_backends: bool,
    /// Judge every row of the file's own result, however long that takes
    #[arg(long)]
    all_rows: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn verify dump.safetensors                       is `out` right? do all backends agree?
  attn verify --no-backends dumps/                   the results in all files of a folder
  attn verify -b naive tests/golden/onnx/*           one backend on the ONNX cases
  attn verify --json dump.safetensors                with all numbers

A dump holds q, k, v and, to be judged, out or lse; scripts/attn-case writes one from Python. Results that
are wrong are compared with those of other statements of the problem and of known mistakes, and a hint is
printed where one of these agrees.
Exit code 3 if a file is broken, whatever else is found; 1 if a result is wrong; else 0.";

/// Files of more multiplications are judged one at a time, by all cores together.
const LARGE: u64 = 1 << 31;
/// Backends that are not asked for by name compute no more than this.
const MAX_FLOPS: u64 = 20_000_000_000;

/// What `--json` prints for one file.
#[derive(Serialize)]
struct Row {
    file: String,
    error: Option<String>,
    #[serde(flatten)]
    verified: Option<Verified>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    threads::fix(1);
    let filter = args.backends.backend.as_deref();
    let mut entries = registry::entries_for(filter);
    // A device that is not there is worth a column only to who asks for it.
    entries.retain(|entry| filter.is_some() || !entry.on_device() || entry.backend.probe().is_ok());
    let selected = session::select_backends(&entries, &args.backends)?;
    let mut backends: Vec<_> = selected.iter().map(|&at| entries[at].backend.as_ref()).collect();
    if args.no_backends {
        backends.clear();
    }
    let max_flops = if filter.is_some() { u64::MAX } else { MAX_FLOPS };
    let files = args.files.iter().flat_map(|path| expand(path)).collect::<Vec<_>>();
    let rows = judge_all(&files, &backends, max_flops, args.all_rows);
    if args.output.json {
        print_json(&rows)?;
    } else {
        text::print(&rows, &files, &backends);
    }
    for error in rows.iter().filter_map(|row| row.error.as_ref()) {
        eprintln!("attn: {error}");
    }
    Ok(exit(&rows))
}

/// A file, or all attn-case files in a folder and the folders in it, by name.
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

/// Small files side by side, a thread each; large ones one after another, on all cores.
fn judge_all(
    files: &[PathBuf],
    backends: &[&dyn Backend],
    max_flops: u64,
    all_rows: bool,
) -> Vec<Row> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let steps = Mutex::new(Steps::patient("verifying"));
    let say = |what: &str| steps.lock().expect("progress does not panic").say(what);
    let done = AtomicUsize::new(0);
    let judge = |file: &Path, threads: usize| {
        let progress = |rows: usize, of: usize| {
            if threads > 1 {
                say(&format!("{}: {} % of its rows", file.display(), 100 * rows / of));
            }
        };
        let jury = Jury {
            backends,
            naive: &registry::NAIVE,
            exec: Exec::SINGLE,
            effort: Effort { threads, progress: &progress },
            all_rows,
            max_flops,
        };
        let row = judge(file, &jury);
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        say(&format!("{done} of {} files", files.len()));
        row
    };
    let (large, small): (Vec<_>, Vec<_>) = (0..files.len()).partition(|&at| is_large(&files[at]));
    let rows = Mutex::new(Vec::new());
    let keep = |at: usize, row: Row| rows.lock().expect("nothing panics here").push((at, row));
    let side_by_side = if files.len() > 1 { 1 } else { cores };
    share_out(cores, small.into_iter(), |at| keep(at, judge(&files[at], side_by_side)));
    for at in large {
        keep(at, judge(&files[at], cores));
    }
    let mut rows = rows.into_inner().expect("nothing panics here");
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Whether a file is so long that judging it may take seconds: by its bytes, before it is read.
fn is_large(file: &Path) -> bool {
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    // A square of half types costs most for its size: 2 N^2 D products in 8 N D bytes.
    bytes.saturating_mul(bytes) / 1024 > LARGE
}

fn judge(file: &Path, jury: &Jury<'_>) -> Row {
    let name = file.display().to_string();
    let verified = || -> anyhow::Result<Verified> {
        if file.is_dir() {
            anyhow::bail!(
                "{name}: a folder without any .safetensors file, expected attn-case files"
            );
        }
        let bytes = attn_case::read(file).with_context(|| name.clone())?;
        let case = AttnCase::parse(&bytes).with_context(|| name.clone())?;
        if case.claim.is_none() && jury.backends.is_empty() {
            anyhow::bail!(
                "{name}: holds neither `out` nor `lse`, expected one of them beside --no-backends"
            );
        }
        verify(&case, jury).with_context(|| name.clone())
    };
    match verified() {
        Ok(verified) => Row { file: name, error: None, verified: Some(verified) },
        Err(error) => Row { file: name, error: Some(format!("{error:#}")), verified: None },
    }
}

fn exit(rows: &[Row]) -> Exit {
    let any = |outcome| rows.iter().flat_map(Row::judged).any(|judged| judged.outcome == outcome);
    if rows.iter().any(|row| row.error.is_some()) {
        Exit::Broken
    } else if any(Outcome::Disagrees) {
        Exit::No
    } else if any(Outcome::Error) || !any(Outcome::Ok) {
        Exit::Broken
    } else {
        Exit::Success
    }
}

impl Row {
    /// The file's own result, then those of the backends.
    fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.verified.iter().flat_map(|verified| verified.out.iter().chain(&verified.backends))
    }
}
