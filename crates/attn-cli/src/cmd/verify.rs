//! `attn verify FILE..`: is this result right, and who else computes it?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use attn_bench::attn_case::AttnCase;
use attn_bench::verify::{Judged, Verified, verify};
use attn_core::Backend;
use attn_record::Outcome;
use serde::Serialize;

use super::print_json;
use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::{registry, session, threads};

/// Judge attn-case files: their own result, if they have one, and every backend's
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files in the format attn-case/1
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn verify dump.safetensors                       is `out` right? do all backends agree?
  attn verify -b naive tests/golden/onnx/*           one backend on the ONNX cases
  attn verify --json dump.safetensors                with all numbers

A dump holds q, k, v and, to be judged, out; scripts/attn_case.py writes one from PyTorch.
Exit code 3 if a file is broken, whatever else is found; 1 if a result is wrong; else 0.";

/// What `--json` prints for one file.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a Path,
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
    let backends: Vec<_> = selected.iter().map(|&at| entries[at].backend.as_ref()).collect();
    let rows: Vec<_> = args.files.iter().map(|file| judge(file, &backends)).collect();
    if args.output.json {
        print_json(&rows)?;
    } else {
        print_rows(&rows, &backends);
    }
    for error in rows.iter().filter_map(|row| row.error.as_ref()) {
        eprintln!("attn: {error}");
    }
    Ok(exit(&rows))
}

fn judge<'a>(file: &'a Path, backends: &[&dyn Backend]) -> Row<'a> {
    let name = file.display();
    let verified = || -> anyhow::Result<Verified> {
        let bytes = fs::read(file).with_context(|| name.to_string())?;
        let case = AttnCase::parse(&bytes).with_context(|| name.to_string())?;
        verify(&case, backends, &registry::NAIVE).with_context(|| name.to_string())
    };
    match verified() {
        Ok(verified) => Row { file, error: None, verified: Some(verified) },
        Err(error) => Row { file, error: Some(format!("{error:#}")), verified: None },
    }
}

fn exit(rows: &[Row<'_>]) -> Exit {
    let any = |outcome| rows.iter().flat_map(judged).any(|judged| judged.outcome == outcome);
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

/// The file's own result, then those of the backends.
fn judged<'a>(row: &'a Row<'_>) -> impl Iterator<Item = &'a Judged> {
    row.verified.iter().flat_map(|verified| verified.out.iter().chain(&verified.backends))
}

/// One line per file, then every result that is wrong and every reason for a refusal, once.
fn print_rows(rows: &[Row<'_>], backends: &[&dyn Backend]) {
    let stem = |row: &Row<'_>| {
        row.file.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned())
    };
    let width = rows.iter().map(|row| stem(row).len()).max().unwrap_or(0).max(4);
    print!("{:<width$}  {:>5}", "file", "out");
    for backend in backends {
        let id = backend.id();
        print!(" {:>9}", id.as_str().rsplit('/').next().unwrap_or_default());
    }
    println!();
    for row in rows {
        print!("{:<width$}", stem(row));
        match &row.verified {
            None => print!("  broken"),
            Some(verified) => {
                print!("  {:>5}", verified.out.as_ref().map_or("-", short));
                verified.backends.iter().for_each(|judged| print!(" {:>9}", short(judged)));
            }
        }
        println!();
    }
    print_findings(rows);
}

fn short(judged: &Judged) -> &'static str {
    match judged.outcome {
        Outcome::Ok => "ok",
        Outcome::Disagrees => "WRONG",
        Outcome::Unsupported => "unsupp.",
        Outcome::Unavailable => "unavail.",
        Outcome::Error | Outcome::Timeout | Outcome::Skipped => "error",
    }
}

fn print_findings(rows: &[Row<'_>]) {
    let mut refusals = std::collections::BTreeMap::<(Outcome, &str, &str), usize>::new();
    for row in rows {
        for judged in judged(row) {
            let Some(reason) = &judged.reason else { continue };
            if matches!(judged.outcome, Outcome::Unsupported | Outcome::Unavailable) {
                *refusals.entry((judged.outcome, &judged.name, reason)).or_default() += 1;
                continue;
            }
            println!("\n{}: {} {}: {reason}", row.file.display(), judged.name, judged.outcome);
            let worst = judged.verdict.as_ref().and_then(|verdict| verdict.metrics);
            if let Some(metrics) = worst {
                println!("  worst element {}", metrics.worst);
            }
        }
    }
    if !refusals.is_empty() {
        println!();
    }
    for ((outcome, name, reason), files) in refusals {
        let times = if files == 1 { String::new() } else { format!(" ({files} files)") };
        println!("{outcome} {name}: {reason}{times}");
    }
}
