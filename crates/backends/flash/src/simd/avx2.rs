//! AVX2 and FMA: 16 registers of 8 f32 or 4 f64.

#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m256, __m256d, __m256i, _CMP_LT_OQ, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_pd,
    _mm256_add_ps, _mm256_blendv_pd, _mm256_blendv_ps, _mm256_castpd_ps, _mm256_castpd_si256,
    _mm256_castps_pd, _mm256_castps_si256, _mm256_castsi256_pd, _mm256_castsi256_ps, _mm256_cmp_pd,
    _mm256_cmp_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_cvtps_ph, _mm256_div_pd,
    _mm256_div_ps, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_maskload_pd, _mm256_maskload_ps, _mm256_max_pd, _mm256_max_ps,
    _mm256_min_pd, _mm256_min_ps, _mm256_movemask_pd, _mm256_movemask_ps, _mm256_mul_pd,
    _mm256_mul_ps, _mm256_permute2f128_pd, _mm256_permute2f128_ps, _mm256_set1_pd, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_slli_epi64, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_sub_pd,
    _mm256_sub_ps, _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
};

use super::{Isa, Kernel, MOST_LANES, Simd, half_to_f64};

/// The proof that this processor has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Avx2(()))
    }
}

impl Isa for Avx2 {
    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma,f16c")]
        #[inline(never)]
        fn compiled<K: Kernel>(kernel: K) {
            kernel.run();
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { compiled(kernel) }
    }

    #[inline(always)]
    fn widen_f16(self, from: &[u16; 8], to: &mut [f32; 8]) {
        // SAFETY: `self` proves that the processor has F16C and AVX; the arrays are as long as the
        // vectors.
        unsafe {
            let halves = _mm_loadu_si128(from.as_ptr().cast());
            _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(halves));
        }
    }

    #[inline(always)]
    fn narrow_f16(self, from: &[f32; 8], to: &mut [u16; 8]) {
        // SAFETY: as in `widen_f16`; 0 is to nearest, ties to even.
        unsafe {
            let halves = _mm256_cvtps_ph::<0>(_mm256_loadu_ps(from.as_ptr()));
            _mm_storeu_si128(to.as_mut_ptr().cast(), halves);
        }
    }
}

/// From element `LANES - n` on, a mask that lets `n` lanes through.
static MASKS_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASKS_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

macro_rules! vectors {
    ($float:ty, $v:ty, $lanes:literal, $masks:ident, $maskload:ident, $bits:literal, $set1:ident, $load:ident,
     $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident,
     $max:ident, $min:ident, $to_bits:ident, $shift:ident, $from_bits:ident, $cmp:ident,
     $blend:ident, $movemask:ident, $transpose:ident, $load_bf16:ident, $load_f16:ident) => {
        impl Simd<$float> for Avx2 {
            type V = $v;
            const LANES: usize = $lanes;
            const VECTORS: usize = 3;
            const ACCUMULATORS: usize = 12;

            #[inline(always)]
            fn splat(self, x: $float) -> $v {
                // SAFETY: `self` proves that the processor has the instruction.
                unsafe { $set1(x) }
            }

            #[inline(always)]
            unsafe fn load(self, from: *const $float) -> $v {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $float, x: $v) {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { $store(to, x) }
            }

            #[inline(always)]
            unsafe fn load_first(self, from: *const $float, n: usize) -> $v {
                let masks = &$masks[$lanes - n..2 * $lanes - n];
                // SAFETY: as above; `masks` has `LANES` elements, and the caller vouches for the
                // memory that they let through: masked lanes are not read.
                unsafe {
                    let mask: __m256i = _mm256_loadu_si256(masks.as_ptr().cast());
                    $maskload(from, mask)
                }
            }

            #[inline(always)]
            unsafe fn load_bf16(self, from: *const u16) -> $v {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { $load_bf16(from) }
            }

            #[inline(always)]
            unsafe fn load_f16(self, from: *const u16) -> $v {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { $load_f16(from) }
            }

            #[inline(always)]
            fn transpose(self, square: &mut [$v; MOST_LANES]) {
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe { $transpose(square) }
            }

            #[inline(always)]
            fn add(self, a: $v, b: $v) -> $v {
                // SAFETY: `self` proves that the processor has the instruction.
                unsafe { $add(a, b) }
            }

            #[inline(always)]
            fn sub(self, a: $v, b: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $sub(a, b) }
            }

            #[inline(always)]
            fn mul(self, a: $v, b: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $mul(a, b) }
            }

            #[inline(always)]
            fn div(self, a: $v, b: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $div(a, b) }
            }

            #[inline(always)]
            fn fma(self, a: $v, b: $v, c: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $fma(a, b, c) }
            }

            #[inline(always)]
            fn max(self, a: $v, b: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $max(a, b) }
            }

            #[inline(always)]
            fn min(self, a: $v, b: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $min(a, b) }
            }

            #[inline(always)]
            fn power(self, rounded: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $from_bits($shift::<$bits>($to_bits(rounded))) }
            }

            #[inline(always)]
            fn select_less(self, a: $v, b: $v, x: $v, y: $v) -> $v {
                // SAFETY: as in `add`.
                unsafe { $blend(y, x, $cmp::<_CMP_LT_OQ>(a, b)) }
            }

            #[inline(always)]
            fn any_less(self, a: $v, b: $v) -> bool {
                // SAFETY: as in `add`.
                unsafe { $movemask($cmp::<_CMP_LT_OQ>(a, b)) != 0 }
            }

            #[inline(always)]
            fn sum(self, x: $v) -> $float {
                let mut lanes = [0.0; $lanes];
                // SAFETY: as in `add`; the array has `LANES` elements.
                unsafe { $store(lanes.as_mut_ptr(), x) };
                let mut n = $lanes / 2;
                while n > 0 {
                    for i in 0..n {
                        lanes[i] += lanes[i + n];
                    }
                    n /= 2;
                }
                lanes[0]
            }
        }
    };
}

vectors!(
    f32,
    __m256,
    8,
    MASKS_32,
    _mm256_maskload_ps,
    23,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_castps_si256,
    _mm256_slli_epi32,
    _mm256_castsi256_ps,
    _mm256_cmp_ps,
    _mm256_blendv_ps,
    _mm256_movemask_ps,
    transpose_f32,
    bf16_to_f32,
    f16_to_f32
);
vectors!(
    f64,
    __m256d,
    4,
    MASKS_64,
    _mm256_maskload_pd,
    52,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_fmadd_pd,
    _mm256_max_pd,
    _mm256_min_pd,
    _mm256_castpd_si256,
    _mm256_slli_epi64,
    _mm256_castsi256_pd,
    _mm256_cmp_pd,
    _mm256_blendv_pd,
    _mm256_movemask_pd,
    transpose_f64,
    half_to_f64,
    half_to_f64
);

/// A bf16 is the upper half of an f32.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bf16_to_f32(from: *const u16) -> __m256 {
    // SAFETY: the caller vouches for eight readable elements.
    let bits = unsafe { _mm_loadu_si128(from.cast()) };
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn f16_to_f32(from: *const u16) -> __m256 {
    // SAFETY: the caller vouches for eight readable elements.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.cast()) })
}

/// Pairs of rows, then pairs of pairs, within 128 bits; then the halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_f32(square: &mut [__m256; MOST_LANES]) {
    let mut pairs = *square;
    for i in (0..8).step_by(2) {
        pairs[i] = _mm256_unpacklo_ps(square[i], square[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(square[i], square[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..8).step_by(4) {
        let low =
            |a, b| _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
        let high =
            |a, b| _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
        fours[i] = low(pairs[i], pairs[i + 2]);
        fours[i + 1] = high(pairs[i], pairs[i + 2]);
        fours[i + 2] = low(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = high(pairs[i + 1], pairs[i + 3]);
    }
    for k in 0..4 {
        square[k] = _mm256_permute2f128_ps::<0x20>(fours[k], fours[4 + k]);
        square[4 + k] = _mm256_permute2f128_ps::<0x31>(fours[k], fours[4 + k]);
    }
}

/// Pairs of rows within 128 bits; then the halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_f64(square: &mut [__m256d; MOST_LANES]) {
    let mut pairs = *square;
    for i in (0..4).step_by(2) {
        pairs[i] = _mm256_unpacklo_pd(square[i], square[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_pd(square[i], square[i + 1]);
    }
    for k in 0..2 {
        square[k] = _mm256_permute2f128_pd::<0x20>(pairs[k], pairs[2 + k]);
        square[2 + k] = _mm256_permute2f128_pd::<0x31>(pairs[k], pairs[2 + k]);
    }
}
