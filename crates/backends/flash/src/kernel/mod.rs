//! The inner loops, each written once for all instruction sets.
//!
//! | module | computes |
//! |---|---|
//! | [`scores`] | `S^T = K Q^T` and the maximum of each query |
//! | [`fused`] | scores that become weights at once |
//! | `matrix` | scores, weights and values by instructions for whole matrices |
//! | [`softmax`] | what modifies scores; weights, their sums and the rescaling |
//! | [`values`] | `O^T += V^T P^T` |
//! | [`rows`] | the same for a few queries that read their keys once |
//! | [`transpose`] | rows to lanes and back |
//! | [`convert`] | half types to f32 and back |
//! | [`exp`] | the exponential and the hyperbolic tangent |

pub(crate) mod convert;
pub(crate) mod exp;
pub(crate) mod fused;
#[cfg(target_arch = "x86_64")]
pub(crate) mod matrix;
pub(crate) mod rows;
pub(crate) mod scores;
pub(crate) mod softmax;
pub(crate) mod transpose;
pub(crate) mod values;

/// Which lanes of a tile are computed: `vectors` whole vectors from lane `first` on, of `width` lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    pub(crate) width: usize,
    pub(crate) first: usize,
    pub(crate) vectors: usize,
}

impl Lanes {
    /// Rows of the register tile that fills `accumulators` vectors.
    #[inline(always)]
    const fn full_step(self, accumulators: usize) -> usize {
        let rows = accumulators / self.vectors;
        match rows {
            12.. => 12,
            8.. => 8,
            6.. => 6,
            4.. => 4,
            2.. => 2,
            _ => 1,
        }
    }

    /// Rows of the next register tiles, with `rest` rows to go, and how many tiles.
    #[inline(always)]
    const fn steps(self, accumulators: usize, rest: usize) -> (usize, usize) {
        let full = self.full_step(accumulators);
        match rest {
            rest if rest >= full => (full, rest / full),
            8.. => (8, 1),
            4.. => (4, 1),
            2.. => (2, 1),
            _ => (1, 1),
        }
    }
}

/// Calls the register tile of `$block` for `(vectors, rows)`: those that [`Lanes::steps`] can name.
macro_rules! shapes {
    ($block:expr, $isa:expr, $shape:expr) => {
        crate::kernel::shapes!(@match $block, $isa, $shape,
            (1, 1), (1, 2), (1, 4), (1, 8), (1, 12), (2, 1), (2, 2), (2, 4), (2, 6), (2, 8), (2, 12),
            (3, 1), (3, 2), (3, 4), (3, 8), (4, 1), (4, 2), (4, 4), (4, 6))
    };
    (@match $block:expr, $isa:expr, $shape:expr, $(($nv:literal, $rows:literal)),+) => {
        match $shape {
            $(($nv, $rows) => $isa.call($block.tile::<$nv, $rows>()),)+
            (vectors, rows) => unreachable!("no register tile of {vectors} x {rows}"),
        }
    };
}
use shapes;
