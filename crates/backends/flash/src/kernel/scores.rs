//! `S^T = K Q^T`: scores of some keys against the queries of a tile.
//!
//! Queries lie in lanes: `Q^T` is `[D, W]`, one row per component, so that a vector holds the same
//! component of neighbouring queries. K is read as it is stored, one number at a time, each multiplied
//! with all queries: it needs no packing, and every sum stays in its own lane.
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
use crate::simd::{Kernel, Simd};

/// Writes the scores of all keys in `k` (`[keys, D]`) to `s` (`[keys, W]`), and raises `top` (`[W]`) to
/// their maximum, in the lanes `lanes`.
pub(crate) fn scores<T: Num, I: Simd<T>>(
    isa: I,
    qt: &[T],
    k: &[T],
    s: &mut [T],
    top: &mut [T],
    lanes: Lanes,
) {
    let Lanes { width, first, vectors } = lanes;
    let depth = qt.len() / width;
    let keys = s.len() / width;
    assert!(qt.len() == depth * width && k.len() == keys * depth && s.len() == keys * width);
    assert!(top.len() == width && first + vectors * I::LANES <= width);
    let mut done = 0;
    while done < keys {
        let step = lanes.step::<T, I>(keys - done);
        let count = if step == lanes.full_step::<T, I>() { (keys - done) / step } else { 1 };
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
struct Block<T, I> {
    isa: I,
    qt: *const T,
    k: *const T,
    s: *mut T,
    top: *mut T,
    depth: usize,
    width: usize,
    /// Tiles, one after another.
    count: usize,
}

/// `NV` vectors of queries against `NK` keys.
struct Tile<T, I, const NV: usize, const NK: usize>(Block<T, I>);

impl<T: Num, I: Simd<T>> Block<T, I> {
    #[inline(always)]
    fn tile<const NV: usize, const NK: usize>(self) -> impl Kernel {
        Tile::<T, I, NV, NK>(self)
    }
}

impl<T: Num, I: Simd<T>, const NV: usize, const NK: usize> Kernel for Tile<T, I, NV, NK> {
    #[inline(always)]
    fn run(self) {
        let Block { isa, qt, mut k, mut s, top, depth, width, count } = self.0;
        for _ in 0..count {
            let mut acc = [[isa.splat(T::ZERO); NV]; NK];
            for d in 0..depth {
                let mut q = [isa.splat(T::ZERO); NV];
                for v in 0..NV {
                    // SAFETY: row d of Q^T; lanes `first + v LANES` up to `LANES` more lie below `width`.
                    q[v] = unsafe { isa.load(qt.add(d * width + v * I::LANES)) };
                }
                for j in 0..NK {
                    // SAFETY: `scores` asserted that k has `depth` elements for each of the
                    // `count NK` keys from here on.
                    let k = isa.splat(unsafe { *k.add(j * depth + d) });
                    for v in 0..NV {
                        acc[j][v] = isa.fma(k, q[v], acc[j][v]);
                    }
                }
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
