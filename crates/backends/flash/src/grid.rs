//! How a problem is cut into jobs.
//!
//! The query heads that share a key/value head are neighbours in memory, so their rows form one matrix
//! of `group * Nq` rows: a *unit*, one for each batch and key/value head. A job is some rows of a unit,
//! against all keys that they admit or, where there would be fewer jobs than threads, a part of them.

use std::ops::Range;

use attn_core::Shape;

/// A part of the work, done by one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Batch.
    pub(crate) b: usize,
    /// `b Hkv + kv head`.
    pub(crate) unit: usize,
    /// Rows of the unit.
    pub(crate) rows: Range<usize>,
    /// Which part of the keys.
    pub(crate) split: usize,
}

/// All jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    heads_kv: usize,
    units: usize,
    /// Rows of a unit.
    pub(crate) unit_rows: usize,
    /// Rows that may share a tile: those of a head, or of all heads of a unit.
    span: usize,
    /// Rows of a job, at most.
    pub(crate) tile: usize,
    /// Parts that the keys of a job are cut into.
    pub(crate) splits: usize,
}

/// Keys of a part, at least: merging has to be worth it.
const LEAST_KEYS: usize = 128;

impl Grid {
    /// Jobs of at most `tile` rows for `threads`. `mixed`: whether rows of different heads may share a
    /// tile though their keys differ.
    pub(crate) fn new(shape: &Shape, tile: usize, mixed: bool, threads: usize) -> Self {
        let unit_rows = shape.group() * shape.len_q;
        let span = if mixed || shape.len_q < tile { unit_rows } else { shape.len_q };
        let units = shape.batch * shape.heads_kv;
        let mut grid = Grid { heads_kv: shape.heads_kv, units, unit_rows, span, tile, splits: 1 };
        let jobs = grid.jobs();
        if threads > 1 && jobs < 4 * threads && !jobs.is_multiple_of(threads) {
            grid.splits = threads.min(shape.len_k / LEAST_KEYS).max(1);
        }
        grid
    }

    /// Tiles of rows of a unit.
    const fn unit_tiles(&self) -> usize {
        self.unit_rows / self.span * self.span.div_ceil(self.tile)
    }

    /// Number of jobs.
    pub(crate) const fn jobs(&self) -> usize {
        self.units * self.unit_tiles() * self.splits
    }

    /// Job `number`. Unit by unit, so that their keys stay in the caches; within a head the last rows
    /// come first, which under a causal mask have the most to do.
    pub(crate) fn job(&self, number: usize) -> Job {
        let (number, split) = (number / self.splits, number % self.splits);
        let (unit, tile) = (number / self.unit_tiles(), number % self.unit_tiles());
        let tiles = self.span.div_ceil(self.tile);
        let (span, tile) = (tile / tiles, tiles - 1 - tile % tiles);
        let start = span * self.span + tile * self.tile;
        let end = (start + self.tile).min((span + 1) * self.span);
        Job { b: unit / self.heads_kv, unit, rows: start..end, split }
    }

    /// Part `split` of `keys`; each but the last consists of whole packs of keys.
    pub(crate) fn part(&self, keys: &Range<usize>, split: usize, pack: usize) -> Range<usize> {
        let at = |split: usize| {
            (keys.len() * split / self.splits).next_multiple_of(pack).min(keys.len())
        };
        keys.start + at(split)..keys.start + at(split + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_and_key_belongs_to_exactly_one_job(
            batch in 1usize..3, heads_kv in 1usize..4, group in 1usize..5, len_q in 1usize..200,
            len_k in 1usize..700, tile in 1usize..80, mixed in any::<bool>(), threads in 1usize..9, pack in 1usize..3,
        ) {
            let heads_q = heads_kv * group;
            let shape = Shape { batch, heads_q, heads_kv, len_q, len_k, ..Shape::square(1, 1, 1) };
            let grid = Grid::new(&shape, tile, mixed, threads);
            let mut seen = vec![0; batch * heads_q * len_q * len_k];
            for number in 0..grid.jobs() {
                let job = grid.job(number);
                prop_assert_eq!(job.b, job.unit / heads_kv);
                prop_assert!(job.rows.len() <= tile && !job.rows.is_empty());
                let keys = grid.part(&(0..len_k), job.split, pack);
                for row in job.rows {
                    for key in keys.clone() {
                        seen[(job.unit * grid.unit_rows + row) * len_k + key] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }
}
