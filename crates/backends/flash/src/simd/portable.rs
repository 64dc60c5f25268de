//! Arrays that the compiler turns into whatever vectors it was told to use.

#![expect(unsafe_code, reason = "loads and stores through pointers, as the trait has them")]

use super::{Isa, Kernel, MOST_LANES, Simd};
use crate::num::Num;

/// No instruction set in particular.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Isa for Portable {
    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) {
        #[inline(never)]
        fn compiled<K: Kernel>(kernel: K) {
            kernel.run();
        }
        compiled(kernel);
    }

    #[inline(always)]
    fn widen_f16(self, from: &[u16; 8], to: &mut [f32; 8]) {
        for (to, &bits) in to.iter_mut().zip(from) {
            *to = half::f16::from_bits(bits).to_f32();
        }
    }

    #[inline(always)]
    fn narrow_f16(self, from: &[f32; 8], to: &mut [u16; 8]) {
        for (to, &x) in to.iter_mut().zip(from) {
            *to = half::f16::from_f32(x).to_bits();
        }
    }
}

const LANES: usize = 8;

macro_rules! lanewise {
    ($name:ident($($x:ident),+) => $f:expr) => {
        #[inline(always)]
        fn $name(self, $($x: [T; LANES]),+) -> [T; LANES] {
            let mut out = [T::ZERO; LANES];
            for i in 0..LANES {
                out[i] = $f($($x[i]),+);
            }
            out
        }
    };
}

impl<T: Num> Simd<T> for Portable {
    type V = [T; LANES];
    const LANES: usize = LANES;
    const VECTORS: usize = 2;
    const ACCUMULATORS: usize = 8;

    #[inline(always)]
    fn splat(self, x: T) -> [T; LANES] {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const T) -> [T; LANES] {
        // SAFETY: the caller vouches for `LANES` readable elements; arrays are aligned like them.
        unsafe { from.cast::<[T; LANES]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T, x: [T; LANES]) {
        // SAFETY: the caller vouches for `LANES` writable elements; arrays are aligned like them.
        unsafe { to.cast::<[T; LANES]>().write(x) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const T, n: usize) -> [T; LANES] {
        let mut out = [T::ZERO; LANES];
        for (i, out) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` readable elements.
            *out = unsafe { *from.add(i) };
        }
        out
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> [T; LANES] {
        // SAFETY: the caller vouches for `LANES` readable elements.
        let bits = unsafe { from.cast::<[u16; LANES]>().read() };
        bits.map(|bits| T::from_f32(half::bf16::from_bits(bits).to_f32()))
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> [T; LANES] {
        // SAFETY: the caller vouches for `LANES` readable elements.
        let bits = unsafe { from.cast::<[u16; LANES]>().read() };
        bits.map(|bits| T::from_f32(half::f16::from_bits(bits).to_f32()))
    }

    #[inline(always)]
    fn transpose(self, square: &mut [[T; LANES]; MOST_LANES]) {
        for i in 0..LANES {
            for j in 0..i {
                (square[i][j], square[j][i]) = (square[j][i], square[i][j]);
            }
        }
    }

    lanewise!(add(a, b) => |a, b| a + b);
    lanewise!(sub(a, b) => |a, b| a - b);
    lanewise!(mul(a, b) => |a, b| a * b);
    lanewise!(div(a, b) => |a, b| a / b);
    lanewise!(fma(a, b, c) => T::fused);
    lanewise!(max(a, b) => |a, b| if a > b { a } else { b });
    lanewise!(min(a, b) => |a, b| if a < b { a } else { b });
    lanewise!(power(rounded) => T::power);
    lanewise!(select_less(a, b, x, y) => |a, b, x, y| if a < b { x } else { y });

    #[inline(always)]
    fn any_less(self, a: [T; LANES], b: [T; LANES]) -> bool {
        let mut any = false;
        for i in 0..LANES {
            any |= a[i] < b[i];
        }
        any
    }

    #[inline(always)]
    fn sum(self, x: [T; LANES]) -> T {
        let [a, b, c, d, e, f, g, h] = x;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}
