//! How large the pieces are that are computed at a time: data, from the sizes of the caches.
//!
//! ```text
//! scores of a block       keys * W                  half of the second-level cache at most
//! k and v of a block      keys * (D + Dv)           with the tiles' q and o, the other half
//! ```
//!
//! The first-level cache is not asked: the scores of a block stream through it once per register tile, some
//! ten bytes a cycle, which the second level delivers. Larger blocks mean fewer rescalings but coarser sums;
//! from 128 keys on the gain is below one per cent.

use attn_core::Shape;

/// Sizes of the pieces that are computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Keys of a block.
    pub keys: usize,
    /// Tiles of queries that share a block of keys: more than one where a head's k and v outgrow the
    /// second-level cache, so that each key comes from further away only once for all of them.
    pub tiles_per_job: usize,
}

/// Keys of a block, the same for every problem: `BackendInfo` states it as the order of sums.
pub(crate) const KEYS: usize = 128;

/// Tiles that share a block, at most.
const MOST_TILES: usize = 4;

/// Second-level cache where the system does not say.
const DEFAULT_L2: u64 = 512 << 10;

impl Default for Tiles {
    /// For operands that fit the second-level cache.
    fn default() -> Self {
        Tiles { keys: KEYS, tiles_per_job: 1 }
    }
}

impl Tiles {
    /// For `shape`, in numbers of `size` bytes and tiles of `width` queries, on this machine.
    pub fn choose(shape: &Shape, size: usize, width: usize) -> Self {
        Self::for_cache(shape, size, width, second_level())
    }

    /// Whether k and v of a head, in numbers of `size` bytes, fit the second-level cache of this machine beside the rest.
    pub(crate) fn head_fits(shape: &Shape, size: usize) -> bool {
        fits(shape, size, second_level())
    }

    /// The same for a second-level cache of `l2` bytes.
    pub fn for_cache(shape: &Shape, size: usize, width: usize, l2: u64) -> Self {
        if fits(shape, size, l2) {
            return Tiles::default();
        }
        let columns = shape.dim + shape.dim_v;
        let bytes = |numbers: usize| (numbers * size) as u64;
        let left = (l2 / 2).saturating_sub(bytes(KEYS * (columns + width)));
        let tiles = usize::try_from(left / bytes(columns * width).max(1)).unwrap_or(MOST_TILES);
        Tiles { keys: KEYS, tiles_per_job: tiles.clamp(1, MOST_TILES) }
    }
}

/// Bytes of the second-level cache.
fn second_level() -> u64 {
    let caches = attn_sys::cache::levels();
    caches.iter().find(|cache| cache.level == 2).map_or(DEFAULT_L2, |cache| cache.bytes)
}

fn fits(shape: &Shape, size: usize, l2: u64) -> bool {
    (shape.len_k * (shape.dim + shape.dim_v) * size) as u64 <= l2 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(len: usize, dim: usize, l2: u64) -> usize {
        Tiles::for_cache(&Shape::square(1, len, dim), 4, 64, l2).tiles_per_job
    }

    #[test]
    fn what_fits_the_cache_needs_no_sharing_and_what_shares_has_to_fit() {
        assert_eq!(tiles(512, 64, 1 << 20), 1);
        assert_eq!(tiles(8192, 64, 1 << 20), 4);
        assert_eq!(tiles(8192, 128, 1 << 20), 4);
        assert_eq!(tiles(8192, 576, 1 << 20), 1);
        assert_eq!(tiles(8192, 64, 0), 1);
    }
}
