//! Steps that kernels get wrong.

use std::ops::Range;

use attn_core::MaskKind;
use attn_oracle::{Key, ScoreStep, Softmax, WeightStep};

use super::{Hypothesis, Make};
use crate::attn_case::{AttnCase, Claim};

/// Tiles that kernels cut keys into.
const TILES: [usize; 4] = [16, 32, 64, 128];

/// What is told of a mistake, and the steps that it replaces.
struct Mistake {
    hint: String,
    score: Option<Box<ScoreStep<'static>>>,
    weights: Option<Box<WeightStep<'static>>>,
}

impl Mistake {
    fn score(hint: impl Into<String>, step: Box<ScoreStep<'static>>) -> Self {
        Mistake { hint: hint.into(), score: Some(step), weights: None }
    }

    fn weights(hint: impl Into<String>, step: Box<WeightStep<'static>>) -> Self {
        Mistake { hint: hint.into(), score: None, weights: Some(step) }
    }
}

/// All that can show in this problem.
pub(super) fn all<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let mistakes = left_out(case).into_iter().chain(scored(case)).chain(weighed(case));
    let make = |mistake: Mistake| -> Make<'a> {
        Box::new(move || {
            let Mistake { hint, score, weights } = mistake;
            Hypothesis { score, weights, ..Hypothesis::new(case, claim, hint) }
        })
    };
    mistakes.map(make).collect()
}

/// Keys that are left out.
fn left_out(case: &AttnCase) -> Vec<Mistake> {
    let last = leave_out(case, |j, n| j + 1 == n);
    let first = leave_out(case, |j, _| j == 0);
    let mut all = vec![
        Mistake::score("agrees if the last key is left out", last),
        Mistake::score("agrees if the first key is left out", first),
    ];
    if case.problem.spec().window.is_some() {
        let last = end_of_row(case, |j, keys| j + 1 == keys.end);
        let first = end_of_row(case, |j, keys| j == keys.start);
        all.push(Mistake::score("agrees if the last admitted key of every row is left out", last));
        all.push(Mistake::score(
            "agrees if the first admitted key of every row is left out",
            first,
        ));
    }
    for tile in TILES.into_iter().filter(|&tile| tile < case.problem.shape().len_k) {
        let hint = format!("agrees if the keys of the last tile are left out (tiles of {tile})");
        all.push(Mistake::score(hint, leave_out(case, move |j, n| j >= (n - 1) / tile * tile)));
    }
    let half = leave_out(case, |j, n| j >= n / 2);
    all.push(Mistake::score("agrees if the second half of the keys is left out", half));
    all
}

/// Scores that are wrong.
fn scored(case: &AttnCase) -> Vec<Mistake> {
    let spec = case.problem.spec();
    let mut all = vec![Mistake::score(
        "agrees if excluded keys have score 0 before the softmax",
        Box::new(|key: &Key| Some(key.right().unwrap_or(0.0))),
    )];
    if spec.mask.is_some() {
        all.push(Mistake::score(
            "agrees if the mask replaces causal masking, window and padding",
            Box::new(|key: &Key| key.mask.map(|mask| key.capped + key.alibi + mask)),
        ));
    }
    if spec.mask.is_some_and(|mask| mask.kind == MaskKind::Additive) {
        all.push(Mistake::score(
            "agrees if the mask is subtracted",
            Box::new(|key: &Key| key.right().map(|s| s - 2.0 * key.mask.unwrap_or(0.0))),
        ));
    }
    if spec.alibi {
        all.push(Mistake::score(
            "agrees if ALiBi is added, not subtracted",
            Box::new(|key: &Key| key.right().map(|s| s - 2.0 * key.alibi)),
        ));
    }
    if let Some(cap) = spec.softcap {
        all.push(Mistake::score(
            "agrees if the softcap follows mask and ALiBi",
            Box::new(move |key: &Key| Some(capped_late(cap, key))),
        ));
    }
    all
}

/// The score with a softcap that comes last: what is excluded, -inf, becomes -cap.
fn capped_late(cap: f64, key: &Key) -> f64 {
    // The score before the cap: what was capped, undone.
    let raw = cap * (key.capped / cap).atanh();
    let biased = match key.right() {
        Some(_) => raw + key.alibi + key.mask.unwrap_or(0.0),
        None => f64::NEG_INFINITY,
    };
    cap * (biased / cap).tanh()
}

/// Weights that are wrong.
fn weighed(case: &AttnCase) -> Vec<Mistake> {
    let uniform = |row: &Softmax<'_>| vec![1.0 / row.keys.len() as f64; row.keys.len()];
    let mut all = vec![
        Mistake::weights(
            "agrees if all keys have the same weight: queries and keys are ignored",
            Box::new(uniform),
        ),
        Mistake::weights(
            "agrees if the weights are not divided by their sum",
            Box::new(unnormalised),
        ),
    ];
    for (axis, hint) in [
        (0, "agrees for the first batch; the others are 0"),
        (1, "agrees for the first head; the others are 0"),
    ] {
        let first_alone = move |row: &Softmax<'_>| {
            let keep = f64::from(u8::from(row.at[axis] == 0));
            row.weights.iter().map(|weight| keep * weight).collect()
        };
        all.push(Mistake::weights(hint, Box::new(first_alone)));
    }
    for (tile, both) in TILES.into_iter().flat_map(|tile| [(tile, true), (tile, false)]) {
        let of = if both { "output and sum" } else { "the output" };
        let hint =
            format!("agrees if an online softmax over tiles of {tile} keys does not rescale {of}");
        let step = move |row: &Softmax<'_>| not_rescaled(row, tile, both);
        all.push(Mistake::weights(hint, Box::new(step)));
    }
    if case.problem.spec().mask.is_some() {
        all.push(Mistake {
            hint: "agrees if the mask is applied after the softmax".into(),
            score: Some(Box::new(|key: &Key| key.in_reach.then_some(key.capped + key.alibi))),
            weights: Some(masked_afterwards(case)),
        });
    }
    all
}

/// Leaves out the keys `j` of `n` valid ones that `which` names.
fn leave_out(
    case: &AttnCase,
    which: impl Fn(usize, usize) -> bool + Sync + 'static,
) -> Box<ScoreStep<'static>> {
    let keys: Vec<usize> = (0..case.problem.shape().batch).map(|b| case.problem.keys(b)).collect();
    Box::new(move |key: &Key| {
        let [b, _, _, j] = key.at;
        key.right().filter(|_| !which(j, keys[b]))
    })
}

/// Leaves out the keys `j` that `which` names among those that a row admits by position.
fn end_of_row(case: &AttnCase, which: fn(usize, &Range<usize>) -> bool) -> Box<ScoreStep<'static>> {
    let problem = case.problem.clone();
    Box::new(move |key: &Key| {
        let [b, _, i, j] = key.at;
        key.right().filter(|_| !which(j, &problem.admitted(b, i)))
    })
}

/// `exp(s_j - max)`.
fn unnormalised(row: &Softmax<'_>) -> Vec<f64> {
    let max = row.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.scores.iter().map(|s| (s - max).exp()).collect()
}

/// Weights relative to the maximum so far at the end of each tile, over a sum that is rescaled or is not.
fn not_rescaled(row: &Softmax<'_>, tile: usize, both: bool) -> Vec<f64> {
    let mut max = f64::NEG_INFINITY;
    let mut weights = vec![0.0; row.keys.len()];
    let (mut l, mut from) = (0.0, 0);
    while from < row.keys.len() {
        let this = row.keys[from] / tile;
        let to = (from..row.keys.len()).find(|&at| row.keys[at] / tile != this);
        let to = to.unwrap_or(row.keys.len());
        let next = row.scores[from..to].iter().copied().fold(max, f64::max);
        if !both {
            l *= (max - next).exp();
        }
        max = next;
        for (weight, score) in weights[from..to].iter_mut().zip(&row.scores[from..to]) {
            *weight = (score - max).exp();
            l += *weight;
        }
        from = to;
    }
    weights.into_iter().map(|weight| weight / l).collect()
}

/// The weights of all keys, those that the mask excludes taken away afterwards, an additive mask added to them.
fn masked_afterwards(case: &AttnCase) -> Box<WeightStep<'static>> {
    let mask = case.inputs.mask().cloned();
    Box::new(move |row: &Softmax<'_>| {
        let [b, h, i] = row.at;
        let weights = row.keys.iter().zip(row.weights);
        let masked = weights.map(|(&j, &weight)| match mask.as_ref()?.bias([b, h, i, j]) {
            None => Some(0.0),
            Some(bias) => Some(weight + bias),
        });
        masked.map(|weight| weight.unwrap_or(0.0)).collect()
    })
}
