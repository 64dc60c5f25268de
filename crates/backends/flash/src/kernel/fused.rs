//! Scores that become weights while the products of the next keys are computed.
//!
//! The maximum of a row has to be known for that, which it is but for the first keys: weights are taken relative to a maximum
//! of before, and corrected afterwards should it have been exceeded by much ([`softmax::renew`](super::softmax::renew)). What is saved
//! is the way to the second-level cache and back, and time: between two steps of the products, which keep the multipliers busy, the
//! exponentials of one vector of the keys before need these for a third of their instructions only.
//!
//! With 24 sums, as in [`scores`](super::scores), there would be too few registers for both; 16 are enough to keep two multipliers busy
//! whose results take up to eight cycles. In f32, where an exponential is longer and takes as long beside products as after them, nothing
//! is gained: there scores become weights when a block of them is complete.

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per element would cost more than the product"
)]

use std::ops::Range;

use super::Lanes;
use super::scores::step;
use super::softmax::base;
use crate::num::Num;
use crate::products::Products;
use crate::simd::{Kernel, MOST_LANES};

/// Vectors that are summed up while others become weights.
const SUMS: usize = 16;

/// What weights are relative to, and what is found on the way; `[W]` each.
pub(crate) struct Rows<'a, T> {
    /// What scores are taken relative to.
    pub(crate) m: &'a [T],
    /// Weights are `2^((s - m) factor)`.
    pub(crate) factor: T,
    /// Raised to the maxima of the scores.
    pub(crate) top: &'a mut [T],
    /// To which the weights are added.
    pub(crate) sums: &'a mut [T],
}

/// Writes the weights of the keys `keys`, from the first of a pack on, of `k` (`[keys, depth]`) to their places in `p` (`[keys, W]`, a
/// row for each pack), in the lanes `lanes`.
pub(crate) fn weights<T: Num, I: Products<T>>(
    isa: I,
    qt: &[I::Packed],
    (k, keys): (&[I::Packed], Range<usize>),
    p: &mut [I::Packed],
    rows: Rows<'_, T>,
    lanes: Lanes,
) {
    let Lanes { width, first, vectors } = lanes;
    let depth = qt.len() / width;
    assert!(qt.len() == depth * width && keys.end * depth <= k.len());
    assert!(keys.start.is_multiple_of(I::PACK) && keys.end.div_ceil(I::PACK) * width <= p.len());
    let Rows { m, factor, top, sums } = rows;
    assert!(m.len() == width && top.len() == width && sums.len() == width);
    assert!(first + vectors * I::LANES <= width);
    let mut done = keys.start;
    while done < keys.end {
        let (step, count) = lanes.steps(SUMS, keys.end - done);
        let block = Block {
            isa,
            qt: qt[first..].as_ptr(),
            k: k[done * depth..].as_ptr(),
            p: p[done / I::PACK * width + first..].as_mut_ptr(),
            m: m[first..].as_ptr(),
            factor,
            top: top[first..].as_mut_ptr(),
            sums: sums[first..].as_mut_ptr(),
            depth,
            width,
            count,
        };
        super::shapes!(block, isa, (vectors, step));
        done += step * count;
    }
}

/// Operands of a register tile; see [`weights`] for what the pointers point into.
#[derive(Clone, Copy)]
struct Block<T, P, I> {
    isa: I,
    qt: *const P,
    k: *const P,
    p: *mut P,
    m: *const T,
    factor: T,
    top: *mut T,
    sums: *mut T,
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
        let Block { isa, qt, k, p, depth, width, count, .. } = self.0;
        assert!(NV * NK <= SUMS && I::LANES <= MOST_LANES, "more sums than there is room for");
        // The scores of the keys before, `[NK, NV]` vectors.
        let mut before = [T::ZERO; SUMS * MOST_LANES];
        let vectors = NV * NK.div_ceil(I::PACK);
        for tile in 0..count {
            let mut acc = [[isa.splat(T::ZERO); NV]; NK];
            let mut d = 0;
            for vector in 0..vectors {
                while d < depth * (vector + 1) / vectors {
                    // SAFETY: `weights` asserted that there are `depth` rows of `width` lanes, and that k has `depth` elements for
                    // each of the `count NK` keys.
                    unsafe {
                        let k = k.add(tile * NK * depth);
                        step::<T, I, NV, NK>(isa, qt, k, [d, depth, width], &mut acc);
                    }
                    d += 1;
                }
                if tile > 0 {
                    // SAFETY: `weights` asserted that p has a row for each pack of keys.
                    unsafe {
                        self.weigh(&before, p.add((tile - 1) * NK / I::PACK * width), vector);
                    }
                }
            }
            // SAFETY: as in `weigh`, of which this does the other half.
            unsafe { self.keep(&acc, &mut before) };
        }
        for vector in 0..vectors {
            // SAFETY: as above.
            unsafe { self.weigh(&before, p.add((count - 1) * NK / I::PACK * width), vector) };
        }
    }
}

impl<T: Num, I: Products<T>, const NV: usize, const NK: usize> Tile<T, I::Packed, I, NV, NK> {
    /// Keeps scores until they become weights, and their maxima.
    ///
    /// # Safety
    /// `NV` vectors of `top` can be read and written, and `NV NK` are no more than `SUMS`.
    #[inline(always)]
    unsafe fn keep(&self, acc: &[[I::V; NV]; NK], scores: &mut [T; SUMS * MOST_LANES]) {
        let Block { isa, top, .. } = self.0;
        for v in 0..NV {
            // SAFETY: as the caller vouches; there is room for all sums.
            unsafe {
                let top = top.add(v * I::LANES);
                let mut most = isa.load(top);
                for j in 0..NK {
                    most = isa.max(acc[j][v], most);
                    isa.store(scores.as_mut_ptr().add((j * NV + v) * I::LANES), acc[j][v]);
                }
                isa.store(top, most);
            }
        }
    }

    /// Makes weights of the scores of a pack of keys: number `vector` of those in `scores`, for some rows of `p`.
    ///
    /// # Safety
    /// `NV` vectors of `m` and `sums` can be read, and of `sums` and of a row of `p` for each pack of keys written.
    #[inline(always)]
    unsafe fn weigh(&self, scores: &[T; SUMS * MOST_LANES], p: *mut I::Packed, vector: usize) {
        let Block { isa, m, factor, sums, width, .. } = self.0;
        let (pack, v) = (vector / NV, vector % NV);
        let lane = v * I::LANES;
        // SAFETY: as the caller vouches.
        unsafe {
            let scores = scores.as_ptr().add((pack * I::PACK * NV + v) * I::LANES);
            let first = isa.load(scores);
            let second = if I::PACK == 2 && NK > 1 {
                isa.load(scores.add(NV * I::LANES))
            } else {
                isa.splat(T::NEG_INFINITY)
            };
            let base = base(isa, isa.load(m.add(lane)));
            let weights = isa.weights([first, second], base, isa.splat(factor));
            let sums = sums.add(lane);
            isa.store(sums, isa.add_weights(weights, isa.load(sums)));
            isa.store_packed(p.add(pack * width + lane), weights);
        }
    }
}
