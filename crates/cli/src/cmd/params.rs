//! `attn params`: how many numbers the attention of a model consists of.

use attn_head::params::{Line, PRESETS, Preset, grouped};
use attn_report::table::{Cell, Column, Table};
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::FormArgs;
use crate::exit::{Exit, Failure};

/// Count the parameters of attention, each count with its formula
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which model [default: all]
    #[arg(short, long, value_name = "NAME",
          value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.name)))]
    preset: Option<String>,
    #[command(flatten)]
    form: FormArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn params --preset gpt3     12,288 x 128 x 4 = 6,291,456 parameters in a head, and so on
  attn params                   every model that is known
  attn params --csv             a line for each count
  attn params --json            the same with every size

Counted are the matrices of attention: queries, keys, and the value matrix as the product of a
matrix down and a matrix up. Biases, embeddings and feed-forward layers are not.";

/// What `--json` prints, one per model.
#[derive(Serialize)]
struct Row {
    preset: &'static str,
    source: &'static str,
    model: u64,
    layers: u64,
    heads_q: u64,
    heads_kv: u64,
    dim: u64,
    lines: Vec<Line>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let chosen = |preset: &&Preset| args.preset.as_deref().is_none_or(|name| name == preset.name);
    let rows: Vec<Row> = PRESETS.iter().filter(chosen).map(row).collect();
    let texts = |rows: &Vec<Row>| rows.iter().map(text).collect::<Vec<_>>();
    args.form.show_or(
        &rows,
        |rows| rows.iter().map(table).collect(),
        |rows| print!("{}", texts(rows).join("\n")),
    )
}

fn row(preset: &Preset) -> Row {
    let Preset { name, source, model, layers, heads_q, heads_kv, dim } = *preset;
    Row { preset: name, source, model, layers, heads_q, heads_kv, dim, lines: preset.lines() }
}

/// A row for each count.
fn table(row: &Row) -> Table {
    let columns =
        [Column::words("parameters of"), Column::number("count"), Column::words("formula")];
    let line = |line: &Line| {
        let count = Cell::value(Some(line.parameters as f64), |_| grouped(line.parameters));
        vec![line.what.into(), count, line.formula.clone().into()]
    };
    Table::new(row.preset, columns).rows(row.lines.iter().map(line))
}

/// The sizes in a line, then one line per count.
fn text(row: &Row) -> String {
    let heads = match row.heads_kv {
        kv if kv == row.heads_q => format!("{kv} heads"),
        kv => format!("{} query heads on {kv} key heads", row.heads_q),
    };
    let (model, dim) = (grouped(row.model), row.dim);
    let sizes = format!("{} layers, {heads} of {dim}, embeddings of {model}", row.layers);
    let width = row.lines.iter().map(|line| grouped(line.parameters).len()).max().unwrap_or(0);
    let line = |line: &Line| {
        let count = grouped(line.parameters);
        format!("  {:<20} {count:>width$} = {}\n", line.what, line.formula)
    };
    let lines: String = row.lines.iter().map(line).collect();
    format!("{}: {sizes}\n({})\n{lines}", row.preset, row.source)
}
