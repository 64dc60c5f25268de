//! `attn splice`: documents whose tables are what a command prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use attn_record::disk::write_whole;
use serde::Serialize;

use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::program::program;
use crate::splice::{Block, Part, join, parts};

/// The commands that may stand in a document: they print the same whenever the same files are there.
const COMMANDS: [&str; 9] = [
    "check --intervals",
    "cmp",
    "diff",
    "gate calibrate --budget 0s",
    "list",
    "phases",
    "rank",
    "scaling",
    "shares",
];

/// Renew the tables of documents: each block holds what the command in its mark prints
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Markdown files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; exit 1 if a block is not what its command prints
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn splice README.md
  attn splice --check README.md crates/docs/*.md crates/gate/README.md

A block of a document:
  <!-- attn rank bench-results/reference --markdown -->
  (what the command prints)
  <!-- end -->

Commands are run in the current directory. Those that may stand in a document: cmp, diff, list, phases,
rank, scaling, shares, check --intervals, gate calibrate --budget 0s.";

/// A block, as `--json` prints it.
#[derive(Serialize)]
struct Spliced {
    file: PathBuf,
    line: usize,
    command: String,
    stale: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut spliced = Vec::new();
    for file in &args.files {
        spliced.extend(document(file, args.check)?);
    }
    let stale = spliced.iter().any(|block| block.stale);
    if args.output.json {
        print_json(&spliced)?;
    } else {
        for block in &spliced {
            print(block, args.check);
        }
        if args.check && stale {
            println!("Renew what is stale with: {} splice FILE", program());
        }
    }
    Ok(if args.check && stale { Exit::No } else { Exit::Success })
}

fn print(block: &Spliced, check: bool) {
    let Spliced { file, line, command, stale } = block;
    let file = file.display();
    let state = match (stale, check) {
        (false, _) => "up to date",
        (true, false) => "renewed",
        (true, true) => "stale",
    };
    println!("{file}:{line}: {state}: {command}");
}

/// Renews one document, or only compares it.
fn document(file: &Path, check: bool) -> Result<Vec<Spliced>, Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{name}"))?;
    let parts = parts(&text).map_err(|misplaced| anyhow!("{name}:{misplaced}"))?;
    let mut outputs = Vec::new();
    let mut spliced = Vec::new();
    for part in &parts {
        let Part::Block(block) = part else { continue };
        let output = output(block).with_context(|| format!("{name}:{}", block.line))?;
        let command = format!("attn {}", block.arguments.join(" "));
        let stale = output != block.content;
        spliced.push(Spliced { file: file.into(), line: block.line, command, stale });
        outputs.push(output);
    }
    let renewed = join(&parts, &outputs);
    if !check && renewed != text {
        write_whole(file, renewed.as_bytes()).with_context(|| format!("{name}"))?;
    }
    Ok(spliced)
}

/// What the block's command prints, between empty lines, so that Markdown sees a table.
fn output(block: &Block<'_>) -> anyhow::Result<String> {
    let command = block.arguments.join(" ");
    let starts_with = |known: &str| {
        command.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    if !COMMANDS.iter().any(|known| starts_with(known)) {
        return Err(anyhow!("`attn {command}`: expected one of {}", COMMANDS.join(", ")));
    }
    let output = Command::new(std::env::current_exe()?).args(&block.arguments).output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!("`attn {command}` failed: {}", message.trim_end()));
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(format!("\n{}\n\n", text.trim_end()))
}
