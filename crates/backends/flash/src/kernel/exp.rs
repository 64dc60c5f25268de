//! The exponential, vector by vector.
//!
//! ```text
//! 2^t = 2^n 2^f,   n = t rounded to an integer,   f = t - n in [-1/2, 1/2]
//! 2^f = 1 + f (c_1 + f (c_2 + ...))               of degree 6 in f32, 11 in f64
//! ```
//!
//! n comes from adding a large number, which leaves it in the low bits of the sum; shifted into the
//! exponent's place those are 2^n. Below the normal range the result is exactly 0, so that a score of
//! -inf needs no case of its own. The error is below 1 unit in the last place for `t <= 0` where
//! multiply-adds are fused, tested over all f32.

use crate::num::Num;
use crate::simd::Simd;

/// `2^t` for `t <= 127` (1023 in f64); 0 below the normal range.
#[inline(always)]
pub(crate) fn exp2<T: Num, I: Simd<T>>(isa: I, t: I::V) -> I::V {
    let [p, f, power] = parts(isa, t);
    isa.mul(isa.fma(p, f, isa.splat(T::ONE)), power)
}

/// `tanh x`, with an error below 5 units in the last place for small and large x alike.
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
    let [p, f, power] = parts(isa, isa.min(t, isa.splat(T::from_f64(60.0))));
    let e = isa.fma(isa.mul(p, f), power, isa.sub(power, isa.splat(T::ONE)));
    let tanh = isa.div(e, isa.add(e, isa.splat(T::ONE + T::ONE)));
    isa.select_less(x, zero, isa.sub(zero, tanh), tanh)
}

/// p, f and `2^n`, where `2^f = 1 + p f`.
#[inline(always)]
fn parts<T: Num, I: Simd<T>>(isa: I, t: I::V) -> [I::V; 3] {
    let t = isa.max(t, isa.splat(T::LOWEST));
    let rounded = isa.add(t, isa.splat(T::ROUND));
    let f = isa.sub(t, isa.sub(rounded, isa.splat(T::ROUND)));
    let mut p = isa.splat(T::EXP2[0]);
    for &c in &T::EXP2[1..] {
        p = isa.fma(p, f, isa.splat(c));
    }
    [p, f, isa.power(rounded)]
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "loads and stores through pointers")]

    use super::*;
    use crate::simd::{Isa, Kernel, each_isa};

    struct Map<'a, I, const TANH: bool> {
        isa: I,
        x: &'a mut [f32],
    }

    impl<I: Simd<f32>, const TANH: bool> Kernel for Map<'_, I, TANH> {
        #[inline(always)]
        fn run(self) {
            for x in self.x.chunks_exact_mut(I::LANES) {
                // SAFETY: a chunk has `LANES` elements.
                unsafe {
                    let v = self.isa.load(x.as_ptr());
                    let v = if TANH { tanh(self.isa, v) } else { exp2(self.isa, v) };
                    self.isa.store(x.as_mut_ptr(), v);
                }
            }
        }
    }

    /// Largest error in units in the last place over the numbers with the given bits, and where.
    fn worst<const TANH: bool>(
        isa: impl Simd<f32>,
        bits: impl Iterator<Item = u32>,
        want: impl Fn(f64) -> f64,
    ) -> (f64, f32) {
        let (mut worst, mut bits) = ((0.0, 0.0), bits.peekable());
        let mut block = [0.0f32; 1024];
        while bits.peek().is_some() {
            for x in &mut block {
                *x = f32::from_bits(bits.next().unwrap_or(0));
            }
            let given = block;
            isa.call(Map::<_, TANH> { isa, x: &mut block });
            for (x, got) in given.into_iter().zip(block) {
                let want = want(f64::from(x));
                let exponent = (want.abs().max(f64::from(f32::MIN_POSITIVE))).log2().floor();
                let error = (f64::from(got) - want).abs() / (exponent - 23.0).exp2();
                assert!(error.is_finite(), "{x}: {got}");
                worst = if error > worst.0 { (error, x) } else { worst };
            }
        }
        worst
    }

    /// Bits of the numbers from -126 up to -0, which take part in a softmax.
    fn negative(step: usize) -> impl Iterator<Item = u32> {
        ((-0.0f32).to_bits()..=(-126.0f32).to_bits()).step_by(step)
    }

    fn exp2_is_good_to_an_ulp(step: usize) {
        each_isa!(isa => {
            let (error, at) = worst::<false>(isa, negative(step), f64::exp2);
            let fused = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
            assert!(error < if fused { 1.0 } else { 2.0 }, "{error} ulp at {at}");
        });
    }

    #[test]
    fn exp2_is_good_to_an_ulp_over_one_in_a_thousand_numbers() {
        exp2_is_good_to_an_ulp(997);
    }

    #[test]
    #[ignore = "all of the numbers, half a minute: cargo test -p attn-flash --release -- --ignored"]
    fn exp2_is_good_to_an_ulp_over_all_numbers() {
        exp2_is_good_to_an_ulp(1);
    }

    #[test]
    fn tanh_is_good_to_five_ulp_on_both_sides() {
        each_isa!(isa => {
            for sign in [0, 1 << 31] {
                let bits = (1e-6f32.to_bits()..50f32.to_bits()).step_by(997).map(|x| x | sign);
                let (error, at) = worst::<true>(isa, bits, f64::tanh);
                assert!(error < 5.0, "{error} ulp at {at}");
            }
        });
    }

    #[test]
    fn weights_below_the_normal_range_are_zero_and_one_is_exact() {
        each_isa!(isa => {
            let mut x = [f32::NEG_INFINITY; 16];
            (x[0], x[1], x[2]) = (-0.0, -127.0, -1e30);
            isa.call(Map::<_, false> { isa, x: &mut x });
            assert_eq!(x[0], 1.0);
            assert!(x[1..].iter().all(|&x| x == 0.0), "{x:?}");
        });
    }
}
