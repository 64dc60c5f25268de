//! `attn support`: who can compute what, and why not.

use attn_bench::support::{Answer, Question, questions};
use attn_report::table::{Cell, Column, Table, Tone};
use serde::Serialize;

use super::{FormArgs, print_json};
use crate::args::BackendArgs;
use crate::exit::{Exit, Failure};
use crate::{registry, session};

/// Show which backend supports what, with the reason where it does not
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn support                   the matrix, and below it every reason
  attn support -b candle/fused   one backend
  attn support --csv             a line for each question and backend
  attn support --json            the questions as problems, with every answer";

/// What `--json` prints: one per question and backend.
#[derive(Serialize)]
struct Row {
    question: &'static str,
    problem: attn_core::Problem,
    backend: String,
    answer: &'static str,
    reason: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let entries = registry::entries_for(args.backends.backend.as_deref());
    let selected = session::select_backends(&entries, &args.backends)?;
    let backends: Vec<_> = selected.iter().map(|&at| entries[at].backend.as_ref()).collect();
    let mut rows = Vec::new();
    for Question { name, problem } in questions() {
        for backend in &backends {
            let answer = Answer::of(*backend, &problem);
            rows.push(Row {
                question: name,
                problem: problem.clone(),
                backend: backend.id().to_string(),
                answer: answer.name(),
                reason: answer.reason(),
            });
        }
    }
    if args.form.json {
        print_json(&rows)?;
    } else if args.form.csv {
        args.form.print(&[answers(&rows)]);
    } else {
        args.form.print(&matrix(&rows, backends.len()));
    }
    Ok(Exit::Success)
}

/// A row for each question and backend.
fn answers(rows: &[Row]) -> Table {
    let columns = [
        Column::words("question"),
        Column::words("problem"),
        Column::backend("backend"),
        Column::words("answer"),
        Column::prose("reason"),
    ];
    let row = |row: &Row| {
        let problem = row.problem.to_string();
        let names = [row.question.into(), problem.into(), row.backend.as_str().into()];
        let answer = [row.answer.into(), Cell::or_dash(row.reason.clone())];
        names.into_iter().chain(answer).collect()
    };
    Table::new("", columns).rows(rows.iter().map(row))
}

/// Questions down and backends across; below it the reasons, which are numbered.
fn matrix(rows: &[Row], backends: usize) -> [Table; 2] {
    let mut reasons = Vec::<(&str, &str)>::new();
    let mut lines = Vec::new();
    for question in rows.chunks(backends) {
        let mut line = vec![Cell::from(question[0].question)];
        for row in question {
            let Some(reason) = &row.reason else {
                line.push("yes".into());
                continue;
            };
            let key = (row.backend.as_str(), reason.as_str());
            let at = reasons.iter().position(|known| *known == key).unwrap_or_else(|| {
                reasons.push(key);
                reasons.len() - 1
            });
            line.push(Cell::from(format!("no [{}]", at + 1)).tone(Tone::Muted));
        }
        lines.push(line);
    }
    // The last part of a name is enough in the head of a column; the reasons have the whole.
    let name = |row: &Row| row.backend.rsplit('/').next().unwrap_or_default().to_owned();
    let columns = rows.iter().take(backends).map(|row| Column::number(name(row)));
    let columns = [Column::words("question")].into_iter().chain(columns);
    let table = Table::new("", columns).rows(lines);
    let note = |(at, (backend, reason)): (usize, &(&str, &str))| {
        format!("[{}] {backend}: {reason}", at + 1)
    };
    let reasons: Vec<String> = reasons.iter().enumerate().map(note).collect();
    [Table { repeated: 1, ..table }, Table::new("", []).notes(reasons)]
}
