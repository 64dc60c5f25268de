//! How large tiles are.

/// Sizes of the pieces that are computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Keys of a block.
    pub keys: usize,
    /// Tiles of queries that share a block of keys.
    pub tiles_per_job: usize,
}

impl Default for Tiles {
    fn default() -> Self {
        Tiles { keys: KEYS, tiles_per_job: 1 }
    }
}

/// Keys of a block.
pub(crate) const KEYS: usize = 128;
