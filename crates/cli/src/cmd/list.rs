//! `attn list`: what there is.

use attn_bench::run::Entry;
use attn_bench::suite::Case;
use attn_core::{BackendInfo, ProblemSpec, Work};
use attn_report::table::{Column, Table};
use serde::Serialize;

use super::{FormArgs, print_json};
use crate::args::{BackendArgs, CaseArgs};
use crate::exit::{Exit, Failure};
use crate::{registry, session};

/// List backends and cases
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    cases: CaseArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn list                 backends with what would run here, and all cases
  attn list -c curated      the layers of known models
  attn list --csv           for a spreadsheet
  attn list --json          also problems, work counts, versions, instruction sets";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    backends: Vec<BackendRow>,
    cases: Vec<CaseRow>,
}

#[derive(Serialize)]
struct BackendRow {
    id: String,
    #[serde(rename = "receipt")]
    info: Option<BackendInfo>,
    unavailable: Option<String>,
}

#[derive(Serialize)]
struct CaseRow {
    id: String,
    tier: &'static str,
    measured: bool,
    problem: ProblemSpec,
    inputs: String,
    work: Work,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let suite = session::suite(&args.cases)?;
    let entries = registry::entries_for(args.backends.backend.as_deref());
    let backends = session::select_backends(&entries, &args.backends)?;
    let cases: Vec<_> = session::select_cases(&suite, &args.cases)?
        .into_iter()
        .map(|at| &suite.cases()[at])
        .collect();
    let backends: Vec<_> = backends.into_iter().map(|at| backend_row(&entries[at])).collect();
    if args.form.json {
        let cases = cases.into_iter().map(case_row).collect();
        print_json(&Report { backends, cases })?;
    } else if args.form.is_text() {
        print_backends(&backends);
        println!();
        print_cases(&cases);
    } else {
        args.form.print(&[backend_table(&backends), case_table(&cases)]);
    }
    Ok(Exit::Success)
}

fn backend_row(entry: &Entry) -> BackendRow {
    let probe = entry.backend.probe();
    BackendRow {
        id: entry.backend.id().to_string(),
        unavailable: probe.as_ref().err().map(ToString::to_string),
        info: probe.ok(),
    }
}

fn case_row(case: &Case) -> CaseRow {
    CaseRow {
        id: case.id.clone(),
        tier: case.tier.name(),
        measured: case.measure,
        problem: case.problem.spec().clone(),
        inputs: case.source.to_string(),
        work: case.work,
    }
}

fn backend_table(rows: &[BackendRow]) -> Table {
    let columns = [Column::backend("backend"), Column::prose("what would run here")];
    let rows = rows.iter().map(|row| vec![row.id.as_str().into(), what(row).into()]);
    Table::new("backends", columns).rows(rows)
}

fn case_table(cases: &[&Case]) -> Table {
    let columns = [Column::id("case")].into_iter();
    let columns = columns.chain(["tier", "problem", "measured"].map(Column::words));
    let rows = cases.iter().map(|case| {
        let measured = if case.measure { "yes" } else { "no" };
        let problem = case.problem.to_string();
        vec![case.id.as_str().into(), case.tier.name().into(), problem.into(), measured.into()]
    });
    Table::new("cases", columns).rows(rows)
}

fn what(row: &BackendRow) -> String {
    match (&row.info, &row.unavailable) {
        (Some(info), _) => format!("{}, {}", info.library, info.isa),
        (None, Some(reason)) => format!("unavailable: {reason}"),
        (None, None) => unreachable!("a probe has one of two results"),
    }
}

fn print_backends(rows: &[BackendRow]) {
    println!("{:<16} what would run here", "backend");
    for row in rows {
        println!("{:<16} {}", row.id, what(row));
    }
}

fn print_cases(cases: &[&Case]) {
    let width = cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
    println!("{:<width$} {:<5} problem", "case", "tier");
    for case in cases {
        let checked = if case.measure { "" } else { ", checked only" };
        println!("{:<width$} {:<5} {}{checked}", case.id, case.tier.name(), case.problem);
    }
}
