//! exp and tanh without a branch or a table: a loop over them becomes vector instructions.
//!
//! ```text
//! exp(x)  = 2^n p(f),     x log2(e) = n + f,  |f| <= 1/2,  p the Taylor polynomial of 2^f
//! tanh(x) = sign(x) (1 - 2 / (exp(2 |x|) + 1))
//! ```
//!
//! | | terms of p | relative error of exp(x) | absolute error of tanh |
//! |---|---|---|---|
//! | f32 | up to `f^7` | (3 + 1.5 abs(x)) u | 2.5 u |
//! | f64 | up to `f^13` | (3 + 1.5 abs(x)) u | 2.5 u |
//!
//! Tested, on a grid, not proved. Small arguments of tanh keep an absolute, not a relative error: it is to
//! be summed with others. Both are what the error budget assumes of anybody: 4 u of a tanh, and
//! `4 + 3 |x|` of an exp.

use attn_host::Real;

/// What the kernel computes in.
pub(crate) trait Lane: Real {
    /// `a b + c`, fused where one instruction does it.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `e^x` for x up to 0; exactly 0 where that is below the normal numbers.
    fn exp_negative(self) -> Self;
    /// Hyperbolic tangent.
    fn fast_tanh(self) -> Self;
}

/// Whether `mul_add` is an instruction and not a call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

macro_rules! lane {
    ($float:ident, $bits:ty, $digits:expr, $degree:expr, $lowest:expr, $flat:expr) => {
        impl Lane for $float {
            #[inline]
            fn fma(self, b: Self, c: Self) -> Self {
                if FUSED { self.mul_add(b, c) } else { self * b + c }
            }

            #[inline]
            fn exp_negative(self) -> Self {
                let clamped = if self < $lowest { $lowest } else { self };
                let p = <$float>::powers(clamped * std::$float::consts::LOG2_E);
                if self < $lowest { 0.0 } else { p }
            }

            #[inline]
            fn fast_tanh(self) -> Self {
                let x = self.abs();
                // Beyond, the result is 1.
                let x = if x > $flat { $flat } else { x };
                let t =
                    1.0 - 2.0 / (<$float>::powers(x * (2.0 * std::$float::consts::LOG2_E)) + 1.0);
                t.copysign(self)
            }
        }

        impl Powers for $float {
            /// Adding `1.5 2^digits` rounds y to a whole number and leaves it in the lowest bits, from
            /// where it goes into the exponent.
            #[inline]
            fn powers(y: Self) -> Self {
                const ROUND: $float = 1.5 * (1u64 << $digits) as $float;
                const TAYLOR: [$float; $degree + 1] = {
                    let mut terms = [1.0; $degree + 1];
                    let mut k = 1;
                    while k <= $degree {
                        terms[k] = terms[k - 1] * std::f64::consts::LN_2 / k as f64;
                        k += 1;
                    }
                    let mut rounded = [0.0; $degree + 1];
                    let mut k = 0;
                    while k <= $degree {
                        rounded[k] = terms[k] as $float;
                        k += 1;
                    }
                    rounded
                };
                let shifted = y + ROUND;
                let f = y - (shifted - ROUND);
                let mut p = TAYLOR[$degree];
                for k in (0..$degree).rev() {
                    p = p.fma(f, TAYLOR[k]);
                }
                <$float>::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << $digits))
            }
        }
    };
}

trait Powers {
    /// `2^y` for y within the exponents of normal numbers.
    fn powers(y: Self) -> Self;
}

lane!(f32, u32, 23, 7, -87.0, 10.0);
lane!(f64, u64, 52, 13, -708.0, 20.0);

#[cfg(test)]
mod tests {
    use super::*;

    /// Points between `-to` and `to`, denser near 0, every sign and a few that are special.
    fn grid(to: f64) -> impl Iterator<Item = f64> {
        let steps = 400_000;
        let even = (-steps..=steps).map(move |at| to * f64::from(at) / f64::from(steps));
        even.flat_map(|x| [x, x * 1e-3]).chain([0.0, -0.0, 1e-30, 1e30, -1e30, 9.01, 20.0, 88.0])
    }

    #[test]
    fn tanh_is_as_good_as_the_table_says() {
        let mut worst = [0.0f64; 2];
        for x in grid(12.0) {
            let single = x as f32;
            let error = f64::from(single.fast_tanh()) - f64::from(single).tanh();
            worst[0] = worst[0].max(error.abs() / (f64::from(f32::EPSILON) / 2.0));
            let error = x.fast_tanh() - x.tanh();
            worst[1] = worst[1].max(error.abs() / (f64::EPSILON / 2.0));
        }
        assert!(worst[0] > 0.5 && worst[0] <= 2.5, "f32: {} u", worst[0]);
        // Against std's f64 tanh, which itself may be 1 u off.
        assert!(worst[1] > 0.5 && worst[1] <= 3.5, "f64: {} u", worst[1]);
    }

    #[test]
    fn exp_is_as_good_as_the_table_says() {
        for x in grid(80.0).map(|x| -x.abs()).filter(|x| *x >= -87.0) {
            let single = x as f32;
            let relative = f64::from(single.exp_negative()) / f64::from(single).exp() - 1.0;
            let allowed = (3.0 + 1.5 * x.abs()) * f64::from(f32::EPSILON) / 2.0;
            assert!(relative.abs() <= allowed, "f32 at {x}: {relative:e}");
            let relative = x.exp_negative() / x.exp() - 1.0;
            let allowed = (4.0 + 1.5 * x.abs()) * f64::EPSILON / 2.0;
            assert!(relative.abs() <= allowed, "f64 at {x}: {relative:e}");
        }
    }

    #[test]
    fn far_arguments_are_exact_and_signs_kept() {
        assert_eq!([f32::NEG_INFINITY, -100.0].map(Lane::exp_negative), [0.0; 2]);
        assert_eq!([f64::NEG_INFINITY, -1000.0].map(Lane::exp_negative), [0.0; 2]);
        assert_eq!([1e30f32, -1e30, f32::INFINITY].map(Lane::fast_tanh), [1.0, -1.0, 1.0]);
        assert_eq!([1e300f64, -1e300].map(Lane::fast_tanh), [1.0, -1.0]);
        assert_eq!(0f32.fast_tanh(), 0.0);
        assert!(f32::NAN.fast_tanh().is_nan());
    }
}
