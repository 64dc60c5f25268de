//! `attn duel`: which of two backends is faster, and by how much?

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::anyhow;
use attn_bench::run::{Entry, Fixture};
use attn_bench::suite::{Case, Suite};
use attn_bench::{limits, machine};
use attn_core::DType;
use attn_gate::duel::{Answer, Request, Verdict, duel};
use attn_gate::live::{Conditions, LiveError};
use attn_gate::output::{Duelled, duel_plot, duel_tables};
use serde::Serialize;

use super::gate::this_program;
use super::{FormArgs, print_json};
use crate::args::{BackendArgs, CaseArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::registry;
use crate::session::{self, INTERRUPTED};

/// A replicate lasts about so many nanoseconds at most.
const REPLICATE_NS: f64 = 0.4e9;

/// Tell which of two backends is faster, and by how much, on a busy machine too
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The one backend: a name that `attn list` prints
    #[arg(value_name = "A")]
    first: String,
    /// The other backend, or the same again
    #[arg(value_name = "B")]
    second: String,
    #[command(flatten)]
    cases: CaseArgs,
    /// Threads of each backend
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Stop when the interval of the ratio reaches no further than this to either side; for large ratios 3 % of the
    /// logarithm is enough, which is 7 % at 10x
    #[arg(long, value_name = "PERCENT", default_value_t = 1.5, value_parser = parse_percent)]
    precision: f64,
    /// Slow B down on purpose, by extra calls: shows whether that would be noticed
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = parse_percent)]
    plant: f64,
    /// Draw the ratios with their intervals
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn duel flash faer                           on layers of known models
  attn duel faer ndarray -c gate --svg duel.svg  on the cases of the gate
  attn duel naive faer --shape 'N1x4096 D128'    on a problem of your own
  attn duel faer faer --plant 3                  would 3 % be noticed here?

Without -c, --suite or --shape the cases are those of -c curated. Both backends
are checked against the oracle first. Then two fresh processes take turns in
slots of about a millisecond, so that what slows the machine down slows down
both. A case takes 5 to 32 such pairs, until the interval is narrow enough.

Exit code 0 if every case has an answer, \"no difference\" included; 1 if a
backend is wrong; 3 if one fails; 4 if an interval stays wide (inconclusive).";

/// Percents from 0 to 100.
fn parse_percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("expected percents from 0 to 100, such as 1.5".into()),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    first: &'a str,
    second: &'a str,
    threads: u16,
    cases: Vec<CaseReport<'a>>,
}

/// A case, and the answer, or why there is none.
#[derive(Serialize)]
struct CaseReport<'a> {
    case: &'a str,
    #[serde(flatten)]
    answer: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // What is hidden from lists is there where it is named.
    let named = format!("{},{}", args.first, args.second);
    let entries = registry::entries_for(Some(&named));
    let pair = [backend(&entries, &args.first)?, backend(&entries, &args.second)?];
    let names = pair.map(|entry| entry.backend.id().to_string());
    let names = names.each_ref().map(String::as_str);
    let suite = session::suite(&args.cases)?;
    let cases = cases(&suite, &args.cases, pair)?;
    let duelled = duels(args, &suite, &cases, names)?;
    if let Some(path) = &args.svg {
        let cpu = machine::detect().cpu;
        if let Some(figure) = duel_plot(&duelled, names, usize::from(args.threads), &cpu) {
            attn_record::disk::write_whole(path, figure.svg.as_bytes())?;
        }
    }
    if args.form.json {
        let report = duelled.iter().map(|(case, found)| CaseReport {
            case,
            answer: found.as_ref().ok(),
            error: found.as_ref().err().map(ToString::to_string),
        });
        let [first, second] = names;
        print_json(&Report { first, second, threads: args.threads, cases: report.collect() })?;
    } else {
        args.form.print(&duel_tables(&duelled, names, usize::from(args.threads)));
    }
    Ok(exit(&duelled))
}

/// The worst of the answers; what Ctrl-C cut short answers nothing.
fn exit(duelled: &[Duelled]) -> Exit {
    let any =
        |is: fn(&Result<Answer, LiveError>) -> bool| duelled.iter().any(|(_, found)| is(found));
    if INTERRUPTED.load(Ordering::Relaxed) {
        Exit::Broken
    } else if any(|found| matches!(found, Err(LiveError::Wrong { .. }))) {
        Exit::No
    } else if any(Result::is_err) {
        Exit::Broken
    } else if any(|found| found.as_ref().is_ok_and(|a| a.verdict == Verdict::Inconclusive)) {
        Exit::Open
    } else {
        Exit::Success
    }
}

/// The one backend that `name` means; it must compute on this processor.
fn backend<'e>(entries: &'e [Entry], name: &str) -> Result<&'e Entry, Failure> {
    let args = BackendArgs { backend: Some(name.into()) };
    let found = session::select_backends(entries, &args)?;
    let [at] = found[..] else {
        let names: Vec<String> =
            found.iter().map(|&at| entries[at].backend.id().to_string()).collect();
        return Err(Failure::usage(anyhow!(
            "`{name}` means {}, expected one backend",
            names.join(", ")
        )));
    };
    let entry = &entries[at];
    if entry.on_device() {
        return Err(Failure::usage(anyhow!(
            "{name} computes on a device, whose calls cannot take turns with a processor's: use attn measure"
        )));
    }
    entry.backend.probe().map_err(|why| anyhow!("{name} is unavailable: {why}"))?;
    Ok(entry)
}

/// The selected cases that both support; without a selection the curated ones.
fn cases<'s>(
    suite: &'s Suite,
    args: &CaseArgs,
    pair: [&Entry; 2],
) -> Result<Vec<&'s Case>, Failure> {
    let unselected = args.case.is_none() && args.suite.is_none() && args.shapes.is_empty();
    let curated = CaseArgs { case: Some("curated".into()), ..args.clone() };
    let selected = session::select_cases(suite, if unselected { &curated } else { args })?;
    let mut refused = None;
    let mut both = Vec::new();
    for case in selected.into_iter().map(|at| &suite.cases()[at]) {
        let supports = |entry: &Entry| {
            let supported = entry.backend.supports(&case.problem);
            supported.map_err(|why| format!("{}: {}: {why}", case.id, entry.backend.id()))
        };
        match supports(pair[0]).and_then(|()| supports(pair[1])) {
            Ok(()) => both.push(case),
            Err(why) => {
                eprintln!("attn: left out: {why}");
                refused.get_or_insert(why);
            }
        }
    }
    match refused {
        Some(why) if both.is_empty() => {
            Err(Failure::usage(anyhow!("both backends support none of the cases: {why}")))
        }
        _ => Ok(both),
    }
}

/// One case after another, until Ctrl-C.
fn duels(
    args: &Args,
    suite: &Suite,
    cases: &[&Case],
    backends: [&str; 2],
) -> Result<Vec<Duelled>, Failure> {
    let program = this_program()?.start;
    session::listen_for_interrupts();
    let _measuring = session::announce_measuring();
    let threads = usize::from(args.threads);
    let ceilings = limits::ceilings(&machine::detect(), &DType::ALL, &[threads]);
    let mut steps = Steps::new("comparing");
    let mut duelled = Vec::new();
    for case in cases {
        let fixture = Fixture::make(suite, case, &registry::NAIVE, &std::env::temp_dir());
        let fixture = fixture.map_err(|why| anyhow!("{}: {why}", case.id))?;
        let request = Request {
            program: &program,
            backends,
            case: &case.id,
            fixture: &fixture,
            threads,
            precision: args.precision,
            planted: args.plant / 100.0,
        };
        let conditions = Conditions {
            ceilings: ceilings.clone(),
            cpu: attn_sys::affinity::allowed().last().copied(),
            replicate_ns: REPLICATE_NS,
            seed: super::gate::seed(),
        };
        let mut goes_on = |taken: usize| {
            steps.say(&format!("{}, {taken} pairs of processes", case.id));
            !INTERRUPTED.load(Ordering::Relaxed)
        };
        match duel(request, conditions, &mut goes_on) {
            Ok(None) => break,
            Ok(Some(answer)) => duelled.push((case.id.clone(), Ok(answer))),
            Err(error) => duelled.push((case.id.clone(), Err(error))),
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(duelled)
}
