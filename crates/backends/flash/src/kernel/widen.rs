//! Half types become f32, exactly.

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

/// The bits of elements of a half type.
fn bits<S: Storage>(x: &[S]) -> &[u16] {
    assert!(matches!(S::DTYPE, DType::BF16 | DType::F16));
    // SAFETY: `Element` is a sealed set of types, each with a tag of its own, and the two half types
    // are transparent wrappers of their bits.
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
