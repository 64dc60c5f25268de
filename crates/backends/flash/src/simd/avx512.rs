//! AVX-512F: 32 registers of 16 f32 or 8 f64.

#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m512, __m512d, _CMP_LT_OQ, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtph_ps,
    _mm256_cvtps_ph, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_storeu_ps, _mm512_add_pd,
    _mm512_add_ps, _mm512_castpd_ps, _mm512_castpd_si512, _mm512_castps_pd, _mm512_castps_si512,
    _mm512_castsi512_pd, _mm512_castsi512_ps, _mm512_cmp_pd_mask, _mm512_cmp_ps_mask,
    _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_div_pd, _mm512_div_ps, _mm512_fmadd_pd,
    _mm512_fmadd_ps, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mask_blend_pd, _mm512_mask_blend_ps,
    _mm512_maskz_loadu_pd, _mm512_maskz_loadu_ps, _mm512_max_pd, _mm512_max_ps, _mm512_min_pd,
    _mm512_min_ps, _mm512_mul_pd, _mm512_mul_ps, _mm512_reduce_add_pd, _mm512_reduce_add_ps,
    _mm512_set1_pd, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_shuffle_f64x2, _mm512_slli_epi32,
    _mm512_slli_epi64, _mm512_storeu_pd, _mm512_storeu_ps, _mm512_sub_pd, _mm512_sub_ps,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::amx::Amx;
use super::avx512bf16::Avx512Bf16;
use super::{Isa, Kernel, MOST_LANES, Simd, half_to_f64};

/// The proof that this processor has AVX-512F, AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Avx512(()))
    }
}

impl Isa for Avx512 {
    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f,avx2,fma,f16c")]
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

macro_rules! vectors {
    ($($isa:ty),+: $float:ty, $v:ty, $lanes:literal, $mask:ty, $maskz_load:ident, $sum:ident, $bits:literal, $set1:ident, $load:ident, $store:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $max:ident,
     $min:ident, $to_bits:ident, $shift:ident, $from_bits:ident, $less:ident, $blend:ident, $transpose:ident,
     $load_bf16:ident, $load_f16:ident) => {
        $(impl Simd<$float> for $isa {
            type V = $v;
            const LANES: usize = $lanes;
            const VECTORS: usize = 4;
            const ACCUMULATORS: usize = 24;

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
                let mask = ((1u32 << n) - 1) as $mask;
                // SAFETY: as above; the caller vouches for the memory that the mask lets through.
                unsafe { $maskz_load(mask, from) }
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
                unsafe { $blend($less::<_CMP_LT_OQ>(a, b), y, x) }
            }

            #[inline(always)]
            fn any_less(self, a: $v, b: $v) -> bool {
                // SAFETY: as in `add`.
                unsafe { $less::<_CMP_LT_OQ>(a, b) != 0 }
            }

            #[inline(always)]
            fn sum(self, x: $v) -> $float {
                // SAFETY: as in `add`.
                unsafe { $sum(x) }
            }
        })+
    };
}

vectors!(Avx512, Avx512Bf16, Amx: f32, __m512, 16, u16, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps, 23, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps, _mm512_fmadd_ps, _mm512_max_ps, _mm512_min_ps, _mm512_castps_si512, _mm512_slli_epi32, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_mask_blend_ps, transpose_f32, bf16_to_f32, f16_to_f32);
vectors!(Avx512: f64, __m512d, 8, u8, _mm512_maskz_loadu_pd, _mm512_reduce_add_pd, 52, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_fmadd_pd, _mm512_max_pd, _mm512_min_pd, _mm512_castpd_si512, _mm512_slli_epi64, _mm512_castsi512_pd, _mm512_cmp_pd_mask, _mm512_mask_blend_pd, transpose_f64, half_to_f64, half_to_f64);

/// A bf16 is the upper half of an f32.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn bf16_to_f32(from: *const u16) -> __m512 {
    // SAFETY: the caller vouches for sixteen readable elements.
    let bits = unsafe { _mm256_loadu_si256(from.cast()) };
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn f16_to_f32(from: *const u16) -> __m512 {
    // SAFETY: the caller vouches for sixteen readable elements.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(from.cast()) })
}

/// Pairs of rows, then pairs of pairs, within 128 bits; then the 128-bit parts.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_f32(square: &mut [__m512; MOST_LANES]) {
    let mut pairs = *square;
    for i in (0..16).step_by(2) {
        pairs[i] = _mm512_unpacklo_ps(square[i], square[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(square[i], square[i + 1]);
    }
    // fours[4 g + k]: of rows 4 g to 4 g + 3, column k of every 128-bit part.
    let mut fours = pairs;
    for i in (0..16).step_by(4) {
        let low =
            |a, b| _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        let high =
            |a, b| _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        fours[i] = low(pairs[i], pairs[i + 2]);
        fours[i + 1] = high(pairs[i], pairs[i + 2]);
        fours[i + 2] = low(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = high(pairs[i + 1], pairs[i + 3]);
    }
    for k in 0..4 {
        let even = [0, 8].map(|g| _mm512_shuffle_f32x4::<0x88>(fours[g + k], fours[g + 4 + k]));
        let odd = [0, 8].map(|g| _mm512_shuffle_f32x4::<0xdd>(fours[g + k], fours[g + 4 + k]));
        square[k] = _mm512_shuffle_f32x4::<0x88>(even[0], even[1]);
        square[4 + k] = _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]);
        square[8 + k] = _mm512_shuffle_f32x4::<0xdd>(even[0], even[1]);
        square[12 + k] = _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1]);
    }
}

/// Pairs of rows within 128 bits; then the 128-bit parts.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_f64(square: &mut [__m512d; MOST_LANES]) {
    let mut pairs = *square;
    for i in (0..8).step_by(2) {
        pairs[i] = _mm512_unpacklo_pd(square[i], square[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_pd(square[i], square[i + 1]);
    }
    for k in 0..2 {
        let even = [0, 4].map(|g| _mm512_shuffle_f64x2::<0x88>(pairs[g + k], pairs[g + 2 + k]));
        let odd = [0, 4].map(|g| _mm512_shuffle_f64x2::<0xdd>(pairs[g + k], pairs[g + 2 + k]));
        square[k] = _mm512_shuffle_f64x2::<0x88>(even[0], even[1]);
        square[2 + k] = _mm512_shuffle_f64x2::<0x88>(odd[0], odd[1]);
        square[4 + k] = _mm512_shuffle_f64x2::<0xdd>(even[0], even[1]);
        square[6 + k] = _mm512_shuffle_f64x2::<0xdd>(odd[0], odd[1]);
    }
}
