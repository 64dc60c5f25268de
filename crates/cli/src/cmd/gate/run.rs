//! The gate itself.

use std::env;
use std::path::Path;
use std::time::SystemTime;

use attn_bench::{limits, machine};
use attn_core::DType;
use attn_gate::config::Config;
use attn_gate::output;
use attn_gate::run::{Request, gate};

use super::observer::Progress;
use super::programs::programs;
use super::{super::print_json, RunArgs};
use crate::args::{BackendArgs, CaseArgs};
use crate::exit::{Exit, Failure};
use crate::{registry, session};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let config = config(args)?;
    let suite = session::suite(&CaseArgs::default())?;
    output::probe(&args.out)?;
    let ([base, head], notes) = programs(&args.programs, &config.build)?;
    session::listen_for_interrupts();
    let _measuring = session::announce_measuring();
    let machine = machine::detect();
    let ceilings = limits::ceilings(&machine, &DType::ALL, &[1, machine.cores]);
    let request = Request {
        base,
        head,
        suite: &suite,
        naive: &registry::NAIVE,
        config: &config,
        ceilings: &ceilings,
        cpu: attn_sys::affinity::allowed().last().copied(),
        machine,
        started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seed: args.seed.unwrap_or_else(super::seed),
        planted: args.plant.clone(),
        measure_identical: args.measure_identical || !args.plant.is_empty(),
        notes,
    };
    let mut progress = Progress::new();
    let outcome = gate(&request, &mut progress);
    progress.finish();
    let (result, taken) = outcome?;
    let written = output::write(&args.out, &result, &taken)?;
    if env::var_os("GITHUB_ACTIONS").is_some() {
        for line in output::annotations(&result) {
            eprintln!("{line}");
        }
    }
    if args.output.json {
        print_json(&result)?;
    } else {
        print!("{}", output::terminal(&result));
        if let Some(page) = written.iter().find(|path| path.ends_with("index.html")) {
            println!("page: {}", page.display());
        }
    }
    Ok(match result.exit {
        0 => Exit::Success,
        1 => Exit::No,
        4 => Exit::Open,
        _ => Exit::Broken,
    })
}

/// The configuration, with what the command line says instead; filters that select nothing here are errors.
fn config(args: &RunArgs) -> Result<Config, Failure> {
    let default = Path::new("gate.toml");
    let mut config = match &args.config {
        Some(path) => Config::read(path)?,
        None if default.exists() => Config::read(default)?,
        None => Config::default(),
    };
    if let Some(cases) = &args.case {
        config.gate.cases.clone_from(cases);
    }
    config.gate.backends = args.backends.backend.clone().or(config.gate.backends);
    let cases = CaseArgs { case: Some(config.gate.cases.clone()), ..CaseArgs::default() };
    session::select_cases(&session::suite(&cases)?, &cases)?;
    let backends = BackendArgs { backend: config.gate.backends.clone() };
    session::in_process(&backends)?;
    Ok(config)
}
