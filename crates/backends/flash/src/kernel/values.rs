//! `O^T += V^T P^T`: the weighted values of some keys, for the queries of a tile.
//!
//! As in [`scores`](super::scores), queries lie in lanes, and V is read as it is stored. Sums begin at 0
//! and join O at the end, so that the sum over keys is blocked: rounding grows with the block and the
//! number of blocks, not with the number of keys.

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per element would cost more than the product"
)]

use super::Lanes;
use crate::num::Num;
use crate::products::Products;
use crate::simd::Kernel;

/// Adds to `ot` (`[Dv, W]`), or writes to it if nothing is there yet, the rows of `v` (`[keys, Dv]`) weighted by `p` (`[keys, W]`), in `lanes`; a key is a pair of
/// keys where products take pairs.
pub(crate) fn values<T: Num, I: Products<T>>(
    isa: I,
    p: &[I::Packed],
    v: &[I::Packed],
    (ot, empty): (&mut [T], bool),
    lanes: Lanes,
) {
    let Lanes { width, first, vectors } = lanes;
    let columns = ot.len() / width;
    let keys = p.len() / width;
    assert!(ot.len() == columns * width && v.len() == keys * columns && p.len() == keys * width);
    assert!(first + vectors * I::LANES <= width);
    if keys == 0 {
        return;
    }
    let mut done = 0;
    while done < columns {
        let (step, count) = lanes.steps(I::ACCUMULATORS, columns - done);
        let block = Block {
            isa,
            p: p[first..].as_ptr(),
            v: v[done..].as_ptr(),
            ot: ot[done * width + first..].as_mut_ptr(),
            empty,
            keys,
            columns,
            width,
            count,
        };
        super::shapes!(block, isa, (vectors, step));
        done += step * count;
    }
}

/// Operands of a register tile; see [`values`] for what the pointers point into.
#[derive(Clone, Copy)]
struct Block<T, P, I> {
    isa: I,
    p: *const P,
    v: *const P,
    ot: *mut T,
    empty: bool,
    keys: usize,
    columns: usize,
    width: usize,
    /// Tiles, one after another.
    count: usize,
}

/// `NV` vectors of queries and `NC` columns of V.
struct Tile<T, P, I, const NV: usize, const NC: usize>(Block<T, P, I>);

impl<T: Num, I: Products<T>> Block<T, I::Packed, I> {
    #[inline(always)]
    fn tile<const NV: usize, const NC: usize>(self) -> impl Kernel {
        Tile::<T, I::Packed, I, NV, NC>(self)
    }
}

impl<T: Num, I: Products<T>, const NV: usize, const NC: usize> Kernel
    for Tile<T, I::Packed, I, NV, NC>
{
    #[inline(always)]
    fn run(self) {
        let Block { isa, p, mut v, mut ot, empty, keys, columns, width, count } = self.0;
        for _ in 0..count {
            let mut acc = [[isa.splat(T::ZERO); NV]; NC];
            for j in 0..keys {
                // SAFETY: row j of p; lanes `first + i LANES` up to `LANES` more lie below `width`.
                let mut weights = [unsafe { isa.load_packed(p.add(j * width)) }; NV];
                for i in 1..NV {
                    // SAFETY: as above.
                    weights[i] = unsafe { isa.load_packed(p.add(j * width + i * I::LANES)) };
                }
                for c in 0..NC {
                    // SAFETY: row j of v, which has `columns` elements; `values` takes no more tiles
                    // than there are columns.
                    let v = isa.splat_packed(unsafe { *v.add(j * columns + c) });
                    for i in 0..NV {
                        acc[c][i] = isa.dot(v, weights[i], acc[c][i]);
                    }
                }
            }
            for (c, acc) in acc.iter().enumerate() {
                for (i, &acc) in acc.iter().enumerate() {
                    // SAFETY: `ot` has a row of `width` elements for each column, and is borrowed
                    // mutably by `values`.
                    unsafe {
                        let o = ot.add(c * width + i * I::LANES);
                        isa.store(o, if empty { acc } else { isa.add(isa.load(o), acc) });
                    }
                }
            }
            // After the last tile nothing is read there: hence `wrapping_add`.
            v = v.wrapping_add(NC);
            ot = ot.wrapping_add(NC * width);
        }
    }
}
