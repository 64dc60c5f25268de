//! The two arithmetics, f32 and f64, and what the exponential of each needs.

use attn_host::Real;

/// A number that kernels compute with.
pub(crate) trait Num: Real {
    /// `log2(e)`.
    const LOG2_E: Self;
    /// `1.5 2^m + bias` for m bits of mantissa: adding it to a number rounds that to an integer, and
    /// leaves in the low bits of the sum the exponent field of two to that integer.
    const ROUND: Self;
    /// Below two to this there is no normal number; its exponent field is 0, and so is what it encodes.
    const LOWEST: Self;
    /// The smallest finite number.
    const LEAST: Self;
    /// `2^f = 1 + f (c_1 + f (c_2 + ...))` for `|f| <= 1/2`; the coefficients from the last to the first.
    const EXP2: &'static [Self];
    /// `a b + c`, rounded once where the hardware can.
    fn fused(a: Self, b: Self, c: Self) -> Self;
    /// Two to the integer that was rounded by [`Self::ROUND`].
    fn power(rounded: Self) -> Self;

    /// What weights relative to the maximum `old` are to be multiplied by to be relative to `new`.
    #[inline(always)]
    fn rescale(old: Self, new: Self) -> Self {
        if old == Self::NEG_INFINITY { Self::ZERO } else { (old - new).exp() }
    }
}

impl Num for f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const ROUND: f32 = 12_582_912.0 + 127.0;
    const LOWEST: f32 = -127.0;
    const LEAST: f32 = f32::MIN;
    // Minimax in relative error, 2.6e-9 without rounding (Remez, the constant term held at 1).
    const EXP2: &'static [f32] = &[
        1.559_467_8e-4,
        1.340_664_4e-3,
        9.617_693e-3,
        5.550_310_6e-2,
        2.402_265_3e-1,
        6.931_472_2e-1,
    ];

    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }

    #[inline(always)]
    fn power(rounded: f32) -> f32 {
        f32::from_bits(rounded.to_bits() << 23)
    }
}

impl Num for f64 {
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0;
    const LOWEST: f64 = -1023.0;
    const LEAST: f64 = f64::MIN;
    // Minimax in relative error, 1.8e-17 without rounding.
    const EXP2: &'static [f64] = &[
        4.078_071_929_588_336_6e-10,
        7.072_570_412_814_424e-9,
        1.018_064_765_923_413_9e-7,
        1.321_544_267_532_982_2e-6,
        1.525_272_738_519_386_8e-5,
        1.540_353_044_157_213e-4,
        1.333_355_815_343_996_5e-3,
        9.618_129_107_607_002e-3,
        5.550_410_866_479_039e-2,
        2.402_265_069_591_01e-1,
        6.931_471_805_599_457e-1,
    ];

    #[inline(always)]
    fn fused(a: f64, b: f64, c: f64) -> f64 {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }

    #[inline(always)]
    fn power(rounded: f64) -> f64 {
        f64::from_bits(rounded.to_bits() << 52)
    }
}
