//! The online softmax (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm 1), of a block of keys.
//!
//! ```text
//! m' = max(m, max_j s_j)          a = exp(m - m')
//! p_j = exp(s_j - m')             l' = a l + sum_j p_j          O' = a O + sum_j p_j v_j
//! ```
//!
//! All of it lane by lane, a query in each lane: there is no sum and no maximum across lanes. The weight of
//! the largest score is exactly 1, so that a query with one key gets its value bit by bit.

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per vector would cost as much as the vector"
)]

use super::Lanes;
use super::exp::{exp2, tanh};
use crate::num::Num;
use crate::simd::{Kernel, Simd};

/// What a tile knows of the rows so far, and how the current block changes it; `[W]` each.
pub(crate) struct Stats<'a, T> {
    /// Maximum of the scores before this block, then with it.
    pub(crate) m: &'a mut [T],
    /// Sum of the weights, relative to `m`.
    pub(crate) l: &'a mut [T],
    /// Maximum of the scores of this block.
    pub(crate) top: &'a mut [T],
    /// What everything so far has to be multiplied by.
    pub(crate) scale: &'a mut [T],
}

/// What modifies scores, in this order; each part only where the problem has it.
#[derive(Clone, Copy)]
pub(crate) struct Modify<'a, T> {
    /// `s = c tanh(s / c)`.
    pub(crate) softcap: Option<T>,
    /// `s -= slope |diagonal - j|`: per lane the slope, and the diagonal counted from the first key.
    pub(crate) alibi: Option<[&'a [T]; 2]>,
    /// `s += bias`, `[keys, W]`; -inf does not admit.
    pub(crate) bias: Option<&'a [T]>,
    /// Keys `from <= j < to` are admitted, per lane, counted from the first key.
    pub(crate) range: Option<[&'a [T]; 2]>,
}

impl<T> Modify<'_, T> {
    /// Whether scores stay as they are.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.softcap.is_none()
            && self.alibi.is_none()
            && self.bias.is_none()
            && self.range.is_none()
    }
}

/// Modifies the scores `s` (`[keys, W]`) and raises `top` to their maximum.
pub(crate) fn modify<T: Num, I: Simd<T>>(
    isa: I,
    s: &mut [T],
    top: &mut [T],
    how: Modify<'_, T>,
    lanes: Lanes,
) {
    let width = lanes.width;
    assert!(top.len() == width && s.len().is_multiple_of(width));
    assert!(lanes.first + lanes.vectors * I::LANES <= width);
    assert!(how.bias.is_none_or(|bias| bias.len() >= s.len()));
    for lane in how.alibi.iter().chain(&how.range).flatten() {
        assert!(lane.len() == width);
    }
    isa.call(ModifyKernel { isa, s, top, how, lanes });
}

struct ModifyKernel<'a, T, I> {
    isa: I,
    s: &'a mut [T],
    top: &'a mut [T],
    how: Modify<'a, T>,
    lanes: Lanes,
}

impl<T: Num, I: Simd<T>> Kernel for ModifyKernel<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let ModifyKernel { isa, s, top, how, lanes } = self;
        let keys = s.len() / lanes.width;
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `modify` asserted that these lanes lie within the width, that all slices per lane
            // have that width, and that s and the bias have a row for each key.
            unsafe {
                let mut m = isa.load(top.as_ptr().add(lane));
                for j in 0..keys {
                    let at = j * lanes.width + lane;
                    let s = s.as_mut_ptr().add(at);
                    let x = modified(isa, isa.load(s), &how, [j, at, lane]);
                    m = isa.max(x, m);
                    isa.store(s, x);
                }
                isa.store(top.as_mut_ptr().add(lane), m);
            }
        }
    }
}

/// One vector of scores; `at` is its key, its place in a block, and its first lane.
///
/// # Safety
/// Slices per lane have `LANES` elements from the lane on, and the bias from the place on.
#[inline(always)]
unsafe fn modified<T: Num, I: Simd<T>>(
    isa: I,
    mut x: I::V,
    how: &Modify<'_, T>,
    [j, at, lane]: [usize; 3],
) -> I::V {
    let key = isa.splat(T::from_f32(j as f32));
    if let Some(c) = how.softcap {
        let c = isa.splat(c);
        x = isa.mul(c, tanh(isa, isa.div(x, c)));
    }
    if let Some([slopes, diagonals]) = how.alibi {
        // SAFETY: the caller vouches for `LANES` elements.
        let [slope, diagonal] = unsafe {
            [isa.load(slopes.as_ptr().add(lane)), isa.load(diagonals.as_ptr().add(lane))]
        };
        let distance = isa.max(isa.sub(diagonal, key), isa.sub(key, diagonal));
        x = isa.sub(x, isa.mul(slope, distance));
    }
    let nothing = isa.splat(T::NEG_INFINITY);
    if let Some(bias) = how.bias {
        // SAFETY: the caller vouches for `LANES` elements.
        let bias = unsafe { isa.load(bias.as_ptr().add(at)) };
        x = isa.select_less(nothing, bias, isa.add(x, bias), nothing);
    }
    if let Some([from, to]) = how.range {
        // SAFETY: the caller vouches for `LANES` elements.
        let [from, to] =
            unsafe { [isa.load(from.as_ptr().add(lane)), isa.load(to.as_ptr().add(lane))] };
        x = isa.select_less(key, from, nothing, isa.select_less(key, to, x, nothing));
    }
    x
}

/// Takes the block's maximum into account: m, l and what else `stats` holds. Returns whether O has to be
/// rescaled.
pub(crate) fn renew<T: Num, I: Simd<T>>(isa: I, stats: &mut Stats<'_, T>, lanes: Lanes) -> bool {
    let Stats { m, l, top, scale } = stats;
    for slice in [&**m, l, top, scale] {
        assert!(slice.len() == lanes.width);
    }
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    let mut rescale = false;
    let stats = [m, l, top, scale].map(|x| x.as_mut_ptr());
    isa.call(RenewKernel { isa, stats, lanes, rescale: &mut rescale });
    rescale
}

struct RenewKernel<'a, T, I> {
    isa: I,
    stats: [*mut T; 4],
    lanes: Lanes,
    rescale: &'a mut bool,
}

impl<T: Num, I: Simd<T>> Kernel for RenewKernel<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let RenewKernel { isa, stats: [m, l, top, scale], lanes, rescale } = self;
        let one = isa.splat(T::ONE);
        let nothing = isa.splat(T::NEG_INFINITY);
        let log2_e = isa.splat(T::LOG2_E);
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `renew` asserted that these lanes lie within slices that it borrows mutably.
            unsafe {
                let old = isa.load(m.add(lane));
                let new = isa.max(old, isa.load(top.add(lane)));
                let a = exp2(isa, isa.mul(isa.sub(old, base(isa, new)), log2_e));
                *rescale |= isa.any_less(a, one);
                isa.store(m.add(lane), new);
                isa.store(scale.add(lane), a);
                isa.store(l.add(lane), isa.mul(isa.load(l.add(lane)), a));
                isa.store(top.add(lane), nothing);
            }
        }
    }
}

/// What scores are taken relative to: their maximum, or a finite number where there is none yet, since
/// `-inf - -inf` is no number.
#[inline(always)]
pub(super) fn base<T: Num, I: Simd<T>>(isa: I, m: I::V) -> I::V {
    isa.max(m, isa.splat(T::LEAST))
}

/// Multiplies O (`[Dv, W]`) by `scale`, lane by lane.
pub(crate) fn rescale<T: Num, I: Simd<T>>(isa: I, ot: &mut [T], scale: &[T], lanes: Lanes) {
    assert!(scale.len() == lanes.width && ot.len().is_multiple_of(lanes.width));
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    isa.call(RescaleKernel { isa, ot, scale, lanes });
}

struct RescaleKernel<'a, T, I> {
    isa: I,
    ot: &'a mut [T],
    scale: &'a [T],
    lanes: Lanes,
}

impl<T: Num, I: Simd<T>> Kernel for RescaleKernel<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let RescaleKernel { isa, ot, scale, lanes } = self;
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `rescale` asserted that these lanes lie within the width, and that every row of O
            // and the scale have that width.
            unsafe {
                let a = isa.load(scale.as_ptr().add(lane));
                for c in 0..ot.len() / lanes.width {
                    let o = ot.as_mut_ptr().add(c * lanes.width + lane);
                    isa.store(o, isa.mul(isa.load(o), a));
                }
            }
        }
    }
}

/// Turns scores `s` (`[keys, W]`) into weights `exp(s - m)` and adds these to l.
pub(crate) fn weigh<T: Num, I: Simd<T>>(isa: I, s: &mut [T], m: &[T], l: &mut [T], lanes: Lanes) {
    assert!(m.len() == lanes.width && l.len() == lanes.width);
    assert!(s.len().is_multiple_of(lanes.width));
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    match lanes.vectors {
        1 => isa.call(WeighKernel::<T, I, 1> { isa, s, m, l, lanes }),
        2 => isa.call(WeighKernel::<T, I, 2> { isa, s, m, l, lanes }),
        3 => isa.call(WeighKernel::<T, I, 3> { isa, s, m, l, lanes }),
        4 => isa.call(WeighKernel::<T, I, 4> { isa, s, m, l, lanes }),
        vectors => unreachable!("no tile has {vectors} vectors"),
    }
}

struct WeighKernel<'a, T, I, const NV: usize> {
    isa: I,
    s: &'a mut [T],
    m: &'a [T],
    l: &'a mut [T],
    lanes: Lanes,
}

impl<T: Num, I: Simd<T>, const NV: usize> Kernel for WeighKernel<'_, T, I, NV> {
    #[inline(always)]
    fn run(self) {
        let WeighKernel { isa, s, m, l, lanes } = self;
        let log2_e = isa.splat(T::LOG2_E);
        let mut sums = [isa.splat(T::ZERO); NV];
        let mut bases = [isa.splat(T::ZERO); NV];
        // SAFETY: `weigh` asserted that these lanes lie within the width, that m and l have that
        // width, and that s has a row of it for each key.
        unsafe {
            for (v, to) in bases.iter_mut().enumerate() {
                *to = base(isa, isa.load(m.as_ptr().add(lanes.first + v * I::LANES)));
            }
            for j in 0..s.len() / lanes.width {
                let row = s.as_mut_ptr().add(j * lanes.width + lanes.first);
                for v in 0..NV {
                    let s = row.add(v * I::LANES);
                    let p = exp2(isa, isa.mul(isa.sub(isa.load(s), bases[v]), log2_e));
                    sums[v] = isa.add(sums[v], p);
                    isa.store(s, p);
                }
            }
            for (v, &sum) in sums.iter().enumerate() {
                let l = l.as_mut_ptr().add(lanes.first + v * I::LANES);
                isa.store(l, isa.add(isa.load(l), sum));
            }
        }
    }
}
