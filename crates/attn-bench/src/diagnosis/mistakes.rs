//! Steps that kernels get wrong.

use std::ops::Range;

use attn_core::MaskKind;
use attn_oracle::{Key, ScoreStep, Softmax, WeightStep};

use super::{Hypothesis, Make};
use crate::attn_case::{AttnCase, Claim};

/// Tiles that kernels cut keys into.
const TILES: [usize; 4] = [16, 32, 64, 128];

/// All that can show in this problem.
pub(super) fn all<'a>(case: &'a AttnCase, claim: &'a Claim) -> Vec<Make<'a>> {
    let mut all: Vec<Make<'a>> = Vec::new();
    let spec = case.problem.spec();
    let mut score =
        |hint: String, step: fn(&AttnCase, usize) -> Box<ScoreStep<'static>>, n: usize| {
            all.push(Box::new(move || Hypothesis {
                score: Some(step(case, n)),
                ..Hypothesis::new(case, claim, hint.clone())
            }));
        };
    score(
        "agrees if the last key is left out".into(),
        |case, _| leave_out(case, |j, n| j + 1 == n),
        0,
    );
    score(
        "agrees if the first key is left out".into(),
        |case, _| leave_out(case, |j, _| j == 0),
        0,
    );
    if spec.window.is_some() {
        let last = |case: &AttnCase, _| end_of_row(case, |j, keys| j + 1 == keys.end);
        score("agrees if the last admitted key of every row is left out".into(), last, 0);
        let first = |case: &AttnCase, _| end_of_row(case, |j, keys| j == keys.start);
        score("agrees if the first admitted key of every row is left out".into(), first, 0);
    }
    for tile in TILES.into_iter().filter(|&tile| tile < case.problem.shape().len_k) {
        let of_tile =
            |case: &AttnCase, tile: usize| leave_out(case, move |j, n| j >= (n - 1) / tile * tile);
        let hint = "agrees if the keys of the last tile are left out";
        score(format!("{hint} (tiles of {tile})"), of_tile, tile);
    }
    let half = |case: &AttnCase, _| leave_out(case, |j, n| j >= n / 2);
    score("agrees if the second half of the keys is left out".into(), half, 0);
    score(
        "agrees if excluded keys have score 0 before the softmax".into(),
        |_, _| Box::new(|key: &Key| Some(key.right().unwrap_or(0.0))),
        0,
    );
    if spec.mask.is_some() {
        score(
            "agrees if the mask counts only beside causal masking and padding".into(),
            |_, _| Box::new(|key: &Key| key.mask.map(|mask| key.capped + key.alibi + mask)),
            0,
        );
    }
    if spec.mask.is_some_and(|mask| mask.kind == MaskKind::Additive) {
        score(
            "agrees if the mask is subtracted".into(),
            |_, _| Box::new(|key: &Key| key.right().map(|s| s - 2.0 * key.mask.unwrap_or(0.0))),
            0,
        );
    }
    if spec.alibi {
        score(
            "agrees if ALiBi is added, not subtracted".into(),
            |_, _| Box::new(|key: &Key| key.right().map(|s| s - 2.0 * key.alibi)),
            0,
        );
    }
    if spec.softcap.is_some() {
        score(
            "agrees if the softcap follows mask and ALiBi".into(),
            |case, _| {
                let cap = case.problem.softcap().unwrap_or(1.0);
                Box::new(move |key: &Key| {
                    // The score before the cap: what was capped, undone. What is excluded, -inf, becomes -cap.
                    let raw = cap * (key.capped / cap).atanh();
                    let biased = match key.right() {
                        Some(_) => raw + key.alibi + key.mask.unwrap_or(0.0),
                        None => f64::NEG_INFINITY,
                    };
                    Some(cap * (biased / cap).tanh())
                })
            },
            0,
        );
    }
    let mut weights = |hint: String, step: Box<dyn Fn() -> Box<WeightStep<'static>> + 'a>| {
        all.push(Box::new(move || Hypothesis {
            weights: Some(step()),
            ..Hypothesis::new(case, claim, hint.clone())
        }));
    };
    weights(
        "agrees if all keys have the same weight: queries and keys are ignored".into(),
        Box::new(|| {
            Box::new(|row: &Softmax<'_>| vec![1.0 / row.keys.len() as f64; row.keys.len()])
        }),
    );
    weights(
        "agrees if the weights are not divided by their sum".into(),
        Box::new(|| Box::new(unnormalised)),
    );
    for batch in [true, false] {
        let (axis, hint) = if batch {
            (0, "agrees for the first batch; the others are 0")
        } else {
            (1, "agrees for the first head; the others are 0")
        };
        weights(
            hint.into(),
            Box::new(move || {
                Box::new(move |row: &Softmax<'_>| {
                    let keep = f64::from(u8::from(row.at[axis] == 0));
                    row.weights.iter().map(|weight| keep * weight).collect()
                })
            }),
        );
    }
    for tile in TILES {
        for both in [true, false] {
            let of = if both { "output and sum" } else { "the output" };
            let hint = format!(
                "agrees if an online softmax over tiles of {tile} keys does not rescale {of}"
            );
            weights(
                hint,
                Box::new(move || Box::new(move |row: &Softmax<'_>| not_rescaled(row, tile, both))),
            );
        }
    }
    if spec.mask.is_some() {
        all.push(Box::new(move || Hypothesis {
            score: Some(Box::new(|key: &Key| key.in_reach.then_some(key.capped + key.alibi))),
            weights: Some(masked_afterwards(case)),
            ..Hypothesis::new(case, claim, "agrees if the mask is applied after the softmax")
        }));
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
        for at in from..to {
            weights[at] = (row.scores[at] - max).exp();
            l += weights[at];
        }
        from = to;
    }
    weights.iter_mut().for_each(|weight| *weight /= l);
    weights
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
