//! Draws the pictures of the tutorial into `crates/docs/pictures`, from numbers computed here.

use std::fs;
use std::path::Path;

use attn_bench::attn_case::AttnCase;
use attn_core::{Alignment, Problem, ProblemSpec};
use attn_oracle::weights;
use attn_record::Map;
use attn_record::claims::{Curves, Picture, Series, Unit};
use attn_report::charts::of_claim;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    for (name, svg) in pictures()? {
        fs::write(here().join(format!("pictures/{name}.svg")), svg)?;
    }
    Ok(())
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names and pictures.
fn pictures() -> Result<Vec<(&'static str, String)>, Error> {
    let file = here().join("../cli/cases/real/fluffy-dog/layer-2.safetensors");
    let case = AttnCase::parse(&fs::read(file)?)?;
    let pictures = [
        ("1-formula", head(&case, None)?),
        ("2-softmax", overflow()),
        ("3-mask", head(&case, Some(Alignment::TopLeft))?),
        ("4-products", memory()),
        ("5-online", online(&case)),
        ("6-tiles", tiles()),
    ];
    let draw = |(name, picture)| {
        let [svg, _] = of_claim(&picture, "").ok_or("a picture without numbers")?;
        Ok((name, svg))
    };
    pictures.into_iter().map(draw).collect()
}

#[test]
fn the_pictures_are_those_that_are_drawn() {
    for (name, svg) in pictures().unwrap() {
        let file = here().join(format!("pictures/{name}.svg"));
        assert!(fs::read_to_string(&file).unwrap() == svg, "{}: draw it again", file.display());
    }
}

/// A head that looks at neighbours.
const HEAD: usize = 8;

/// Weights of one head of a trained model, masked or not.
fn head(case: &AttnCase, causal: Option<Alignment>) -> Result<Picture, Error> {
    let problem = Problem::new(ProblemSpec { causal, ..case.problem.spec().clone() })?;
    let tokens = case.tokens.clone().ok_or("no tokens")?;
    let title = if causal.is_some() { "The same head, masked" } else { "Weights of one head" };
    let map = Map {
        schema: Map::SCHEMA.into(),
        case: title.into(),
        source: case.source.clone().unwrap_or_default(),
        head: HEAD,
        tokens_q: tokens.q,
        tokens_k: tokens.k,
        weights: weights(&problem, &case.inputs, 0, HEAD),
    };
    Ok(Picture::Map { cells: "Weight".into(), map })
}

fn curves(title: &str, [x, y]: [&str; 2], unit: Unit, series: Vec<Series>) -> Picture {
    let [title, x, y] = [title, x, y].map(String::from);
    Picture::Curves(Curves { title, x, y, unit, series })
}

/// Two scores, 1 apart: the weight of the larger in f32, with and without the maximum subtracted.
fn overflow() -> Picture {
    let sizes = [1, 2, 4, 8, 16, 32, 64, 80, 88, 89, 96, 128, 256, 512];
    let weight = |s: f32, m: f32| f64::from((s - m).exp() / ((s - m).exp() + (s - 1.0 - m).exp()));
    let points = |largest: bool| {
        let of = |&size: &usize| {
            let s = size as f32;
            (size, weight(s, if largest { s } else { 0.0 }))
        };
        sizes.iter().map(of).filter(|(_, weight)| weight.is_finite()).collect()
    };
    let series = vec![
        Series { name: "minus the maximum".into(), points: points(true) },
        Series { name: "as it stands".into(), points: points(false) },
    ];
    let axes = ["Larger score", "Its weight, in f32"];
    curves("The weight of the larger of two scores that are 1 apart", axes, Unit::Share, series)
}

/// Bytes in f32 with heads of 64.
fn memory() -> Picture {
    let sizes = [64, 256, 1024, 4096, 16_384];
    let points = |bytes: fn(usize) -> usize| sizes.map(|n| (n, bytes(n) as f64)).into();
    let series = vec![
        Series { name: "scores".into(), points: points(|n| 4 * n * n) },
        Series { name: "Q, K, V and O".into(), points: points(|n| 4 * 4 * 64 * n) },
    ];
    curves("Memory of one head of width 64, in f32", ["Tokens n", "Bytes"], Unit::Bytes, series)
}

/// The running sum of step 5 for one query of the real head, and the one with the final maximum.
fn online(case: &AttnCase) -> Picture {
    let shape = *case.problem.shape();
    let row = |data: Vec<f64>, i: usize| {
        data[(HEAD * shape.len_q + i) * shape.dim..][..shape.dim].to_vec()
    };
    let scores = |i: usize| -> Vec<f64> {
        let q = row(case.inputs.q().data().to_f64(), i);
        let score = |j: usize| {
            let k = row(case.inputs.k().data().to_f64(), j);
            case.problem.scale() * q.iter().zip(&k).map(|(q, k)| q * k).sum::<f64>()
        };
        (0..shape.len_k).map(score).collect()
    };
    // The query whose maximum grows most on the way.
    let growth =
        |scores: &[f64]| scores.iter().copied().fold(f64::NEG_INFINITY, f64::max) - scores[0];
    let most = (0..shape.len_q).map(scores).max_by(|a, b| growth(a).total_cmp(&growth(b)));
    let scores = most.unwrap_or_default();
    let last = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut m, mut l, mut known) = (f64::NEG_INFINITY, 0.0, 0.0);
    let (mut running, mut end) = (Vec::new(), Vec::new());
    for (j, &s) in scores.iter().enumerate() {
        let larger = m.max(s);
        l = l * (m - larger).exp() + (s - larger).exp();
        known += (s - last).exp();
        m = larger;
        running.push((j + 1, l));
        end.push((j + 1, known));
    }
    let series = vec![
        Series { name: "running maximum".into(), points: running },
        Series { name: "final maximum".into(), points: end },
    ];
    let axes = ["Keys seen", "Sum of exp(score - maximum)"];
    curves("The sum of one query, as the keys go by", axes, Unit::Share, series)
}

/// When each score is computed: tiles of 4 queries by 4 keys, causal.
fn tiles() -> Picture {
    const TILE: usize = 4;
    const LEN: usize = 16;
    let (mut order, mut cells) = (0.0, vec![vec![None; LEN]; LEN]);
    for i in (0..LEN).step_by(TILE) {
        for j in (0..=i).step_by(TILE) {
            order += 1.0;
            for (row, cells) in cells.iter_mut().enumerate().skip(i).take(TILE) {
                for (column, cell) in cells.iter_mut().enumerate().skip(j).take(TILE) {
                    *cell = (column <= row).then_some(order);
                }
            }
        }
    }
    let tokens: Vec<String> = (0..LEN).map(|i| i.to_string()).collect();
    let map = Map {
        schema: Map::SCHEMA.into(),
        case: "The order of the tiles".into(),
        source: "Causal; one tile's scores are in memory at a time, those above the diagonal never"
            .into(),
        head: 0,
        tokens_q: tokens.clone(),
        tokens_k: tokens,
        weights: cells,
    };
    Picture::Map { cells: "Computed as number".into(), map }
}
