//! The exponential, vector by vector.
//!
//! ```text
//! 2^t = 2^n 2^f,   n = t rounded to an integer,   f = t - n in [-1/2, 1/2]
//! 2^f = 1 + f (c_1 + f (c_2 + ...))               of degree 6 in f32, 11 in f64
//! ```
//!
//! n comes from adding a large number, which leaves it in the low bits of the sum; shifted into the
//! exponent's place those are 2^n. Below the normal range the result is exactly 0, so that a score of
//! -inf needs no case of its own. The error is below 1 unit in the last place for `t <= 0`, tested over
//! all f32.

use crate::num::Num;
use crate::simd::Simd;

/// `2^t` for `t <= 127` (1023 in f64); 0 below the normal range.
#[inline(always)]
pub(crate) fn exp2<T: Num, I: Simd<T>>(isa: I, t: I::V) -> I::V {
    let (fraction, power) = parts(isa, t);
    isa.mul(isa.add(fraction, isa.splat(T::ONE)), power)
}

/// `tanh x`, with an error of a few units in the last place for small and large x alike.
///
/// ```text
/// e = exp(2 |x|) - 1 = 2^n (2^f - 1) + (2^n - 1)      the first term is good near 0, the second exact
/// tanh |x| = e / (e + 2)
/// ```
#[inline(always)]
pub(crate) fn tanh<T: Num, I: Simd<T>>(isa: I, x: I::V) -> I::V {
    let zero = isa.splat(T::ZERO);
    let magnitude = isa.max(x, isa.sub(zero, x));
    let t = isa.mul(magnitude, isa.splat(T::LOG2_E + T::LOG2_E));
    // 2 / (2^60 + 1) is nothing beside 1.
    let (fraction, power) = parts(isa, isa.min(t, isa.splat(T::from_f64(60.0))));
    let one = isa.splat(T::ONE);
    let e = isa.fma(fraction, power, isa.sub(power, one));
    let tanh = isa.div(e, isa.add(e, isa.splat(T::ONE + T::ONE)));
    isa.select_less(x, zero, isa.sub(zero, tanh), tanh)
}

/// `2^f - 1` and `2^n`.
#[inline(always)]
fn parts<T: Num, I: Simd<T>>(isa: I, t: I::V) -> (I::V, I::V) {
    let t = isa.max(t, isa.splat(T::LOWEST));
    let rounded = isa.add(t, isa.splat(T::ROUND));
    let f = isa.sub(t, isa.sub(rounded, isa.splat(T::ROUND)));
    let mut p = isa.splat(T::EXP2[0]);
    for &c in &T::EXP2[1..] {
        p = isa.fma(p, f, isa.splat(c));
    }
    (isa.mul(p, f), isa.power(rounded))
}
