//! AVX512-BF16: the registers of AVX-512, and an instruction that adds the products of two pairs of bf16 to each f32.
//!
//! `vdpbf16ps` multiplies twice as many numbers as a multiply-add of f32. Each of its products and sums is rounded to nearest even;
//! subnormal numbers are taken, and left, as 0 (Intel, "Intel 64 and IA-32 Architectures Software Developer's Manual", volume
//! 2, VDPBF16PS).

#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_epi32, _mm512_and_epi32, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cvtps_epi32, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_fmsub_ps,
    _mm512_loadu_si512, _mm512_mask_blend_epi16, _mm512_maskz_loadu_epi16, _mm512_max_epi16,
    _mm512_mul_ps, _mm512_permutex2var_epi16, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32,
};
use std::mem::transmute;
use std::ops::Range;

use attn_core::DType;
use attn_host::Storage;

use super::amx::{self, Amx};
use super::avx512::Avx512;
use super::{Isa, Kernel};
use crate::buffer::Plain;
use crate::kernel::transpose::{Extent, Factor, transpose};
use crate::kernel::{Lanes, fused, matrix};
use crate::products::Products;

/// The proof that this processor has AVX512-BF16, AVX-512BW, AVX-512F, AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Bf16(Avx512);

impl Avx512Bf16 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw");
        Avx512::detect().filter(|_| has).map(Avx512Bf16)
    }
}

impl Isa for Avx512Bf16 {
    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512bf16,avx512bw,avx512f,avx2,fma,f16c")]
        #[inline(never)]
        fn compiled<K: Kernel>(kernel: K) {
            kernel.run();
        }
        // SAFETY: `self` proves that the processor has these features.
        unsafe { compiled(kernel) }
    }

    #[inline(always)]
    fn widen_f16(self, from: &[u16; 8], to: &mut [f32; 8]) {
        self.0.widen_f16(from, to);
    }

    #[inline(always)]
    fn narrow_f16(self, from: &[f32; 8], to: &mut [u16; 8]) {
        self.0.narrow_f16(from, to);
    }
}

/// Two neighbouring bf16, of which the first takes the lower half of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Pair(pub(super) [u16; 2]);

// SAFETY: an array of integers.
unsafe impl Plain for Pair {}

/// `2^(x - 1)` for `1 <= x < 2` from the last coefficient to the first: minimax in relative error, 7.5e-5, beside the 2e-3 of
/// rounding to bf16.
const EXP2: [f32; 4] = [7.802_452e-2, -8.006_413e-3, 4.777_728e-1, 4.521_343e-1];
/// Half a unit in the last place of a bf16 from 1 to 2: what is added before bits are cut off.
const HALF_ULP: f32 = 1.0 / 256.0;
const MANTISSA_BITS: i32 = 23;
const MANTISSA: i32 = (1 << MANTISSA_BITS) - 1;
/// The bits of 1.0.
const ONE: i32 = 127 << MANTISSA_BITS;
/// A vector of bf16 1.0.
const ONES: i16 = 0x3f80;
/// `(a & b) | c` as a table of three bits.
const AND_OR: i32 = 0b1110_1010;
/// The odd places of 32.
const ODD: u32 = 0xaaaa_aaaa;

/// Pairs of bf16, for what has `vdpbf16ps`; the rest is what differs.
macro_rules! of_pairs {
    ($isa:ty { $($own:tt)* }) => {
        impl Products<f32> for $isa {
            type Packed = Pair;
            type Operand = __m512i;
            const NOTHING: Pair = Pair([0; 2]);
            const PACK: usize = 2;
            const FUSES: bool = true;
            const SCALES: bool = false;

            #[inline(always)]
            fn splat_packed(self, Pair([first, second]): Pair) -> __m512i {
                let bits = u32::from(first) | u32::from(second) << 16;
                // SAFETY: `self` proves that the processor has the instruction.
                unsafe { _mm512_set1_epi32(bits as i32) }
            }

            #[inline(always)]
            unsafe fn load_packed(self, from: *const Pair) -> __m512i {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { _mm512_loadu_si512(from.cast()) }
            }

            #[inline(always)]
            unsafe fn store_packed(self, to: *mut Pair, x: __m512i) {
                // SAFETY: as above; the caller vouches for the memory.
                unsafe { _mm512_storeu_si512(to.cast(), x) }
            }

            #[inline(always)]
            fn dot(self, a: __m512i, b: __m512i, c: Self::V) -> Self::V {
                // SAFETY: as above; both types are 512 bits.
                unsafe {
                    let [a, b] = [a, b].map(|x| transmute::<__m512i, __m512bh>(x));
                    _mm512_dpbf16_ps(c, a, b)
                }
            }

            #[inline(always)]
            fn weights(self, [first, second]: [Self::V; 2], base: Self::V, factor: Self::V) -> __m512i {
                // SAFETY: as above.
                unsafe {
                    let factor = _mm512_mul_ps(factor, _mm512_set1_ps((1 << MANTISSA_BITS) as f32));
                    let base = _mm512_mul_ps(base, factor);
                    let first = weight(_mm512_fmsub_ps(first, factor, base));
                    let second = weight(_mm512_fmsub_ps(second, factor, base));
                    let pairs = _mm512_mask_blend_epi16(ODD, _mm512_srli_epi32::<16>(first), second);
                    // Below the normal range an exponent is negative, and so is the integer.
                    _mm512_max_epi16(pairs, _mm512_setzero_si512())
                }
            }

            #[inline(always)]
            fn add_weights(self, weights: __m512i, l: Self::V) -> Self::V {
                // SAFETY: as above.
                self.dot(weights, unsafe { _mm512_set1_epi16(ONES) }, l)
            }

            #[inline(always)]
            fn scale_weights(self, weights: __m512i, by: Self::V) -> __m512i {
                // SAFETY: as above. A bf16 is the upper half of an f32; what is multiplied by a power of two has as few places as before.
                unsafe {
                    let [first, second] = [
                        _mm512_slli_epi32::<16>(weights),
                        _mm512_and_epi32(weights, _mm512_set1_epi32(!0xffff)),
                    ];
                    let first = _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(first), by));
                    let second = _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(second), by));
                    _mm512_mask_blend_epi16(ODD, _mm512_srli_epi32::<16>(first), second)
                }
            }

            #[inline(always)]
            unsafe fn load_row<S: Storage<Compute = f32>>(self, from: *const S) -> __m512i {
                // SAFETY: the caller vouches for 32 numbers, which are 16 pairs.
                unsafe { self.load_packed(from.cast()) }
            }

            #[inline(always)]
            unsafe fn load_row_first<S: Storage<Compute = f32>>(self, from: *const S, n: usize) -> __m512i {
                // SAFETY: as above; the caller vouches for the memory that the mask lets through.
                unsafe { _mm512_maskz_loadu_epi16((1 << n) - 1, from.cast()) }
            }

            fn pack_row<S: Storage<Compute = f32>>(q: &[S], _: f32, to: &mut [Pair]) {
                for (to, pair) in to.iter_mut().zip(bits(q).chunks(2)) {
                    *to = Pair([pair[0], pair.get(1).copied().unwrap_or(0)]);
                }
            }

            fn stored_values<S: Storage<Compute = f32>>(_: &[S]) -> Option<&[Pair]> {
                None
            }

            fn pack_queries<S: Storage<Compute = f32>>(
                self,
                (q, dim): (&[S], usize),
                _: f32,
                flat: &mut [f32],
                (to, width): (&mut [Pair], usize),
            ) {
                let columns = dim.div_ceil(2);
                // SAFETY: a pair is as large as an f32, and every bit pattern is a value of both.
                let ([], to, []) = (unsafe { to.align_to_mut::<f32>() }) else {
                    unreachable!("lanes begin at a cache line");
                };
                // SAFETY: the same.
                let (_, as_pairs, _) = unsafe { flat.align_to_mut::<Pair>() };
                pack_rows(bits(q), dim, (as_pairs, columns));
                let extent = Extent { rows: q.len() / dim, columns, stride: columns };
                transpose(self, flat, extent, to, width, Factor::None);
            }

            $($own)*
        }
    };
}

of_pairs!(Avx512Bf16 {
    fn stored_keys<S: Storage<Compute = f32>>(k: &[S], [_, dim]: [usize; 2]) -> Option<&[Pair]> {
        dim.is_multiple_of(2).then(|| pairs(k))
    }

    fn pack_keys<S: Storage<Compute = f32>>(self, k: &[S], dim: usize, to: &mut [Pair]) {
        pack_rows(bits(k), dim, (to, dim.div_ceil(2)));
    }

    fn pack_values<S: Storage<Compute = f32>>(self, v: &[S], columns: usize, to: &mut [Pair]) {
        self.call(Interleave { isa: self, v: bits(v), columns, to });
    }
});

of_pairs!(Amx {
    const CHUNK: usize = amx::NUMBERS;

    fn depth(dim: usize) -> usize {
        dim.next_multiple_of(amx::NUMBERS) / 2
    }

    fn columns(dim_v: usize) -> usize {
        dim_v.next_multiple_of(amx::ROWS)
    }

    fn scores(self, qt: &[Pair], k: &[Pair], s: &mut [f32], top: &mut [f32], lanes: Lanes) {
        matrix::scores(self, qt, k, s, top, lanes);
    }

    fn weights_at_once(
        self,
        qt: &[Pair],
        keys: (&[Pair], Range<usize>),
        p: &mut [Pair],
        rows: fused::Rows<'_, f32>,
        lanes: Lanes,
    ) {
        matrix::weights(self, qt, keys, p, rows, lanes);
    }

    fn values(self, p: &[Pair], v: &[Pair], ot: (&mut [f32], bool), lanes: Lanes) {
        matrix::values(self, p, v, ot, lanes);
    }

    fn stored_keys<S: Storage<Compute = f32>>(k: &[S], extent: [usize; 2]) -> Option<&[Pair]> {
        let [keys, dim] = extent;
        (keys.is_multiple_of(amx::ROWS) && dim.is_multiple_of(amx::NUMBERS)).then(|| pairs(k))
    }

    fn pack_keys<S: Storage<Compute = f32>>(self, k: &[S], dim: usize, to: &mut [Pair]) {
        pack_rows(bits(k), dim, (to, Self::depth(dim)));
    }

    fn pack_values<S: Storage<Compute = f32>>(self, v: &[S], columns: usize, to: &mut [Pair]) {
        matrix::pack_values(self, bits(v), columns, to);
    }
});

/// Rows of `dim` numbers become rows of pairs, `depth` apart.
fn pack_rows(from: &[u16], dim: usize, (to, depth): (&mut [Pair], usize)) {
    for (to, row) in to.chunks_exact_mut(depth).zip(from.chunks_exact(dim)) {
        let (whole, odd) = row.as_chunks::<2>();
        let (to, rest) = to.split_at_mut(whole.len());
        to.iter_mut().zip(whole).for_each(|(to, &pair)| *to = Pair(pair));
        if let Some(&last) = odd.first() {
            rest[0] = Pair([last, 0]);
        }
    }
}

/// Two to the given number of 2^-23ths, in the upper half of each lane; negative as an integer below the normal range, and for what
/// is not a number, as `-inf - -inf` would be.
///
/// As an integer, rounded, the places of the number are those of a mantissa, and what is before them is an exponent:
///
/// ```text
/// i = t 2^23       x = 1 + (i mod 2^23) / 2^23
/// 2^t = 2^(x - 1) 2^(i div 2^23)                       a polynomial, with the rest added to its exponent
/// ```
#[inline]
#[target_feature(enable = "avx512f")]
fn weight(t: __m512) -> __m512i {
    let i = _mm512_cvtps_epi32(t);
    let (mantissa, one) = (_mm512_set1_epi32(MANTISSA), _mm512_set1_epi32(ONE));
    let x = _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<AND_OR>(i, mantissa, one));
    let [c3, c2, c1, c0] = EXP2;
    let p = _mm512_fmadd_ps(_mm512_set1_ps(c3), x, _mm512_set1_ps(c2));
    let p = _mm512_fmadd_ps(p, x, _mm512_set1_ps(c1));
    let p = _mm512_fmadd_ps(p, x, _mm512_set1_ps(c0 + HALF_ULP));
    let exponent = _mm512_and_epi32(i, _mm512_set1_epi32(!MANTISSA));
    _mm512_add_epi32(_mm512_castps_si512(p), exponent)
}

/// The bits of bf16, the only type that is multiplied in pairs.
fn bits<S: Storage>(x: &[S]) -> &[u16] {
    assert!(S::DTYPE == DType::BF16);
    // SAFETY: `Element` is a sealed set of types, each with a tag of its own, and bf16 is a transparent wrapper of its bits.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// An even number of bf16 as pairs.
fn pairs<S: Storage>(x: &[S]) -> &[Pair] {
    let (pairs, _) = bits(x).as_chunks::<2>();
    // SAFETY: a pair is nothing but such an array.
    unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), pairs.len()) }
}

/// Every two rows of V become a row of pairs.
struct Interleave<'a> {
    isa: Avx512Bf16,
    v: &'a [u16],
    columns: usize,
    to: &'a mut [Pair],
}

/// For the lower and the upper half of a vector of pairs, where in two vectors of 32 numbers its numbers are.
static PLACES: [[u16; 32]; 2] = {
    let mut places = [[0; 32]; 2];
    let mut at = 0;
    while at < 32 {
        let (pair, second) = (at / 2, at % 2);
        places[0][at] = (pair + 32 * second) as u16;
        places[1][at] = (pair + 16 + 32 * second) as u16;
        at += 1;
    }
    places
};

impl Kernel for Interleave<'_> {
    #[inline(always)]
    fn run(self) {
        let Interleave { isa, v, columns, to } = self;
        for (to, rows) in to.chunks_exact_mut(columns).zip(v.chunks(2 * columns)) {
            match rows.split_at_checked(columns) {
                Some((first, second)) if second.len() == columns => {
                    interleave(isa, first, second, to);
                }
                _ => to.iter_mut().zip(rows).for_each(|(to, &first)| *to = Pair([first, 0])),
            }
        }
    }
}

#[inline(always)]
fn interleave(isa: Avx512Bf16, first: &[u16], second: &[u16], to: &mut [Pair]) {
    let (first, first_rest) = first.as_chunks::<32>();
    let (second, second_rest) = second.as_chunks::<32>();
    let (to, to_rest) = to.as_chunks_mut::<32>();
    for ((first, second), to) in first.iter().zip(second).zip(to) {
        // SAFETY: the arrays are as long as the vectors; `isa` proves that the processor has the instructions.
        unsafe {
            let first = _mm512_loadu_si512(first.as_ptr().cast());
            let second = _mm512_loadu_si512(second.as_ptr().cast());
            for (half, places) in PLACES.iter().enumerate() {
                let places = _mm512_loadu_si512(places.as_ptr().cast());
                let pairs = _mm512_permutex2var_epi16(first, places, second);
                isa.store_packed(to.as_mut_ptr().add(16 * half), pairs);
            }
        }
    }
    for ((&first, &second), to) in first_rest.iter().zip(second_rest).zip(to_rest) {
        *to = Pair([first, second]);
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::simd::Simd;

    struct Weigh<'a> {
        isa: Avx512Bf16,
        s: &'a [f32; 16],
        to: &'a mut [Pair; 16],
    }

    impl Kernel for Weigh<'_> {
        #[inline(always)]
        fn run(self) {
            let Weigh { isa, s, to } = self;
            // SAFETY: the arrays are as long as the vectors.
            unsafe {
                let s = isa.load(s.as_ptr());
                let weights = isa.weights([s, s], isa.splat(0.0), isa.splat(1.0));
                isa.store_packed(to.as_mut_ptr(), weights);
            }
        }
    }

    /// The weights of `t`, each as first and as second of a pair.
    fn weights(isa: Avx512Bf16, t: &[f32; 16]) -> [[f64; 2]; 16] {
        let mut to = [Pair([0; 2]); 16];
        isa.call(Weigh { isa, s: t, to: &mut to });
        to.map(|Pair(bits)| bits.map(|bits| bf16::from_bits(bits).to_f64()))
    }

    /// All arguments of a softmax whose reference lags behind, every so many of them.
    fn arguments(step: usize) -> impl Iterator<Item = f32> {
        let negative = (-0.0f32).to_bits()..=(-126.0f32).to_bits();
        negative.chain(0..=8.0f32.to_bits()).step_by(step).map(f32::from_bits)
    }

    fn weights_are_rounded_to_nearest(step: usize) {
        let Some(isa) = Avx512Bf16::detect() else { return };
        // Half a unit in the last place, and what the polynomial errs by.
        let most = bf16::EPSILON.to_f64() / 2.0 + 8e-5;
        let (mut all, mut t) = (arguments(step).peekable(), [0.0; 16]);
        while all.peek().is_some() {
            t.iter_mut().zip(&mut all).for_each(|(to, t)| *to = t);
            for (t, got) in t.into_iter().zip(weights(isa, &t)) {
                let want = f64::from(t).exp2();
                assert!(got[0] == got[1] && (got[0] / want - 1.0).abs() < most, "{t}: {got:?}");
            }
        }
    }

    #[test]
    fn weights_of_many_arguments_are_rounded_to_nearest() {
        weights_are_rounded_to_nearest(997);
    }

    #[test]
    #[ignore = "all of the numbers, half a minute: cargo test -p attn-flash --release -- --ignored"]
    fn weights_of_all_arguments_are_rounded_to_nearest() {
        weights_are_rounded_to_nearest(1);
    }

    #[test]
    fn the_largest_weight_is_exactly_one_and_far_ones_are_nothing() {
        let Some(isa) = Avx512Bf16::detect() else { return };
        let far = [f32::NEG_INFINITY, f32::MIN, f32::NAN, -1e9, -300.0, -256.0, -200.0, -127.5];
        let mut t = [0.0; 16];
        t[..8].copy_from_slice(&far);
        let got = weights(isa, &t);
        assert_eq!(got[..8], [[0.0; 2]; 8]);
        assert_eq!(got[8..], [[1.0; 2]; 8]);
    }
}
