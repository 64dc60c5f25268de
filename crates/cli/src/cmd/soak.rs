//! `attn soak`: does the checker refuse right backends?

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use attn_bench::detection::Deviation;
use attn_bench::mutation::Subject;
use attn_bench::soak::{
    AsClaims, BudgetUse, MutantSurvivor, MutantTally, Soak, SoakReport, Tally, case,
};
use attn_core::Backend;
use attn_record::disk::write_whole;

use super::mutants::subject;
use super::print_json;
use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::program::{program, quoted};
use crate::progress::Steps;
use crate::{registry, session, threads};

/// Check backends on random problems drawn from the whole semantics
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    backends: BackendArgs,
    /// Judge honest kernels of other arithmetics, and results as if they came in files, instead of backends
    #[arg(long, conflicts_with = "backend")]
    claims: bool,
    /// With --claims, judge the results of deliberately wrong kernels as well
    #[arg(long, requires = "claims")]
    mutants: bool,
    /// How many problems
    #[arg(long, value_name = "N", default_value_t = 1000)]
    cases: u64,
    /// Stream of problems
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// First problem of the stream
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// Folder that gets an attn-case file for every failure
    #[arg(short, long, value_name = "DIR", default_value = session::FAILURES)]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn soak                            1000 problems on every backend
  attn soak --cases 10000 --seed 7     a longer look, another stream
  attn soak --first 4711 --cases 1     one problem again
  attn soak --claims --cases 100000    are right results of other arithmetics refused in files?
  attn soak --claims --mutants         and are wrong ones refused?

Exit code 1 if any result is wrong, those of deliberately wrong kernels left out. Each failure is written as an attn-case file, which
`attn verify FILE` judges again.";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    threads::fix(1);
    let backends = if args.claims {
        attn_mutants::foreign().into_iter().map(|kernel| kernel.backend).collect()
    } else {
        session::in_process(&args.backends)?
    };
    let control = attn_mutants::control();
    let mutants = if args.mutants { attn_mutants::all() } else { Vec::new() };
    let mutants: Vec<Subject<'_>> = mutants.iter().map(subject).collect();
    let backends: Vec<&dyn Backend> = backends.iter().map(AsRef::as_ref).collect();
    session::listen_for_interrupts();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let soak = Soak {
        seed: args.seed,
        first: args.first,
        cases: args.cases,
        backends: &backends,
        naive: &registry::NAIVE,
        as_claims: args
            .claims
            .then_some(AsClaims { control: subject(&control), mutants: &mutants }),
        threads: cores,
        cancel: &session::INTERRUPTED,
    };
    note!("{} problems of seed {} on {} backends", args.cases, args.seed, backends.len());
    let steps = Mutex::new(Steps::patient("soak"));
    let report = soak.run(&|done| {
        let mut steps = steps.lock().expect("nobody panics with the lock");
        steps.say(&format!("{done} of {} problems", args.cases));
    });
    let files = write_failures(args, &report)?;
    if args.output.json {
        print_json(&report)?;
    } else {
        print_report(&report, &files);
    }
    let incomplete = report.problems < args.cases;
    Ok(match (report.alarms.is_empty(), incomplete) {
        (false, _) => Exit::No,
        (true, true) => Exit::Broken,
        (true, false) => Exit::Success,
    })
}

/// One attn-case file per problem that somebody failed.
fn write_failures(args: &Args, report: &SoakReport) -> Result<Vec<PathBuf>, Failure> {
    let mut numbers: Vec<u64> = report.alarms.iter().map(|alarm| alarm.number).collect();
    numbers.dedup();
    if !numbers.is_empty() {
        fs::create_dir_all(&args.out)?;
    }
    let write = |number: u64| -> Result<PathBuf, Failure> {
        let path = args.out.join(format!("seed-{}-{number}.safetensors", args.seed));
        write_whole(&path, &case(args.seed, number).to_bytes())?;
        Ok(path)
    };
    numbers.into_iter().map(write).collect()
}

fn print_report(report: &SoakReport, files: &[PathBuf]) {
    println!("seed {}, {} problems", report.seed, report.problems);
    println!(
        "\n{:<22} {:>8} {:>13} {:>12} {:>12} {:>8}",
        "backend", "agree", "undetermined", "unsupported", "unavailable", "wrong"
    );
    for tally in &report.backends {
        let wrong = report.alarms.iter().filter(|alarm| alarm.backend == tally.backend).count();
        let Tally { backend, agree, undetermined, unsupported, unavailable, .. } = tally;
        println!(
            "{backend:<22} {agree:>8} {undetermined:>13} {unsupported:>12} {unavailable:>12} {wrong:>8}"
        );
    }
    println!("\nlargest error of a result over its budget: median, 95th percentile, maximum");
    println!(
        "{:<22} {:<5} {:>8}   {:<24} {}",
        "backend", "type", "results", "a-priori bound", report.second_rule
    );
    for BudgetUse { backend, dtype, results, bound, second } in &report.budgets {
        let percent = |shares: &[f64; 3]| {
            let [median, high, max] = shares.map(|share| format!("{:.2}%", 100.0 * share));
            format!("{median:>7} {high:>7} {max:>7}")
        };
        let (bound, second) = (percent(bound), percent(second));
        println!("{backend:<22} {dtype:<5} {results:>8}   {bound}  {second}");
    }
    print_mutants(report);
    for alarm in &report.alarms {
        println!("\n{} on problem {}: {}", alarm.backend, alarm.number, alarm.reason);
        println!("  {}", alarm.problem);
    }
    if !files.is_empty() {
        println!("\nto judge them again:");
    }
    for file in files {
        println!("  {} verify {}", program(), quoted(&file.to_string_lossy()));
    }
}

/// Every deliberately wrong kernel, and all of them together.
fn print_mutants(report: &SoakReport) {
    let Some(all) = &report.mutants else { return };
    println!(
        "\nresults of wrong kernels, judged as files; visible is what differs by more than rounding"
    );
    println!(
        "{:<38} {:>9} {:>8} {:>9} {:>8} {:>15}",
        "kernel", "different", "visible", "refused", "share", "others refused"
    );
    for tally in report.by_mutant.iter().chain([all]) {
        let MutantTally { mutant, differing, visible, visible_refused, others_refused, .. } = tally;
        let share = format!("{:.2}%", 100.0 * tally.share);
        let survives = tally.survives.as_ref().map(|MutantSurvivor { number, deviation }| {
            let Deviation { part, ratio } = deviation;
            format!("  accepted on problem {number}: {ratio:.1} times the honest error in {part}")
        });
        println!(
            "{mutant:<38} {differing:>9} {visible:>8} {visible_refused:>9} {share:>8} {others_refused:>15}{}",
            survives.unwrap_or_default()
        );
    }
}
