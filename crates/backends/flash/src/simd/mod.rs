//! Vectors: what an instruction set must offer, declared once for each.
//!
//! A kernel is written once, generic over [`Simd`], and becomes vector instructions where
//! [`Isa::call`] compiles it: in a function with the instruction set's target features, into which
//! everything is inlined. Holding a value of an instruction set's type is the proof that the processor
//! has it: the only way to get one is its `detect`.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512bf16;
pub(crate) mod portable;

use attn_core::DType;
use attn_host::Storage;

use crate::num::Num;

/// A computation that [`Isa::call`] compiles for an instruction set. `run` and all that it calls must
/// be inlined: `#[inline(always)]`, and no closures.
pub(crate) trait Kernel {
    /// Computes.
    fn run(self);
}

/// Lanes of the widest vectors.
pub(crate) const MOST_LANES: usize = 16;

/// An instruction set that this processor has.
pub(crate) trait Isa: Copy + Send + Sync + 'static {
    /// Runs `kernel`, compiled with the target features of this instruction set.
    fn call<K: Kernel>(self, kernel: K);
    /// The f32 of eight f16, given by their bits. To be called within a [`Kernel`].
    fn widen_f16(self, from: &[u16; 8], to: &mut [f32; 8]);
    /// The bits of eight f32 rounded to f16. To be called within a [`Kernel`].
    fn narrow_f16(self, from: &[f32; 8], to: &mut [u16; 8]);
}

/// Vectors of f64 are never read from half types.
#[cfg(target_arch = "x86_64")]
unsafe fn half_to_f64<V>(_: *const u16) -> V {
    unreachable!("half types are computed in f32")
}

/// Vectors of `T`.
pub(crate) trait Simd<T: Num>: Isa {
    /// A vector.
    type V: Copy;
    /// Elements of a vector.
    const LANES: usize;
    /// Vectors of queries in a tile: as many are computed side by side.
    const VECTORS: usize;
    /// Vectors that stay in registers while they are summed up; the others hold operands.
    const ACCUMULATORS: usize;

    /// The same number in every lane.
    fn splat(self, x: T) -> Self::V;
    /// Reads `LANES` elements.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(self, from: *const T) -> Self::V;
    /// Writes `LANES` elements.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut T, x: Self::V);
    /// Reads `n < LANES` elements, no more; the other lanes are 0.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_first(self, from: *const T, n: usize) -> Self::V;
    /// Reads `LANES` bf16, given by their bits, widened to f32. Vectors of f64 are never read from half types.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_bf16(self, from: *const u16) -> Self::V;
    /// Reads `LANES` f16 likewise.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_f16(self, from: *const u16) -> Self::V;
    /// Reads `LANES` elements as they are stored, widened.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    unsafe fn load_stored<S: Storage<Compute = T>>(self, from: *const S) -> Self::V {
        // SAFETY: `Element` is a sealed set of types with a tag each: what is computed in `T` is stored as `T`, or as a half type,
        // which is a transparent wrapper of its bits. The caller vouches for the memory.
        unsafe {
            match S::DTYPE {
                DType::BF16 => self.load_bf16(from.cast()),
                DType::F16 => self.load_f16(from.cast()),
                DType::F32 | DType::F64 => self.load(from.cast()),
            }
        }
    }
    /// Reads `n < LANES` of them, no more; the other lanes are 0.
    ///
    /// # Safety
    /// They must be readable.
    #[inline(always)]
    unsafe fn load_stored_first<S: Storage<Compute = T>>(
        self,
        from: *const S,
        n: usize,
    ) -> Self::V {
        let mut whole = [S::narrow(T::ZERO); MOST_LANES];
        // SAFETY: as above; the array has as many elements as the widest vector, more than `n`.
        unsafe {
            if matches!(S::DTYPE, DType::F32 | DType::F64) {
                return self.load_first(from.cast(), n);
            }
            whole.as_mut_ptr().copy_from_nonoverlapping(from, n);
            self.load_stored(whole.as_ptr())
        }
    }
    /// Transposes the first `LANES` vectors as a square.
    fn transpose(self, square: &mut [Self::V; MOST_LANES]);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of each pair of numbers.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair of numbers.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// [`Num::power`] of every lane.
    fn power(self, rounded: Self::V) -> Self::V;
    /// `a < b ? x : y`, lane by lane.
    fn select_less(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// Whether `a < b` in some lane.
    fn any_less(self, a: Self::V, b: Self::V) -> bool;
    /// The sum of all lanes.
    fn sum(self, x: Self::V) -> T;
}

/// Evaluates `$body` with `$isa` bound to each instruction set that this processor has.
#[cfg(test)]
macro_rules! each_isa {
    ($isa:ident => $body:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            if let Some($isa) = crate::simd::avx2::Avx2::detect() {
                $body;
            }
            if let Some($isa) = crate::simd::avx512::Avx512::detect() {
                $body;
            }
            if let Some($isa) = crate::simd::avx512bf16::Avx512Bf16::detect() {
                $body;
            }
            if let Some($isa) = crate::simd::amx::Amx::detect() {
                $body;
            }
        }
        let $isa = crate::simd::portable::Portable;
        $body;
    }};
}
#[cfg(test)]
pub(crate) use each_isa;
