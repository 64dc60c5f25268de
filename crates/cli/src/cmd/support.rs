//! `attn support`: who can compute what, and why not.

use attn_bench::support::{Answer, Question, questions};
use serde::Serialize;

use super::print_json;
use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::{registry, session};

/// Show which backend supports what, with the reason where it does not
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn support                   the matrix, and below it every reason
  attn support -b candle/fused   one backend
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
    if args.output.json {
        print_json(&rows)?;
    } else {
        print_matrix(&rows, backends.len());
    }
    Ok(Exit::Success)
}

/// Questions down, backends across; reasons are numbered below.
fn print_matrix(rows: &[Row], backends: usize) {
    let mut reasons = Vec::<(&str, &str)>::new();
    let names: Vec<_> = rows.iter().take(backends).map(|row| row.backend.as_str()).collect();
    print!("{:<34}", "");
    for name in &names {
        // The last part is enough in a column head; the reasons name the whole path.
        print!(" {:>10}", name.rsplit('/').next().unwrap_or(name));
    }
    println!();
    for question in rows.chunks(backends) {
        print!("{:<34}", question[0].question);
        for row in question {
            let cell = match &row.reason {
                None => "yes".to_string(),
                Some(reason) => {
                    let key = (row.backend.as_str(), reason.as_str());
                    let at = reasons.iter().position(|known| *known == key).unwrap_or_else(|| {
                        reasons.push(key);
                        reasons.len() - 1
                    });
                    format!("no [{}]", at + 1)
                }
            };
            print!(" {cell:>10}");
        }
        println!();
    }
    if !reasons.is_empty() {
        println!();
    }
    for (at, (backend, reason)) in reasons.iter().enumerate() {
        println!("[{}] {backend}: {reason}", at + 1);
    }
}
