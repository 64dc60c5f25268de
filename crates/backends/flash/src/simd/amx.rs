//! AMX: tiles of 16 rows of 64 bytes, and an instruction that multiplies two of them.
//!
//! `tdpbf16ps` adds to a tile of 16 x 16 f32 the product of 16 rows of 16 pairs of bf16 and 16 such rows, of which the first holds the
//! first pair of every column, in 16 cycles: sixteen times as many products as AVX-512 adds in f32. Each product and sum is rounded
//! to nearest even; subnormal numbers are taken, and left, as 0 (Intel, "Intel 64 and IA-32 Architectures Software Developer's
//! Manual", volume 2, TDPBF16PS).
//!
//! The compiler knows tiles only in a version of Rust that is not stable, so that the instructions stand as text, and
//! the eight tiles are assigned by hand: 0 to 3 are sums, 4 and 5 rows of the first factor, 6 and 7 columns of the second.

#![expect(unsafe_code, reason = "matrix instructions")]
#![expect(
    clippy::unused_self,
    reason = "a value is the proof that the processor has the instructions"
)]

use std::arch::asm;
use std::arch::x86_64::{
    __m512, __m512i, _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepu16_epi32,
    _mm512_maskz_loadu_epi16, _mm512_or_si512, _mm512_slli_epi32,
};

use attn_sys::amx;

use super::avx512bf16::{Avx512Bf16, Pair};
use super::{Isa, Kernel};

/// Rows of a tile, and columns of f32 or of pairs.
pub(crate) const ROWS: usize = 16;
/// Numbers in a row of a tile, as pairs.
pub(crate) const NUMBERS: usize = 2 * ROWS;

/// The proof that this processor has AMX for bf16, and what [`Avx512Bf16`] proves, and that the system lets this process use it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amx(Avx512Bf16);

impl Amx {
    /// Asks the processor and the system.
    pub(crate) fn detect() -> Option<Self> {
        Avx512Bf16::detect().filter(|_| amx::multiplies_bf16()).map(Amx)
    }

    /// Makes all tiles of this thread whole ones, until what is returned is dropped.
    #[inline(always)]
    pub(crate) fn tiles(self) -> Tiles {
        // SAFETY: `self` proves that the processor has the instruction and the system permits it.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const amx::WHOLE, options(nostack, preserves_flags));
        }
        Tiles(())
    }

    /// Pairs of the `n` first numbers of two rows, of which the second may be one of zeros; the others are 0.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    pub(crate) unsafe fn pairs_of_rows(
        self,
        first: *const u16,
        second: Option<*const u16>,
        n: usize,
    ) -> __m512 {
        // SAFETY: `self` proves that the processor has the instructions; the caller vouches for the memory.
        unsafe {
            let first = widened(first, n);
            let Some(second) = second else { return _mm512_castsi512_ps(first) };
            let second = _mm512_slli_epi32::<16>(widened(second, n));
            _mm512_castsi512_ps(_mm512_or_si512(first, second))
        }
    }
}

/// The `n` first numbers of a row, up to sixteen, each as 32 bits; the others are 0.
///
/// # Safety
/// They must be readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn widened(from: *const u16, n: usize) -> __m512i {
    // SAFETY: the caller vouches for the memory that the mask lets through.
    let row = unsafe { _mm512_maskz_loadu_epi16((1 << n) - 1, from.cast()) };
    _mm512_cvtepu16_epi32(_mm512_castsi512_si256(row))
}

impl Isa for Amx {
    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) {
        self.0.call(kernel);
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

/// A factor of a product, in tiles.
#[derive(Clone, Copy)]
pub(crate) struct Factor {
    /// The first tile.
    pub(crate) at: *const Pair,
    /// Bytes from a row to the next.
    pub(crate) row: usize,
    /// Pairs from a tile to the next one along the other dimension: of rows for the first factor, of columns for the second.
    pub(crate) next: usize,
    /// Pairs from a tile to the next one along the sum.
    pub(crate) along: usize,
}

impl Factor {
    /// The tiles `pairs` further along.
    #[inline(always)]
    pub(crate) fn further(self, pairs: usize) -> Self {
        Factor { at: self.at.wrapping_add(pairs), ..self }
    }
}

/// Reads a tile.
macro_rules! load {
    ($tile:literal, $at:expr, $row:expr) => {
        asm!(concat!("tileloadd ", $tile, ", [{at} + {row}]"), at = in(reg) $at, row = in(reg) $row,
            options(readonly, nostack, preserves_flags))
    };
}

/// Adds the product of two tiles to sums.
macro_rules! product {
    ($sums:literal, $a:literal, $b:literal) => {
        asm!(
            concat!("tdpbf16ps ", $sums, ", ", $a, ", ", $b),
            options(nomem, nostack, preserves_flags)
        )
    };
}

/// Writes a tile.
macro_rules! store {
    ($tile:literal, $at:expr, $row:expr) => {
        asm!(concat!("tilestored [{at} + {row}], ", $tile), at = in(reg) $at, row = in(reg) $row,
            options(nostack, preserves_flags))
    };
}

/// The tiles of this thread.
pub(crate) struct Tiles(());

impl Drop for Tiles {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whoever has a `Tiles` has the instruction.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

impl Tiles {
    /// Makes all sums 0.
    #[inline(always)]
    pub(crate) fn zero(&self) {
        // SAFETY: whoever has a `Tiles` has the instruction, and nothing else uses these tiles.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nomem, nostack, preserves_flags)
            );
        }
    }

    /// Adds the products of `R` tiles of rows and `C` of columns to the sums.
    ///
    /// # Safety
    /// All these tiles can be read.
    #[inline(always)]
    pub(crate) unsafe fn multiply<const R: usize, const C: usize>(&self, a: Factor, b: Factor) {
        // SAFETY: whoever has a `Tiles` has the instructions; the caller vouches for the memory.
        unsafe {
            load!("tmm4", a.at, a.row);
            load!("tmm6", b.at, b.row);
            product!("tmm0", "tmm4", "tmm6");
            if C == 2 {
                load!("tmm7", b.further(b.next).at, b.row);
                product!("tmm1", "tmm4", "tmm7");
            }
            if R == 2 {
                load!("tmm5", a.further(a.next).at, a.row);
                product!("tmm2", "tmm5", "tmm6");
            }
            if R == 2 && C == 2 {
                product!("tmm3", "tmm5", "tmm7");
            }
        }
    }

    /// Writes `R` by `C` tiles of sums to rows that begin `pitch` numbers apart.
    ///
    /// # Safety
    /// They can be written.
    #[inline(always)]
    pub(crate) unsafe fn store<const R: usize, const C: usize>(&self, to: *mut f32, pitch: usize) {
        let place = |r: usize, c: usize| to.wrapping_add((r * pitch + c) * ROWS);
        let row = pitch * size_of::<f32>();
        // SAFETY: whoever has a `Tiles` has the instruction; the caller vouches for the memory.
        unsafe {
            store!("tmm0", to, row);
            if C == 2 {
                store!("tmm1", place(0, 1), row);
            }
            if R == 2 {
                store!("tmm2", place(1, 0), row);
            }
            if R == 2 && C == 2 {
                store!("tmm3", place(1, 1), row);
            }
        }
    }
}
