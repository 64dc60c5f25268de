//! The online softmax (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm 1), of a block of keys.
//!
//! ```text
//! m' = max(m, max_j s_j)          a = exp(m - m')
//! p_j = exp(s_j - m')             l' = a l + sum_j p_j          O' = a O + sum_j p_j v_j
//! ```
//!
//! All of it lane by lane, a query in each lane: there is no sum and no maximum across lanes. m may lag behind the maximum
//! ([`renew`]); a query with one key gets its value bit by bit.

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per vector would cost as much as the vector"
)]

use std::ops::Range;

use super::Lanes;
use super::exp::{exp2, tanh};
use crate::num::Num;
use crate::products::Products;
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
    /// `s *= scale`, where products lack it.
    pub(crate) scale: Option<T>,
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
        self.scale.is_none()
            && self.softcap.is_none()
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
    if let Some(scale) = how.scale {
        x = isa.mul(x, isa.splat(scale));
    }
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

/// By how much the reference of a row was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exceeded {
    /// Not by so much that anything has to be done.
    No,
    /// So that everything so far is to be multiplied by `Stats::scale`.
    Yes,
    /// So that weights may have overflowed.
    Overflow,
}

/// Weights up to two to this are left as they are: rows whose maximum still grows are rescaled once in a while, not at every step.
const SLACK: f32 = 8.0;
/// Weights up to two to this are numbers that can be scaled back without loss.
const MOST: f32 = 100.0;

/// Takes the maximum of some keys into account. A weight is `2^((s - m) factor)`; m, the reference, is the first maximum of a row, and
/// later raised by whole powers of two, so that rescaling is exact, where it is exceeded by more than [`SLACK`]:
///
/// ```text
/// k = round((max_j s_j - m) factor) if that is above SLACK, else 0
/// m' = m + k / factor        l' = 2^-k l        O' = 2^-k O
/// ```
///
/// This is the online softmax with a maximum that lags behind, as in Shah et al., "FlashAttention-4" (2026), section 3. A row that admits
/// one key has its score as reference, whose weight is exactly 1.
///
/// What has happened to the most affected row is returned; on [`Exceeded::Overflow`] nothing is changed if the weights `exist` already.
pub(crate) fn renew<T: Num, I: Simd<T>>(
    isa: I,
    stats: &mut Stats<'_, T>,
    (factor, exist): (T, bool),
    lanes: Lanes,
) -> Exceeded {
    let Stats { m, l, top, scale } = stats;
    for slice in [&**m, l, top, scale] {
        assert!(slice.len() == lanes.width);
    }
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    let mut most = Exceeded::No;
    let stats = [m, l, top, scale].map(|x| x.as_mut_ptr());
    isa.call(ExceededKernel { isa, stats, factor, lanes, most: &mut most });
    if most != Exceeded::Overflow || !exist {
        isa.call(RenewKernel { isa, stats, factor, lanes });
    }
    most
}

struct ExceededKernel<'a, T, I> {
    isa: I,
    stats: [*mut T; 4],
    factor: T,
    lanes: Lanes,
    most: &'a mut Exceeded,
}

impl<T: Num, I: Simd<T>> Kernel for ExceededKernel<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let ExceededKernel { isa, stats: [m, _, top, _], factor, lanes, most } = self;
        let [factor, slack, many] =
            [factor, T::from_f32(SLACK), T::from_f32(MOST)].map(|x| isa.splat(x));
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `renew` asserted that these lanes lie within slices that it borrows mutably.
            let excess =
                unsafe { excess(isa, isa.load(m.add(lane)), isa.load(top.add(lane)), factor) };
            if isa.any_less(many, excess) {
                *most = Exceeded::Overflow;
            } else if isa.any_less(slack, excess) && *most == Exceeded::No {
                *most = Exceeded::Yes;
            }
        }
    }
}

/// `(top - m) factor`; 0 where there is no m yet.
#[inline(always)]
fn excess<T: Num, I: Simd<T>>(isa: I, m: I::V, top: I::V, factor: I::V) -> I::V {
    let excess = isa.mul(isa.sub(top, base(isa, m)), factor);
    isa.select_less(m, isa.splat(T::LEAST), isa.splat(T::ZERO), excess)
}

struct RenewKernel<T, I> {
    isa: I,
    stats: [*mut T; 4],
    factor: T,
    lanes: Lanes,
}

impl<T: Num, I: Simd<T>> Kernel for RenewKernel<T, I> {
    #[inline(always)]
    fn run(self) {
        let RenewKernel { isa, stats: [m, l, top, scale], factor, lanes } = self;
        let [step, factor] = [T::ONE / factor, factor].map(|x| isa.splat(x));
        let [zero, least, nothing] = [T::ZERO, T::LEAST, T::NEG_INFINITY].map(|x| isa.splat(x));
        let [slack, round, most] =
            [T::from_f32(SLACK), T::ROUND, T::from_f32(1e6)].map(|x| isa.splat(x));
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `renew` asserted that these lanes lie within slices that it borrows mutably.
            unsafe {
                let old = isa.load(m.add(lane));
                let new = isa.load(top.add(lane));
                let excess = excess(isa, old, new, factor);
                // From a million on nothing is left to be exact.
                let whole = isa.sub(isa.add(excess, round), round);
                let whole = isa.select_less(excess, most, whole, excess);
                let k = isa.select_less(slack, excess, whole, zero);
                let a = exp2(isa, isa.sub(zero, k));
                let raised = isa.fma(k, step, old);
                isa.store(m.add(lane), isa.select_less(old, least, new, raised));
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

/// Multiplies weights (`[keys, W]`, packed) by `scale`, powers of two, lane by lane.
pub(crate) fn rescale_weights<T: Num, I: Products<T>>(
    isa: I,
    p: &mut [I::Packed],
    scale: &[T],
    lanes: Lanes,
) {
    assert!(scale.len() == lanes.width && p.len().is_multiple_of(lanes.width));
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    isa.call(RescaleWeights { isa, p, scale, lanes });
}

struct RescaleWeights<'a, T, P, I> {
    isa: I,
    p: &'a mut [P],
    scale: &'a [T],
    lanes: Lanes,
}

impl<T: Num, I: Products<T>> Kernel for RescaleWeights<'_, T, I::Packed, I> {
    #[inline(always)]
    fn run(self) {
        let RescaleWeights { isa, p, scale, lanes } = self;
        for v in 0..lanes.vectors {
            let lane = lanes.first + v * I::LANES;
            // SAFETY: `rescale_weights` asserted that these lanes lie within the width, and that every row of p and the scale have
            // that width.
            unsafe {
                let a = isa.load(scale.as_ptr().add(lane));
                for row in 0..p.len() / lanes.width {
                    let p = p.as_mut_ptr().add(row * lanes.width + lane);
                    isa.store_packed(p, isa.scale_weights(isa.load_packed(p), a));
                }
            }
        }
    }
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

/// Turns the scores of `keys`, from the first of a pack on, in `s` (`[keys, W]`) into weights `2^((s - m) factor)`, packed, and adds
/// these to l, and without rounding them to `exact` if that is wanted. They take the places of scores, one row for each pack, from
/// the first row on for the first key of `s`.
pub(crate) fn weigh<T: Num, I: Products<T>>(
    isa: I,
    (s, keys): (&mut [T], Range<usize>),
    (m, factor): (&[T], T),
    (l, exact): (&mut [T], Option<&mut [T]>),
    lanes: Lanes,
) {
    assert!(m.len() == lanes.width && l.len() == lanes.width);
    assert!(exact.as_ref().is_none_or(|exact| exact.len() == lanes.width));
    assert!(keys.start.is_multiple_of(I::PACK) && keys.end * lanes.width <= s.len());
    assert!(lanes.first + lanes.vectors * I::LANES <= lanes.width);
    let exact = exact.map(<[T]>::as_mut_ptr);
    let weights = Weights { isa, s: s.as_mut_ptr(), keys, m, factor, l, exact, lanes };
    match lanes.vectors {
        1 => isa.call(WeighKernel::<T, I, 1>(weights)),
        2 => isa.call(WeighKernel::<T, I, 2>(weights)),
        3 => isa.call(WeighKernel::<T, I, 3>(weights)),
        4 => isa.call(WeighKernel::<T, I, 4>(weights)),
        vectors => unreachable!("no tile has {vectors} vectors"),
    }
}

struct Weights<'a, T, I> {
    isa: I,
    s: *mut T,
    keys: Range<usize>,
    m: &'a [T],
    factor: T,
    l: &'a mut [T],
    exact: Option<*mut T>,
    lanes: Lanes,
}

struct WeighKernel<'a, T, I, const NV: usize>(Weights<'a, T, I>);

impl<T: Num, I: Products<T>, const NV: usize> Kernel for WeighKernel<'_, T, I, NV> {
    #[inline(always)]
    fn run(self) {
        let Weights { isa, s, keys, m, factor, l, exact, lanes } = self.0;
        let (factor, nothing) = (isa.splat(factor), isa.splat(T::NEG_INFINITY));
        let mut sums = [isa.splat(T::ZERO); NV];
        let mut exact_sums = sums;
        let mut bases = [isa.splat(T::ZERO); NV];
        // SAFETY: `weigh` asserted that these lanes lie within the width, that m, l and what is exact have that
        // width, and that s, which it borrows mutably, has a row of it for each key. A row of weights is written where scores have been
        // read.
        unsafe {
            for (v, to) in bases.iter_mut().enumerate() {
                *to = base(isa, isa.load(m.as_ptr().add(lanes.first + v * I::LANES)));
            }
            for row in keys.start / I::PACK..keys.end.div_ceil(I::PACK) {
                let j = row * I::PACK;
                for v in 0..NV {
                    let lane = lanes.first + v * I::LANES;
                    let s = s.add(lane);
                    let first = isa.load(s.add(j * lanes.width));
                    let second = if I::PACK == 2 && j + 1 < keys.end {
                        isa.load(s.add((j + 1) * lanes.width))
                    } else {
                        nothing
                    };
                    let p = isa.weights([first, second], bases[v], factor);
                    sums[v] = isa.add_weights(p, sums[v]);
                    if exact.is_some() {
                        let [first, second] = [
                            exp2(isa, isa.mul(isa.sub(first, bases[v]), factor)),
                            exp2(isa, isa.mul(isa.sub(second, bases[v]), factor)),
                        ];
                        exact_sums[v] = isa.add(exact_sums[v], isa.add(first, second));
                    }
                    isa.store_packed(s.add(row * lanes.width).cast(), p);
                }
            }
            for v in 0..NV {
                let lane = lanes.first + v * I::LANES;
                let l = l.as_mut_ptr().add(lane);
                isa.store(l, isa.add(isa.load(l), sums[v]));
                if let Some(exact) = exact {
                    let exact = exact.add(lane);
                    isa.store(exact, isa.add(isa.load(exact), exact_sums[v]));
                }
            }
        }
    }
}
