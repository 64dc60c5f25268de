//! Results that are stale, unwritten, misplaced or written twice.

use super::Bug;
use crate::steps::{HONEST, Steps, TILE_Q};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/right-on-the-first-call-only",
        "the result is kept from the first call",
        Steps { computes: |call| call == 0, ..HONEST },
    ),
    (
        "mutant/operands-of-the-first-load",
        "operands are cached: later loads are ignored",
        Steps { loads: |load| load == 0, ..HONEST },
    ),
    (
        "mutant/output-not-cleared",
        "every call adds to the result of the last",
        Steps { merge: |last, new| last + new, ..HONEST },
    ),
    (
        "mutant/last-row-unwritten",
        "the last row of every head is not written",
        Steps {
            stored: |shape, stored| {
                let [_, _, len, width] = shape.out();
                for head in stored.o.chunks_exact_mut(len * width) {
                    head[(len - 1) * width..].fill(None);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/lse-unwritten",
        "the log-sum-exp of the last head is not written",
        Steps {
            stored: |shape, stored| {
                let rows = stored.lse.len();
                stored.lse[rows - shape.len_q..].fill(None);
            },
            ..HONEST
        },
    ),
    (
        "mutant/one-past-the-end",
        "one element behind the result is written",
        Steps { stored: |_, stored| stored.past_the_end = Some(0.0), ..HONEST },
    ),
    (
        "mutant/rows-added-twice",
        "the first row of every query tile but the first is added by two tiles: a race",
        Steps {
            stored: |shape, stored| {
                let [_, _, len, width] = shape.out();
                for (row, o) in stored.o.chunks_exact_mut(width).enumerate() {
                    let i = row % len;
                    if i > 0 && i % TILE_Q == 0 {
                        o.iter_mut().flatten().for_each(|o| *o *= 2.0);
                    }
                }
            },
            ..HONEST
        },
    ),
];
