//! `attn report`: draw a run again.

use std::path::PathBuf;

use attn_analysis::scaling::Scaling;
use attn_analysis::summary::Summary;
use attn_record::read_records;
use attn_report::write::{Extras, write_markdown, write_report};
use serde::Serialize;

use super::print_json;
use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::{registry, runs};

/// Draw the charts and the page of a run folder again, from its records alone
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder [default: the latest of bench-results/runs]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// Draw the charts as PNG too
    #[arg(long)]
    png: bool,
    /// Write report.md too: tables, rankings and scaling
    #[arg(long)]
    markdown: bool,
    /// Where the run folder will be on the web: other sites then show a link to the page with its picture
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn report bench-results/runs/2026-01-31T12-00-00Z
  attn report --markdown bench-results/runs/2026-01-31T12-00-00Z
  attn report --png bench-results/runs/2026-01-31T12-00-00Z
  attn report --url https://example.org/attn/ bench-results/runs/2026-01-31T12-00-00Z";

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    files: Vec<PathBuf>,
    summary: Summary,
    scaling: Scaling,
}

/// An address that other sites can follow.
fn parse_url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.into())
    } else {
        Err("expected an address with its scheme, such as https://example.org/attn/".into())
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let run = runs::named(args.run.as_deref())?;
    let mut files =
        write_report(&run, &registry::SCORES, Extras { png: args.png, url: args.url.as_deref() })?;
    if args.markdown {
        files.push(write_markdown(&run, &registry::SCORES)?);
    }
    if args.output.json {
        let records = read_records(&run)?;
        let (summary, scaling) = (Summary::of(&records), Scaling::of(&records, &registry::SCORES));
        print_json(&Report { files, summary, scaling })?;
    } else {
        let (charts, pages): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| file.starts_with(run.join("charts")));
        if let Some(folder) = charts.first().and_then(|chart| chart.parent()) {
            println!("{} files in {}", charts.len(), folder.display());
        }
        for page in pages {
            println!("{}", page.display());
        }
    }
    Ok(Exit::Success)
}
