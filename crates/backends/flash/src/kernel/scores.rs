//! `S^T = K Q^T`: scores of some keys against the queries of a tile.
//!
//! Queries lie in lanes: `Q^T` is `[D, W]`, one row per component, so that a vector holds the same
//! component of neighbouring queries. K is read as it is stored, one number at a time (or one pair of bf16, where
//! [products](crate::products) take pairs), each multiplied with all queries: it needs no packing, and every sum stays in its
//! own lane.
//!
//! ```text
//! registers: NK keys x NV vectors of sums + NV vectors of Q^T + 1 number of K
//! per step:  NV loads and NK broadcasts for NK NV multiply-adds
//! ```

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per element would cost more than the product"
)]

use super::Lanes;
use crate::num::Num;
use crate::products::Products;
use crate::simd::Kernel;

/// `depth` numbers, or pairs, of each row: writes the scores of the first keys in `k` (`[keys, depth]`) to `s` (`[keys, W]`), and raises `top` (`[W]`) to
/// their maximum, in the lanes `lanes`.
pub(crate) fn scores<T: Num, I: Products<T>>(
    isa: I,
    qt: &[I::Packed],
    k: &[I::Packed],
    s: &mut [T],
    top: &mut [T],
    lanes: Lanes,
) {
    let Lanes { width, first, vectors } = lanes;
    let depth = qt.len() / width;
    let keys = s.len() / width;
    assert!(qt.len() == depth * width && k.len() >= keys * depth && s.len() == keys * width);
    assert!(top.len() == width && first + vectors * I::LANES <= width);
    let mut done = 0;
    while done < keys {
        let (step, count) = lanes.steps(I::ACCUMULATORS, keys - done);
        let block = Block {
            isa,
            qt: qt[first..].as_ptr(),
            k: k[done * depth..].as_ptr(),
            s: s[done * width + first..].as_mut_ptr(),
            top: top[first..].as_mut_ptr(),
            depth,
            width,
            count,
        };
        super::shapes!(block, isa, (vectors, step));
        done += step * count;
    }
}

/// Operands of a register tile; see [`scores`] for what the pointers point into.
#[derive(Clone, Copy)]
struct Block<T, P, I> {
    isa: I,
    qt: *const P,
    k: *const P,
    s: *mut T,
    top: *mut T,
    depth: usize,
    width: usize,
    /// Tiles, one after another.
    count: usize,
}

/// `NV` vectors of queries against `NK` keys.
struct Tile<T, P, I, const NV: usize, const NK: usize>(Block<T, P, I>);

impl<T: Num, I: Products<T>> Block<T, I::Packed, I> {
    #[inline(always)]
    fn tile<const NV: usize, const NK: usize>(self) -> impl Kernel {
        Tile::<T, I::Packed, I, NV, NK>(self)
    }
}

impl<T: Num, I: Products<T>, const NV: usize, const NK: usize> Kernel
    for Tile<T, I::Packed, I, NV, NK>
{
    #[inline(always)]
    fn run(self) {
        let Block { isa, qt, mut k, mut s, top, depth, width, count } = self.0;
        for _ in 0..count {
            let mut acc = [[isa.splat(T::ZERO); NV]; NK];
            for d in 0..depth {
                // SAFETY: `scores` asserted that there are `depth` rows of `width` lanes, and that k has `depth` elements for each
                // of the `count NK` keys from here on.
                unsafe { step::<T, I, NV, NK>(isa, qt, k, [d, depth, width], &mut acc) };
            }
            for v in 0..NV {
                // SAFETY: `top` and every row of `s` have `width` elements, of which these lanes are a
                // part; `s` has a row for each key. Both are borrowed mutably by `scores`.
                unsafe {
                    let mut m = isa.load(top.add(v * I::LANES));
                    for j in 0..NK {
                        m = isa.max(acc[j][v], m);
                        isa.store(s.add(j * width + v * I::LANES), acc[j][v]);
                    }
                    isa.store(top.add(v * I::LANES), m);
                }
            }
            // After the last tile one past the end is as far as they get, but for `s`, which began at
            // lane `first`: hence `wrapping_add`.
            k = k.wrapping_add(NK * depth);
            s = s.wrapping_add(NK * width);
        }
    }
}

/// Adds the products of element `d` of `NV` vectors of queries and of `NK` keys to their sums.
///
/// # Safety
/// `qt` has `depth` rows of `width` lanes, of which `NV` vectors can be read, and `k` has `NK` rows of `depth` elements.
#[inline(always)]
pub(super) unsafe fn step<T: Num, I: Products<T>, const NV: usize, const NK: usize>(
    isa: I,
    qt: *const I::Packed,
    k: *const I::Packed,
    [d, depth, width]: [usize; 3],
    acc: &mut [[I::V; NV]; NK],
) {
    // SAFETY: row d of Q^T, as the caller vouches.
    let mut q = [unsafe { isa.load_packed(qt.add(d * width)) }; NV];
    for v in 1..NV {
        // SAFETY: as above.
        q[v] = unsafe { isa.load_packed(qt.add(d * width + v * I::LANES)) };
    }
    for j in 0..NK {
        // SAFETY: element d of row j of k, as the caller vouches.
        let k = isa.splat_packed(unsafe { *k.add(j * depth + d) });
        for v in 0..NV {
            acc[j][v] = isa.dot(k, q[v], acc[j][v]);
        }
    }
}
