//! Which keys are admitted by position, and how the others are kept out.

use std::ops::Range;

use attn_core::{Alignment, Problem, ProblemSpec};

use super::{Bug, EVERY};
use crate::steps::{HONEST, Steps, TILE_K, TILE_Q};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/causal-ignored",
        "causal masking is not applied",
        Steps { asked: |spec| spec.align = spec.align.or(spec.causal.take()), ..HONEST },
    ),
    (
        "mutant/causal-admits-one-more",
        "causal masking admits j <= i + 1",
        Steps {
            keys: |p, b, i| Band { right: causal_side(p, 1), ..Band::of(p, b, i) }.keys(),
            ..HONEST
        },
    ),
    (
        "mutant/causal-admits-one-less",
        "causal masking admits j < i",
        Steps {
            keys: |p, b, i| Band { right: causal_side(p, -1), ..Band::of(p, b, i) }.keys(),
            ..HONEST
        },
    ),
    (
        "mutant/top-left-for-bottom-right",
        "the diagonal starts at the first key where it should end at the last",
        Steps { asked: |spec| realign(spec, Alignment::BottomRight, Alignment::TopLeft), ..HONEST },
    ),
    (
        "mutant/bottom-right-for-top-left",
        "the diagonal ends at the last key where it should start at the first",
        Steps { asked: |spec| realign(spec, Alignment::TopLeft, Alignment::BottomRight), ..HONEST },
    ),
    (
        "mutant/offset-ignored",
        "the keys that lie before the first query are not counted",
        Steps {
            asked: |spec| {
                for alignment in [&mut spec.causal, &mut spec.align] {
                    if let Some(Alignment::Offset(n)) = alignment {
                        *n = 0;
                    }
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/bottom-right-counts-padding",
        "the diagonal ends at the last row of k, not at the last valid one",
        Steps {
            keys: |p, b, i| {
                let spec = p.spec();
                let (len_q, len_k) = (spec.shape.len_q, spec.shape.len_k);
                let band = Band::of(p, b, i);
                match spec.causal.or(spec.align) {
                    Some(Alignment::BottomRight) => {
                        Band { diagonal: (i + len_k) as i64 - len_q as i64, ..band }.keys()
                    }
                    _ => band.keys(),
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/causal-loop-stops-early",
        "the loop over key tiles ends where the first row of the query tile ends",
        Steps {
            keys: |p, b, i| {
                let keys = p.admitted(b, i);
                let first = i - i % TILE_Q;
                let limit = p.admitted(b, first).end.max(1).next_multiple_of(TILE_K);
                keys.start.min(limit)..keys.end.min(limit)
            },
            ..HONEST
        },
    ),
    (
        "mutant/window-ignored",
        "all keys are admitted whatever the window",
        Steps { asked: |spec| spec.window = None, ..HONEST },
    ),
    (
        "mutant/window-left-one-more",
        "the window reaches one key too far to the left",
        Steps { asked: |spec| widen(spec, [1, 0]), ..HONEST },
    ),
    (
        "mutant/window-left-one-less",
        "the window is one key too short on the left",
        Steps {
            keys: |p, b, i| {
                let band = Band::of(p, b, i);
                Band { left: band.left.map(|left| left - 1), ..band }.keys()
            },
            ..HONEST
        },
    ),
    (
        "mutant/window-right-one-more",
        "the window reaches one key too far to the right",
        Steps { asked: |spec| widen(spec, [0, 1]), ..HONEST },
    ),
    (
        "mutant/window-right-ignored",
        "the window has no right side",
        Steps {
            asked: |spec| {
                if let Some(window) = &mut spec.window {
                    window.right = None;
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/window-from-row",
        "the window lies around key i, not around the diagonal",
        Steps {
            keys: |p, b, i| {
                let aligned = Band::of(p, b, i);
                let left = Band { diagonal: i as i64, right: None, ..aligned }.keys();
                let keys = aligned.keys();
                if aligned.left.is_none() { keys } else { left.start.min(keys.end)..keys.end }
            },
            ..HONEST
        },
    ),
    (
        "mutant/kv-len-ignored",
        "padding is attended to",
        Steps { asked: |spec| spec.kv_len = None, ..HONEST },
    ),
    (
        "mutant/kv-len-of-batch-0",
        "every batch has as many valid keys as the first",
        Steps {
            asked: |spec| {
                if let Some(lengths) = &mut spec.kv_len {
                    let first = lengths[0];
                    lengths.fill(first);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/kv-len-rounded-up",
        "padding is masked by whole tiles only",
        Steps {
            keys: |p, b, i| {
                let valid = p.keys(b).next_multiple_of(TILE_K).min(p.shape().len_k);
                Band { valid: valid as i64, ..Band::of(p, b, i) }.keys()
            },
            ..HONEST
        },
    ),
    (
        "mutant/padding-values-leak",
        "values of weight 0 are multiplied: 0 NaN = NaN",
        Steps { reads: |_| true, ..HONEST },
    ),
    (
        "mutant/padding-keys-leak",
        "-inf is added to masked scores, not put in their place: NaN stays",
        Steps { excluded: |row, _, raw| row.scale * raw + f64::NEG_INFINITY, ..HONEST },
    ),
    (
        "mutant/masked-by-minus-1e4",
        "a masked score is -10000, not -inf",
        Steps { excluded: |_, _, _| -1e4, visits: EVERY, ..HONEST },
    ),
    (
        "mutant/masked-by-most-negative",
        "a masked score is the smallest number: a row without keys becomes the mean of all values",
        Steps { excluded: |_, _, _| f64::from(f32::MIN), visits: EVERY, ..HONEST },
    ),
    (
        "mutant/masked-by-zero",
        "a masked score is 0: the mask is multiplied in before the softmax",
        Steps { excluded: |_, _, _| 0.0, visits: EVERY, ..HONEST },
    ),
    (
        "mutant/masked-after-softmax",
        "masked keys take part in the sum of the weights",
        Steps {
            excluded: |row, j, raw| row.finish(j, 0.0, row.scale * raw),
            weight: |p, admitted| if admitted { p } else { 0.0 },
            visits: EVERY,
            ..HONEST
        },
    ),
    (
        "mutant/empty-row-nan",
        "a row without keys is 0 / 0",
        Steps { divide: |_, o, sums| o / sums.l, ..HONEST },
    ),
];

/// The keys `diagonal - left ..= diagonal + right` of `valid` ones.
struct Band {
    diagonal: i64,
    left: Option<i64>,
    right: Option<i64>,
    valid: i64,
}

impl Band {
    /// What row `i` of batch `b` admits.
    fn of(problem: &Problem, b: usize, i: usize) -> Self {
        let reach = |keys: u64| i64::try_from(keys).unwrap_or(i64::MAX);
        let window = problem.spec().window;
        let right = window.and_then(|window| window.right).map(reach);
        Band {
            diagonal: problem.diagonal(b, i),
            left: window.and_then(|window| window.left).map(reach),
            right: if problem.causal().is_some() { Some(0) } else { right },
            valid: problem.keys(b) as i64,
        }
    }

    fn keys(&self) -> Range<usize> {
        let first = self.left.map_or(0, |left| self.diagonal.saturating_sub(left));
        let last = self.right.map_or(i64::MAX, |right| self.diagonal.saturating_add(right));
        let end = last.saturating_add(1).clamp(0, self.valid);
        first.clamp(0, end) as usize..end as usize
    }
}

/// The right side of the band, moved by `by` keys if it is causal.
fn causal_side(problem: &Problem, by: i64) -> Option<i64> {
    if problem.causal().is_some() { Some(by) } else { Band::of(problem, 0, 0).right }
}

/// The window with more keys on either side.
fn widen(spec: &mut ProblemSpec, [left, right]: [u64; 2]) {
    if let Some(window) = &mut spec.window {
        window.left = window.left.map(|n| n.saturating_add(left));
        window.right = window.right.map(|n| n.saturating_add(right));
    }
}

fn realign(spec: &mut ProblemSpec, from: Alignment, to: Alignment) {
    for alignment in [&mut spec.causal, &mut spec.align] {
        if *alignment == Some(from) {
            *alignment = Some(to);
        }
    }
}
