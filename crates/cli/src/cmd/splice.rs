//! `attn splice`: documents whose tables are what a command prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use attn_record::disk::write_whole;
use clap::Parser as _;
use serde::Serialize;

use super::{Cli, print_json};
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::program::program;
use crate::splice::{Block, Part, join, parts};

/// The commands that may stand in a document, those for which [`only_reads`](super::Command::only_reads) holds.
const EXPECTED: &str = "cmp, diff, list, params, phases, rank, scaling, shares, support, check --intervals, \
    gate explain or gate calibrate --from";

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

Commands are run in the current directory. Those that only read may stand in a document: cmp, diff, list,
params, phases, rank, scaling, shares, support, check --intervals, gate explain, gate calibrate --from.
If any other stands in one of the documents, nothing is run.";

/// A block, as `--json` prints it.
#[derive(Serialize)]
struct Spliced {
    file: PathBuf,
    line: usize,
    command: String,
    stale: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut texts = Vec::new();
    for file in &args.files {
        texts.push(fs::read_to_string(file).with_context(|| file.display().to_string())?);
    }
    let mut documents = Vec::new();
    for (file, text) in args.files.iter().zip(&texts) {
        documents.push(Document::read(file, text)?);
    }
    let mut spliced = Vec::new();
    for document in &documents {
        spliced.extend(document.renew(args.check)?);
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

/// A document whose commands only read.
struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    parts: Vec<Part<'a>>,
}

impl<'a> Document<'a> {
    /// The parts of `text`; runs nothing.
    fn read(file: &'a Path, text: &'a str) -> Result<Self, Failure> {
        let name = file.display();
        let parts = parts(text).map_err(|misplaced| anyhow!("{name}:{misplaced}"))?;
        for part in &parts {
            if let Part::Block(block) = part {
                only_reads(block).with_context(|| format!("{name}:{}", block.line))?;
            }
        }
        Ok(Document { file, text, parts })
    }

    /// Renews the document, or only compares it.
    fn renew(&self, check: bool) -> Result<Vec<Spliced>, Failure> {
        let Document { file, text, parts } = self;
        let name = file.display();
        let mut outputs = Vec::new();
        let mut spliced = Vec::new();
        for part in parts {
            let Part::Block(block) = part else { continue };
            let output = output(block).with_context(|| format!("{name}:{}", block.line))?;
            let command = format!("attn {}", block.arguments.join(" "));
            let stale = output != block.content;
            spliced.push(Spliced { file: (*file).into(), line: block.line, command, stale });
            outputs.push(output);
        }
        let renewed = join(parts, &outputs);
        if !check && renewed != *text {
            write_whole(file, renewed.as_bytes())?;
        }
        Ok(spliced)
    }
}

/// An error unless the block's command only reads: whoever wrote the document would otherwise run what they like.
fn only_reads(block: &Block<'_>) -> anyhow::Result<()> {
    let command = block.arguments.join(" ");
    let words = std::iter::once("attn").chain(block.arguments.iter().copied());
    let problem = match Cli::try_parse_from(words) {
        Ok(cli) if cli.command.only_reads() => return Ok(()),
        Ok(_) => "does more than read".into(),
        Err(error) if error.use_stderr() => {
            // What is wrong, without the usage that follows.
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
        }
        Err(_) => "only explains itself".into(),
    };
    Err(anyhow!(
        "`attn {command}`: {problem}; expected {EXPECTED}; nothing was run: name another command, or take the block out"
    ))
}

/// What the block's command prints, between empty lines, so that Markdown sees a table.
fn output(block: &Block<'_>) -> anyhow::Result<String> {
    let command = block.arguments.join(" ");
    let output = Command::new(std::env::current_exe()?).args(&block.arguments).output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!("`attn {command}` failed: {}", message.trim_end()));
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(format!("\n{}\n\n", text.trim_end()))
}
