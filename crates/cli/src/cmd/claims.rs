//! `attn claims`: what notes and textbooks say about attention, measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use attn_bench::attn_case::AttnCase;
use attn_bench::machine;
use attn_bench::run::Entry;
use attn_bench::suite::Files as _;
use attn_claims::{ALL, Context, Make, RealLayer};
use attn_core::{Backend, ThreadPolicy};
use attn_record::claims::{Claim, Claims};
use attn_record::disk::write_whole;

use super::print_json;
use super::run::command_line;
use crate::args::OutputArgs;
use crate::build::build;
use crate::builtin::Builtin;
use crate::exit::{Exit, Failure};
use crate::runs::RUNS;
use crate::session::{interrupted, listen_for_interrupts, select};
use crate::{registry, threads};

/// Test every sentence of the notes on attention: measured, with a verdict and a page
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which claims: names or globs, separated by commas [default: all]
    #[arg(value_name = "CLAIM,..")]
    claims: Option<String>,
    /// Folder that gets a new folder with claims.html and claims.json
    #[arg(short, long, value_name = "DIR", default_value = RUNS)]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn claims                      all of them, under 3 minutes on 2 cores, and the page
  attn claims masking,parallel     two of them
  attn claims --json               the numbers too

A verdict is `holds`, `holds with a condition`, `does not hold as stated`, or `not decided here`
where this machine cannot tell. No verdict is a failure: the exit code is 0 if all were reached.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // Libraries with a pool of their own stay on one thread; those that take threads per call obey it.
    threads::fix(1);
    let names = ALL.map(|(name, _)| name);
    let selected = select("claim", args.claims.as_deref(), &names, &[])?;
    let entries = registry::in_process(None);
    let layers = real_layers()?;
    let context = Context {
        backends: available(&entries),
        naive: &registry::NAIVE,
        parallel: parallel(&entries)?,
        layers: &layers,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    listen_for_interrupts();
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut claims = Vec::new();
    for (at, &which) in selected.iter().enumerate() {
        let (name, make): (&str, Make) = ALL[which];
        note!("[{}/{}] {name}", at + 1, selected.len());
        claims.push(make(&context).with_context(|| format!("claim `{name}`"))?);
        if interrupted() {
            eprintln!("attn: interrupted, {} of {} claims are tested", at + 1, selected.len());
            return Ok(Exit::Broken);
        }
    }
    let claims = Claims {
        schema: Claims::SCHEMA.into(),
        command: command_line(),
        started,
        machine: machine::detect(),
        build: build(),
        claims,
    };
    let page = write(&claims, &args.out)?;
    if args.output.json {
        print_json(&claims)?;
    } else {
        claims.claims.iter().for_each(print);
        println!("\n{}", page.display());
    }
    Ok(Exit::Success)
}

/// Backends that can run here.
fn available(entries: &[Entry]) -> Vec<&dyn Backend> {
    let backends = entries.iter().map(|entry| entry.backend.as_ref());
    backends.filter(|backend| backend.probe().is_ok()).collect()
}

/// The fastest backend, by its nominal rate, that takes its number of threads per call.
fn parallel(entries: &[Entry]) -> Result<&dyn Backend, Failure> {
    let per_call = |entry: &&Entry| {
        entry.backend.probe().is_ok_and(|info| info.threads == ThreadPolicy::PerCall)
    };
    let rate = |a: &&Entry, b: &&Entry| a.nominal_gflops.total_cmp(&b.nominal_gflops);
    let fastest = entries.iter().filter(per_call).max_by(rate);
    let fastest = fastest.context("no backend here takes its number of threads per call")?;
    Ok(fastest.backend.as_ref())
}

/// Activations of a trained model on "The big, fluffy dog ...", which are built in.
fn real_layers() -> Result<Vec<RealLayer>, Failure> {
    let layer = |layer: usize| -> Result<RealLayer, Failure> {
        let path = format!("crates/cli/cases/real/fluffy-dog/layer-{layer}.safetensors");
        let bytes = Builtin.read(&path).with_context(|| path.clone())?;
        let case = AttnCase::parse(&bytes).with_context(|| path.clone())?;
        let tokens = case.tokens.with_context(|| format!("{path}: no tokens"))?;
        Ok(RealLayer {
            layer,
            problem: case.problem,
            inputs: case.inputs,
            tokens: tokens.q,
            source: case.source.unwrap_or_default(),
        })
    };
    (0..6).map(layer).collect()
}

/// Writes page and data into a new folder; returns the path of the page.
fn write(claims: &Claims, out: &Path) -> Result<PathBuf, Failure> {
    let name = format!("{}-claims", claims.started.replace(':', "-"));
    let folder = out.join(name);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    write_whole(&folder.join("claims.json"), &serde_json::to_vec_pretty(claims)?)?;
    let page = folder.join("claims.html");
    write_whole(&page, attn_report::page::claims::render(claims).as_bytes())?;
    Ok(page)
}

/// Sentence, verdict and figure, within 80 columns.
fn print(claim: &Claim) {
    println!("{}: {}", claim.id, claim.verdict.words());
    for text in [&claim.sentence, &claim.figure, &claim.reason] {
        print!("{}", attn_report::table::wrap(text, "    ", 4, 80));
    }
}
