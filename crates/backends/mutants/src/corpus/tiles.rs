//! Loops over keys, rows and columns that end too early or too late.

use std::ops::Range;

use attn_core::Problem;

use super::Bug;
use crate::steps::{HONEST, Steps, TILE_K, TILE_Q};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/last-key-dropped",
        "the loop over keys ends one too early",
        Steps {
            keys: |p, b, i| {
                let keys = p.admitted(b, i);
                until(&keys, p.keys(b).saturating_sub(1))
            },
            ..HONEST
        },
    ),
    (
        "mutant/first-key-dropped",
        "the loop over keys starts at 1",
        Steps {
            keys: |p, b, i| {
                let keys = p.admitted(b, i);
                keys.start.max(1).min(keys.end)..keys.end
            },
            ..HONEST
        },
    ),
    (
        "mutant/tile-dropped",
        "the second tile of keys is skipped",
        Steps { visits: |keys, tile| tile != 1 && (HONEST.visits)(keys, tile), ..HONEST },
    ),
    (
        "mutant/last-partial-tile-dropped",
        "keys after the last whole tile are skipped",
        Steps {
            keys: |p, b, i| {
                let whole = p.shape().len_k / TILE_K * TILE_K;
                let keys = p.admitted(b, i);
                if whole == 0 { keys } else { until(&keys, whole) }
            },
            ..HONEST
        },
    ),
    (
        "mutant/single-key-tail-dropped",
        "wrong only if the last tile holds a single key",
        Steps {
            keys: |p, b, i| {
                let (keys, len_k) = (p.admitted(b, i), p.shape().len_k);
                if len_k > 1 && len_k % TILE_K == 1 { until(&keys, len_k - 1) } else { keys }
            },
            ..HONEST
        },
    ),
    (
        "mutant/tail-not-masked",
        "the rest of the last tile takes part as keys and values of zeros",
        Steps { keys: with_tail, ..HONEST },
    ),
    (
        "mutant/last-query-tile-skipped",
        "rows after the last whole tile of queries are not computed",
        Steps {
            rows: |len_q| if len_q < TILE_Q { len_q } else { len_q / TILE_Q * TILE_Q },
            ..HONEST
        },
    ),
    (
        "mutant/value-tail-dropped",
        "columns of v after the last multiple of 8 are not computed",
        Steps { width: |dim_v| if dim_v < 8 { dim_v } else { dim_v / 8 * 8 }, ..HONEST },
    ),
];

/// `keys` up to `end`.
fn until(keys: &Range<usize>, end: usize) -> Range<usize> {
    keys.start.min(end)..keys.end.min(end)
}

/// The rest of the last tile is masked by position only, like every other key.
fn with_tail(problem: &Problem, b: usize, i: usize) -> Range<usize> {
    let (keys, len_k) = (problem.admitted(b, i), problem.shape().len_k);
    let window = problem.spec().window.and_then(|window| window.right);
    let right = if problem.causal().is_some() { Some(0) } else { window };
    let reach = |right: u64| i64::try_from(right).unwrap_or(i64::MAX);
    let last = right.map_or(i64::MAX, |right| problem.diagonal(b, i).saturating_add(reach(right)));
    let end = last.saturating_add(1).clamp(0, len_k.next_multiple_of(TILE_K) as i64) as usize;
    if problem.keys(b) < len_k || end <= len_k || keys.is_empty() {
        return keys;
    }
    keys.start..end
}
