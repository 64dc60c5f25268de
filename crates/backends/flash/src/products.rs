//! How an instruction set multiplies: numbers one by one, or pairs of bf16 whose products are added up.
//!
//! [`scores`](crate::kernel::scores) and [`values`](crate::kernel::values) are sums of products over d, or over keys.
//! Where an instruction adds several products to a sum, as many neighbours along d, or along the keys, are *packed* into
//! what one lane holds:
//!
//! | | a lane holds | Q^T | K | P^T | V |
//! |---|---|---|---|---|---|
//! | plain | one number | `[D, W]` | as stored, `[keys, D]` | `[keys, W]` | as stored, `[keys, Dv]` |
//! | pairs | two bf16 | `[D/2, W]` pairs | as stored, `[keys, D/2]` pairs | `[keys/2, W]` pairs | interleaved, `[keys/2, Dv]` pairs |
//! | tiles | two bf16 | `[D/2, W]` pairs | as stored, `[keys, D/2]` pairs | `[keys/2, W]` pairs | transposed, `[keys/32, Dv, 16]` pairs |
//!
//! An odd D or an odd number of keys is filled up with zeros; for tiles D and the keys of V to 32, keys of K and Dv to 16.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use std::ops::Range;

use attn_host::Storage;

use crate::buffer::Plain;
use crate::kernel::convert::widen;
use crate::kernel::exp::exp2;
use crate::kernel::transpose::{Extent, Factor, transpose};
use crate::kernel::{Lanes, fused, scores, values};
use crate::num::Num;
use crate::simd::Simd;

/// Products of vectors of `T`.
pub(crate) trait Products<T: Num>: Simd<T> {
    /// What a lane of an operand holds: as large as a `T`, and aligned to no more.
    type Packed: Plain;
    /// A vector of `LANES` of these.
    type Operand: Copy;
    /// Zeros, packed.
    const NOTHING: Self::Packed;
    /// Numbers that are packed into one.
    const PACK: usize;
    /// Keys that are taken together; their number is filled up.
    const CHUNK: usize = Self::PACK;
    /// Whether scores become weights [beside products](crate::kernel::fused).
    const FUSES: bool;

    /// The same in every lane.
    fn splat_packed(self, x: Self::Packed) -> Self::Operand;
    /// Reads `LANES` of them.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_packed(self, from: *const Self::Packed) -> Self::Operand;
    /// Writes `LANES` of them.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store_packed(self, to: *mut Self::Packed, x: Self::Operand);
    /// `a b + c`, with the sum of the products of what is packed for `a b`.
    fn dot(self, a: Self::Operand, b: Self::Operand, c: Self::V) -> Self::V;
    /// The weights `2^((s - base) factor)` of `PACK` neighbouring keys, packed; a score of -inf has none.
    fn weights(self, s: [Self::V; 2], base: Self::V, factor: Self::V) -> Self::Operand;
    /// `l` plus the weights, as they multiply values.
    fn add_weights(self, weights: Self::Operand, l: Self::V) -> Self::V;
    /// Weights times a power of two.
    fn scale_weights(self, weights: Self::Operand, by: Self::V) -> Self::Operand;

    /// Reads the `LANES PACK` numbers of a row from `from` on, as they are stored.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_row<S: Storage<Compute = T>>(self, from: *const S) -> Self::Operand;
    /// Reads `n < LANES PACK` of them, no more; the others are 0.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_row_first<S: Storage<Compute = T>>(
        self,
        from: *const S,
        n: usize,
    ) -> Self::Operand;
    /// Packs a row of Q, times `factor` where [`Self::SCALES`] says so; what is left of `to` stays as it is.
    fn pack_row<S: Storage<Compute = T>>(q: &[S], factor: T, to: &mut [Self::Packed]);
    /// Some of the `keys` rows of K (`[keys, D]`) as they are stored, where products take them so.
    fn stored_keys<S: Storage<Compute = T>>(k: &[S], extent: [usize; 2])
    -> Option<&[Self::Packed]>;
    /// V as it is stored, where products take it so.
    fn stored_values<S: Storage<Compute = T>>(v: &[S]) -> Option<&[Self::Packed]>;
    /// Packs K (`[keys, D]`) along d.
    fn pack_keys<S: Storage<Compute = T>>(self, k: &[S], dim: usize, to: &mut [Self::Packed]);
    /// Packs V (`[keys, Dv]`) along the keys.
    fn pack_values<S: Storage<Compute = T>>(self, v: &[S], columns: usize, to: &mut [Self::Packed]);
    /// Packs Q (`[rows, D]`) along d and transposes it to `[D, width]`, times `factor` where [`Self::SCALES`] says so; `flat`
    /// has room for Q.
    fn pack_queries<S: Storage<Compute = T>>(
        self,
        q: (&[S], usize),
        factor: T,
        flat: &mut [T],
        to: (&mut [Self::Packed], usize),
    );
    /// Whether queries are multiplied by the scale as they are packed; if not, scores lack it.
    const SCALES: bool;

    /// What a row of `dim` numbers of Q and K is packed into.
    fn depth(dim: usize) -> usize {
        dim.div_ceil(Self::PACK)
    }
    /// Rows of `O^T` for `dim_v` columns of V, filled up.
    fn columns(dim_v: usize) -> usize {
        dim_v
    }

    /// [`scores::scores`].
    fn scores(
        self,
        qt: &[Self::Packed],
        k: &[Self::Packed],
        s: &mut [T],
        top: &mut [T],
        lanes: Lanes,
    ) {
        scores::scores(self, qt, k, s, top, lanes);
    }
    /// [`fused::weights`].
    fn weights_at_once(
        self,
        qt: &[Self::Packed],
        keys: (&[Self::Packed], Range<usize>),
        p: &mut [Self::Packed],
        rows: fused::Rows<'_, T>,
        lanes: Lanes,
    ) {
        fused::weights(self, qt, keys, p, rows, lanes);
    }
    /// [`values::values`].
    fn values(self, p: &[Self::Packed], v: &[Self::Packed], ot: (&mut [T], bool), lanes: Lanes) {
        values::values(self, p, v, ot, lanes);
    }
}

/// Numbers one by one, in the type that is computed in.
macro_rules! plain {
    ($isa:ty) => {
        impl<T: Num> Products<T> for $isa
        where
            $isa: Simd<T>,
        {
            type Packed = T;
            type Operand = <$isa as Simd<T>>::V;
            const NOTHING: T = T::ZERO;
            const PACK: usize = 1;
            const FUSES: bool = false;
            const SCALES: bool = true;

            #[inline(always)]
            fn splat_packed(self, x: T) -> Self::V {
                self.splat(x)
            }

            #[inline(always)]
            unsafe fn load_packed(self, from: *const T) -> Self::V {
                // SAFETY: as the caller vouches.
                unsafe { self.load(from) }
            }

            #[inline(always)]
            unsafe fn store_packed(self, to: *mut T, x: Self::V) {
                // SAFETY: as the caller vouches.
                unsafe { self.store(to, x) }
            }

            #[inline(always)]
            fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                self.fma(a, b, c)
            }

            #[inline(always)]
            fn weights(self, [s, _]: [Self::V; 2], base: Self::V, factor: Self::V) -> Self::V {
                exp2(self, self.mul(self.sub(s, base), factor))
            }

            #[inline(always)]
            fn add_weights(self, weights: Self::V, l: Self::V) -> Self::V {
                self.add(l, weights)
            }

            #[inline(always)]
            fn scale_weights(self, weights: Self::V, by: Self::V) -> Self::V {
                self.mul(weights, by)
            }

            #[inline(always)]
            unsafe fn load_row<S: Storage<Compute = T>>(self, from: *const S) -> Self::V {
                // SAFETY: as the caller vouches.
                unsafe { self.load_stored(from) }
            }

            #[inline(always)]
            unsafe fn load_row_first<S: Storage<Compute = T>>(
                self,
                from: *const S,
                n: usize,
            ) -> Self::V {
                // SAFETY: as the caller vouches.
                unsafe { self.load_stored_first(from, n) }
            }

            fn pack_row<S: Storage<Compute = T>>(q: &[S], factor: T, to: &mut [T]) {
                to.iter_mut().zip(q).for_each(|(to, &q)| *to = q.widen() * factor);
            }

            fn stored_keys<S: Storage<Compute = T>>(k: &[S], _: [usize; 2]) -> Option<&[T]> {
                S::as_compute(k)
            }

            fn stored_values<S: Storage<Compute = T>>(v: &[S]) -> Option<&[T]> {
                S::as_compute(v)
            }

            fn pack_keys<S: Storage<Compute = T>>(self, k: &[S], _: usize, to: &mut [T]) {
                widen(self, k, to);
            }

            fn pack_values<S: Storage<Compute = T>>(self, v: &[S], _: usize, to: &mut [T]) {
                widen(self, v, to);
            }

            fn pack_queries<S: Storage<Compute = T>>(
                self,
                (q, dim): (&[S], usize),
                factor: T,
                flat: &mut [T],
                (to, width): (&mut [T], usize),
            ) {
                let flat = &mut flat[..q.len()];
                let q = S::as_compute(q).unwrap_or_else(|| {
                    widen(self, q, flat);
                    flat
                });
                let extent = Extent { rows: q.len() / dim, columns: dim, stride: dim };
                transpose(self, q, extent, to, width, Factor::All(factor));
            }
        }
    };
}

plain!(crate::simd::portable::Portable);
#[cfg(target_arch = "x86_64")]
plain!(crate::simd::avx2::Avx2);
#[cfg(target_arch = "x86_64")]
plain!(crate::simd::avx512::Avx512);

/// The memory of a block of scores as that of weights, packed: as many fit as there are scores.
pub(crate) fn packed<T: Num, I: Products<T>>(s: &mut [T]) -> &mut [I::Packed] {
    const { assert!(size_of::<I::Packed>() == size_of::<T>()) };
    const { assert!(align_of::<I::Packed>() <= align_of::<T>()) };
    // SAFETY: every bit pattern is a `Plain`, and these are as large as a `T` and aligned to no more.
    unsafe { std::slice::from_raw_parts_mut(s.as_mut_ptr().cast(), s.len()) }
}
