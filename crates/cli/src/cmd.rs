//! The command line, and its sub-commands, one file each.

mod cheats;
pub(crate) mod check;
pub(crate) mod claims;
pub(crate) mod cmp;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod duel;
pub(crate) mod engine;
pub(crate) mod gate;
pub(crate) mod help;
pub(crate) mod import_criterion;
pub(crate) mod init;
mod intervals;
mod limits;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod measure;
pub(crate) mod merge;
pub(crate) mod model;
mod mutants;
pub(crate) mod open;
pub(crate) mod params;
pub(crate) mod phases;
pub(crate) mod rank;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod scaling;
pub(crate) mod shares;
pub(crate) mod soak;
pub(crate) mod splice;
pub(crate) mod support;
pub(crate) mod verify;
mod worker;

use std::path::PathBuf;

use attn_analysis::scaling::Scaling;
use attn_analysis::summary::Summary;
use attn_record::Record;
use attn_report::table::{self, Table};
use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::print::{self, options};
use crate::records::RecordArgs;
use crate::{registry, runs};

/// A barometer for attention: interchangeable backends, checked against an f64 oracle, measured
/// side by side, drawn.
#[derive(Parser)]
#[command(name = "attn", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Say nothing on stderr but errors and warnings: no progress, no notes
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 the answer is no (a backend disagrees); 2 usage; 3 broken input or
environment (bad file, failed or timed-out worker, nothing that could run); 4 inconclusive (gate).";

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Check(check::Args),
    Verify(verify::Args),
    Measure(measure::Args),
    Cmp(cmp::Args),
    Rank(rank::Args),
    Diff(diff::Args),
    Scaling(scaling::Args),
    Shares(shares::Args),
    Phases(phases::Args),
    Report(report::Args),
    Open(open::Args),
    Merge(merge::Args),
    ImportCriterion(import_criterion::Args),
    Init(init::Args),
    List(list::Args),
    Support(support::Args),
    Claims(claims::Args),
    Map(map::Args),
    Model(model::Args),
    Doctor(doctor::Args),
    Duel(duel::Args),
    Engine(engine::Args),
    Params(params::Args),
    Soak(soak::Args),
    Splice(splice::Args),
    Gate(gate::Args),
    Completions(completions::Args),
    /// Print the manual, for `man -l -`
    Man,
    /// Executes the one request on stdin: how the other commands start a cell
    #[command(hide = true)]
    Worker,
}

/// Commands by what they are for.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Start", &["run", "list", "support", "doctor", "init", "engine"]),
    ("Judge", &["check", "verify", "soak", "gate"]),
    (
        "Compare",
        &[
            "measure", "duel", "cmp", "rank", "diff", "scaling", "shares", "phases", "report",
            "open", "merge",
        ],
    ),
    ("Learn", &["claims", "map", "model", "params"]),
    ("Maintain", &["import-criterion", "splice", "completions", "man"]),
];

impl Command {
    /// Whether it reads and prints, and does nothing else: it writes no file, measures nothing and runs no kernel.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Command::Cmp(_)
            | Command::Diff(_)
            | Command::List(_)
            | Command::Params(_)
            | Command::Phases(_)
            | Command::Rank(_)
            | Command::Scaling(_)
            | Command::Shares(_)
            | Command::Support(_) => true,
            Command::Check(args) => args.only_reads(),
            Command::Gate(args) => args.only_reads(),
            Command::Run(_)
            | Command::Verify(_)
            | Command::Measure(_)
            | Command::Report(_)
            | Command::Open(_)
            | Command::Merge(_)
            | Command::ImportCriterion(_)
            | Command::Init(_)
            | Command::Claims(_)
            | Command::Map(_)
            | Command::Model(_)
            | Command::Doctor(_)
            | Command::Duel(_)
            | Command::Engine(_)
            | Command::Soak(_)
            | Command::Splice(_)
            | Command::Completions(_)
            | Command::Man
            | Command::Worker => false,
        }
    }
}

/// Runs the sub-command.
pub(crate) fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    if cli.quiet {
        print::be_quiet();
    }
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::List(args) => list::run(&args),
        Command::Support(args) => support::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Measure(args) => measure::run(&args),
        Command::Cmp(args) => cmp::run(&args),
        Command::Rank(args) => rank::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Scaling(args) => scaling::run(&args),
        Command::Shares(args) => shares::run(&args),
        Command::Phases(args) => phases::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Duel(args) => duel::run(&args),
        Command::Engine(args) => engine::run(&args),
        Command::ImportCriterion(args) => import_criterion::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Open(args) => open::run(&args),
        Command::Claims(args) => claims::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Params(args) => params::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Splice(args) => splice::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Man => completions::man(),
        Command::Worker => worker::run(),
    }
}

/// Prints `value` as one JSON document on stdout.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// What `check --json` and `measure --json` print.
#[derive(Serialize)]
struct Report<'a> {
    summary: Summary,
    scaling: Scaling,
    records: &'a [Record],
}

/// Prints the table of `records`, or summary and records as JSON.
fn print_records(records: &[Record], form: FormArgs) -> Result<(), Failure> {
    if form.json {
        let scaling = Scaling::of(records, &registry::SCORES);
        return print_json(&Report { summary: Summary::of(records), scaling, records });
    }
    if form.is_text() {
        print!("{}", table::render(records, options()));
    } else {
        form.print(&table::cells(records));
    }
    Ok(())
}

/// Which cells of one run, and how what follows from them is printed.
#[derive(clap::Args)]
struct CellsArgs {
    /// A run folder [default: the latest of bench-results/runs]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    #[command(flatten)]
    records: RecordArgs,
    #[command(flatten)]
    form: FormArgs,
}

impl CellsArgs {
    /// Reads the run and keeps what is selected; with its folder.
    fn read(&self) -> Result<(PathBuf, Vec<Record>), Failure> {
        let folder = runs::named(self.run.as_deref())?;
        let records = self.records.read(&[&folder])?.concat();
        Ok((folder, records))
    }
}

/// The form of a comparison.
#[derive(clap::Args, Clone, Copy, Debug)]
struct FormArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print comma-separated values, figures as plain numbers: nanoseconds, bytes, shares
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print Markdown
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    markdown: bool,
}

impl FormArgs {
    /// Whether nothing but text for people is asked for.
    const fn is_text(self) -> bool {
        !self.json && !self.csv && !self.markdown
    }

    /// For what has no other form.
    const fn output(self) -> OutputArgs {
        OutputArgs { json: self.json }
    }

    /// Prints `document`, as JSON or as its tables.
    fn show<T: Serialize>(
        self,
        document: &T,
        tables: impl FnOnce(&T) -> Vec<Table>,
    ) -> Result<Exit, Failure> {
        if self.json {
            print_json(document)?;
        } else {
            self.print(&tables(document));
        }
        Ok(Exit::Success)
    }

    /// As [`show`](Self::show), where people read what `print` prints.
    fn show_or<T: Serialize>(
        self,
        document: &T,
        tables: impl FnOnce(&T) -> Vec<Table>,
        print: impl FnOnce(&T),
    ) -> Result<Exit, Failure> {
        if self.is_text() {
            print(document);
            return Ok(Exit::Success);
        }
        self.show(document, tables)
    }

    /// Prints tables.
    fn print(self, tables: &[Table]) {
        if self.csv {
            print!("{}", table::csv(tables));
            return;
        }
        let text = |table: &Table| {
            if self.markdown { table.markdown() } else { table.terminal(options()) }
        };
        print!("{}", tables.iter().map(text).collect::<Vec<_>>().join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_only_read_are_told_by_what_they_do() {
        let only_reads = |line: &str| {
            let words = ["attn"].into_iter().chain(line.split(' '));
            Cli::try_parse_from(words)
                .map_or_else(|e| panic!("{e}"), |cli| cli.command.only_reads())
        };
        for line in [
            "cmp RUN -c curated --markdown",
            "diff OLD NEW",
            "rank RUN",
            "scaling RUN",
            "shares RUN",
            "phases RUN",
            "list --json",
            "params",
            "support",
            "check --intervals",
            "gate explain CASE --from DIR",
            "gate calibrate --from DIR",
        ] {
            assert!(only_reads(line), "{line}");
        }
        for line in [
            "check",
            "check --mutants",
            "gate",
            "gate --out DIR",
            "gate calibrate",
            "gate calibrate --budget 0s",
            "gate calibrate --budget 0s --out DIR",
            "report RUN",
            "merge RUN --out DIR",
            "map FILE --out DIR",
            "run",
            "splice FILE",
            "worker",
        ] {
            assert!(!only_reads(line), "{line}");
        }
    }
}
