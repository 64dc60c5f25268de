//! `attn verify`: are these numbers attention?

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use attn_bench::share_out::share_out;
use attn_bench::verify::{Judged, Jury, Verified, verify};
use attn_core::{Backend, Exec, Problem};
use attn_oracle::Effort;
use attn_record::Outcome;
use serde::Serialize;

use self::subject::Subject;
use super::FormArgs;
use crate::args::{BackendArgs, parse_problem};
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::{registry, session, threads};

mod subject;
mod text;

/// Judge attn-case files: their own result, if they have one, and every backend's
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files in the format attn-case/1, or folders of them
    #[arg(value_name = "FILE|DIR", required_unless_present = "shapes")]
    files: Vec<PathBuf>,
    /// A problem without a file, as tables print it: 'B1 H32/8 N1x4096 D128 bf16 causal:bottom-right'; for several, several
    /// times. It has normal inputs and no result of its own, so backends are judged; `attn check` does that in processes of
    /// their own
    #[arg(long = "shape", value_name = "PROBLEM", value_parser = parse_problem)]
    shapes: Vec<Problem>,
    /// Write the inputs of each --shape to a file in this folder, for another program to compute: add its `out`, and verify
    /// the file
    #[arg(long, value_name = "DIR", requires = "shapes")]
    save: Option<PathBuf>,
    #[command(flatten)]
    backends: BackendArgs,
    /// Judge the file's own result alone, no backend's
    #[arg(long, conflicts_with_all = ["backend", "shapes"])]
    no_backends: bool,
    /// Judge every row of the file's own result, however long that takes
    #[arg(long)]
    all_rows: bool,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn verify dump.safetensors               is `out` right? do backends agree?
  attn verify --no-backends dumps/           the results in a folder's files
  attn verify -b naive tests/golden/onnx/*   one backend on the ONNX cases
  attn verify --csv dumps/                   a line for each result
  attn verify --json dump.safetensors        with all numbers
  attn verify --shape 'N77 D40 causal'       backends, on a problem without file
  attn verify --shape 'N77 D40' --save todo  writes its inputs, for others

A dump holds q, k, v and, to be judged, out or lse; scripts/attn-case writes one
from Python. Results that are wrong are compared with those of other statements
of the problem and of known mistakes, and a hint is printed where one agrees.

Exit code 3 if a file is broken, whatever else is found; 1 if a result is wrong; else 0.";

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
    let mut subjects = subject::files(&args.files);
    subjects.extend(subject::stated(&args.shapes, args.save.as_deref())?);
    let rows = judge_all(&subjects, &backends, max_flops, args.all_rows);
    args.form.show_or(
        &rows,
        |rows| vec![text::results(rows)],
        |rows| text::print(rows, &subject::labels(&subjects), &backends),
    )?;
    for error in rows.iter().filter_map(|row| row.error.as_ref()) {
        eprintln!("attn: {error}");
    }
    Ok(exit(&rows))
}

/// Small files side by side, a thread each; large ones one after another, on all cores.
fn judge_all(
    subjects: &[Subject],
    backends: &[&dyn Backend],
    max_flops: u64,
    all_rows: bool,
) -> Vec<Row> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let steps = Mutex::new(Steps::patient("verifying"));
    let say = |what: &str| steps.lock().expect("progress does not panic").say(what);
    let done = AtomicUsize::new(0);
    let judge = |subject: &Subject, threads: usize| {
        let progress = |rows: usize, of: usize| {
            if threads > 1 {
                say(&format!("{}: {} % of its rows", subject.name(), 100 * rows / of));
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
        let row = judge(subject, &jury);
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        say(&format!("{done} of {} files", subjects.len()));
        row
    };
    let (large, small): (Vec<_>, Vec<_>) =
        (0..subjects.len()).partition(|&at| subjects[at].is_large());
    let rows = Mutex::new(Vec::new());
    let keep = |at: usize, row: Row| rows.lock().expect("nothing panics here").push((at, row));
    let side_by_side = if subjects.len() > 1 { 1 } else { cores };
    share_out(cores, small.into_iter(), |at| keep(at, judge(&subjects[at], side_by_side)));
    for at in large {
        keep(at, judge(&subjects[at], cores));
    }
    let mut rows = rows.into_inner().expect("nothing panics here");
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn judge(subject: &Subject, jury: &Jury<'_>) -> Row {
    let name = subject.name();
    let verified = || -> anyhow::Result<Verified> {
        let case = subject.case()?;
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
