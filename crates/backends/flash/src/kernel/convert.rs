//! Half types become f32, exactly, and f32 half types, rounded to nearest.

#![expect(unsafe_code, reason = "a slice of a type that is known by its tag")]

use attn_core::DType;
use attn_host::Storage;
use half::f16;

use crate::num::Num;
use crate::simd::{Isa, Kernel};

/// Writes `from` to `to`, each element widened.
pub(crate) fn widen<S: Storage<Compute: Num>, I: Isa>(isa: I, from: &[S], to: &mut [S::Compute]) {
    assert_eq!(from.len(), to.len());
    match S::DTYPE {
        DType::BF16 => isa.call(Bf16 { from: bits(from), to: floats(to) }),
        DType::F16 => isa.call(F16 { isa, from: bits(from), to: floats(to) }),
        DType::F32 | DType::F64 => to.iter_mut().zip(from).for_each(|(to, &x)| *to = x.widen()),
    }
}

/// Writes `from` to `to`, each element rounded to nearest, ties to even.
pub(crate) fn narrow<S: Storage<Compute: Num>, I: Isa>(isa: I, from: &[S::Compute], to: &mut [S]) {
    assert_eq!(from.len(), to.len());
    match S::DTYPE {
        DType::BF16 => isa.call(ToBf16 { from: as_floats(from), to: bits_mut(to) }),
        DType::F16 => isa.call(ToF16 { isa, from: as_floats(from), to: bits_mut(to) }),
        DType::F32 | DType::F64 => to.iter_mut().zip(from).for_each(|(to, &x)| *to = S::narrow(x)),
    }
}

/// The bits of elements of a half type.
fn bits<S: Storage>(x: &[S]) -> &[u16] {
    assert!(matches!(S::DTYPE, DType::BF16 | DType::F16));
    // SAFETY: `Element` is a sealed set of types, each with a tag of its own, and the two half types
    // are transparent wrappers of their bits.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// The same, to be written.
fn bits_mut<S: Storage>(x: &mut [S]) -> &mut [u16] {
    assert!(matches!(S::DTYPE, DType::BF16 | DType::F16));
    // SAFETY: as in `bits`.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// What half types are computed in, to be read.
fn as_floats<T: Num>(x: &[T]) -> &[f32] {
    assert!(T::DTYPE == DType::F32);
    // SAFETY: as in `floats`.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// What half types are computed in.
fn floats<T: Num>(x: &mut [T]) -> &mut [f32] {
    assert!(T::DTYPE == DType::F32);
    // SAFETY: the tag says that `T` is f32: `Element` is a sealed set of types with a tag each.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// bf16 is the upper half of an f32.
struct Bf16<'a> {
    from: &'a [u16],
    to: &'a mut [f32],
}

impl Kernel for Bf16<'_> {
    #[inline(always)]
    fn run(self) {
        for (to, &bits) in self.to.iter_mut().zip(self.from) {
            *to = f32::from_bits(u32::from(bits) << 16);
        }
    }
}

struct F16<'a, I> {
    isa: I,
    from: &'a [u16],
    to: &'a mut [f32],
}

impl<I: Isa> Kernel for F16<'_, I> {
    #[inline(always)]
    fn run(self) {
        let (from, rest) = self.from.as_chunks::<8>();
        let (to, rest_to) = self.to.as_chunks_mut::<8>();
        for (to, from) in to.iter_mut().zip(from) {
            self.isa.widen_f16(from, to);
        }
        for (to, &bits) in rest_to.iter_mut().zip(rest) {
            *to = f16::from_bits(bits).to_f32();
        }
    }
}

/// An upper half is rounded by adding what carries into it: half of its last place, or one less where that is even.
struct ToBf16<'a> {
    from: &'a [f32],
    to: &'a mut [u16],
}

impl Kernel for ToBf16<'_> {
    #[inline(always)]
    fn run(self) {
        for (to, x) in self.to.iter_mut().zip(self.from) {
            let bits = x.to_bits();
            let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            // What is not a number stays so.
            let nan = bits >> 16 | 0x40;
            *to = if x.is_nan() { nan } else { rounded } as u16;
        }
    }
}

struct ToF16<'a, I> {
    isa: I,
    from: &'a [f32],
    to: &'a mut [u16],
}

impl<I: Isa> Kernel for ToF16<'_, I> {
    #[inline(always)]
    fn run(self) {
        let (from, rest) = self.from.as_chunks::<8>();
        let (to, rest_to) = self.to.as_chunks_mut::<8>();
        for (to, from) in to.iter_mut().zip(from) {
            self.isa.narrow_f16(from, to);
        }
        for (to, &x) in rest_to.iter_mut().zip(rest) {
            *to = f16::from_f32(x).to_bits();
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::simd::{MOST_LANES, Simd, each_isa};

    /// What `load_stored` makes of `from`, and `load_stored_first` of all but its last element.
    fn loaded<S: Storage<Compute = f32>, I: Simd<f32>>(
        isa: I,
        from: &[S],
    ) -> [[f32; MOST_LANES]; 2] {
        assert_eq!(from.len(), I::LANES);
        let mut loaded = [[7.0; MOST_LANES]; 2];
        // SAFETY: there are `LANES` elements to read, and room for as many.
        unsafe {
            isa.store(loaded[0].as_mut_ptr(), isa.load_stored(from.as_ptr()));
            let first = isa.load_stored_first(from.as_ptr(), I::LANES - 1);
            isa.store(loaded[1].as_mut_ptr(), first);
        }
        loaded
    }

    fn is_loaded<S: Storage<Compute = f32>, I: Simd<f32>>(isa: I, stored: &[S], wide: &[f32]) {
        for (stored, wide) in stored.chunks(I::LANES).zip(wide.chunks(I::LANES)) {
            let [all, first] = loaded(isa, stored);
            let last = wide.len() - 1;
            let same = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
            };
            assert!(same(&all, wide) && same(&first, &wide[..last]) && first[last] == 0.0);
        }
    }

    /// Numbers of every exponent and sign, on both sides of all ties of both types, and what is not a number.
    fn to_be_rounded() -> Vec<f32> {
        let ends = [0, 1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0x2fff, 0x3000, 0x3001];
        let upper = (0..=u16::MAX).step_by(7).chain([0x7f80, 0x7fc0, 0xff80, 0xffff]);
        upper
            .flat_map(|upper| ends.map(|end| f32::from_bits(u32::from(upper) << 16 | end)))
            .collect()
    }

    fn narrows_alike<S: Storage<Compute = f32>>(isa: impl Isa, from: &[f32]) {
        let mut to = vec![S::narrow(0.0); from.len()];
        narrow(isa, from, &mut to);
        for (&from, to) in from.iter().zip(to) {
            let (got, want) = (to.widen(), S::narrow(from).widen());
            assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()), "{from:e}");
        }
    }

    #[test]
    fn every_number_is_rounded_to_nearest() {
        let from = to_be_rounded();
        each_isa!(isa => {
            narrows_alike::<bf16>(isa, &from);
            narrows_alike::<f16>(isa, &from);
            narrows_alike::<f32>(isa, &from);
        });
    }

    #[test]
    fn every_number_is_widened_exactly() {
        let all = || 0..=u16::MAX;
        each_isa!(isa => {
            let mut wide = vec![0.0f32; 1 << 16];
            widen(isa, &all().map(bf16::from_bits).collect::<Vec<_>>(), &mut wide);
            for (bits, &wide) in all().zip(&wide) {
                let want = bf16::from_bits(bits).to_f32();
                assert!(wide == want || (wide.is_nan() && want.is_nan()), "bf16 {bits:#x}");
            }
            is_loaded(isa, &all().map(bf16::from_bits).collect::<Vec<_>>(), &wide);
            widen(isa, &all().map(f16::from_bits).collect::<Vec<_>>(), &mut wide);
            is_loaded(isa, &all().map(f16::from_bits).collect::<Vec<_>>(), &wide);
            for (bits, &wide) in all().zip(&wide) {
                let want = f16::from_bits(bits).to_f32();
                assert!(wide == want || (wide.is_nan() && want.is_nan()), "f16 {bits:#x}");
            }
        });
    }
}
