//! From rows to lanes and back: `Q^T` before a tile is computed, O after it.
//!
//! Squares of `LANES x LANES` are transposed in registers, what is left over one number at a time.

#![expect(unsafe_code, reason = "pointers into checked slices: squares lie across rows")]

use crate::num::Num;
use crate::simd::{Kernel, MOST_LANES, Simd};

/// What elements are multiplied by on their way.
#[derive(Clone, Copy)]
pub(crate) enum Factor<'a, T> {
    /// Nothing: bits are moved as they are.
    None,
    /// All by the same.
    All(T),
    /// Each column of the source by its own.
    Columns(&'a [T]),
}

/// A matrix in a slice whose rows begin `stride` elements apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
}

/// Writes the transpose of `from`, times `factor`, to `to`, whose rows begin `stride` elements apart.
pub(crate) fn transpose<T: Num, I: Simd<T>>(
    isa: I,
    from: &[T],
    extent: Extent,
    to: &mut [T],
    stride: usize,
    factor: Factor<'_, T>,
) {
    let Extent { rows, columns, stride: pitch } = extent;
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(columns <= pitch && rows <= stride);
    assert!((rows - 1) * pitch + columns <= from.len());
    assert!((columns - 1) * stride + rows <= to.len());
    if let Factor::Columns(factors) = factor {
        assert!(columns <= factors.len());
    }
    isa.call(TransposeKernel { isa, from, extent, to, stride, factor });
}

struct TransposeKernel<'a, T, I> {
    isa: I,
    from: &'a [T],
    extent: Extent,
    to: &'a mut [T],
    stride: usize,
    factor: Factor<'a, T>,
}

impl<T: Num, I: Simd<T>> Kernel for TransposeKernel<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let TransposeKernel { isa, from, extent, to, stride, factor } = self;
        let Extent { rows, columns, stride: pitch } = extent;
        let [whole_rows, whole_columns] = [rows, columns].map(|n| n / I::LANES * I::LANES);
        for c in (0..whole_columns).step_by(I::LANES) {
            let scale = match factor {
                Factor::None => isa.splat(T::ONE),
                Factor::All(factor) => isa.splat(factor),
                // SAFETY: `transpose` asserted that there is a factor for each column.
                Factor::Columns(factors) => unsafe { isa.load(factors.as_ptr().add(c)) },
            };
            for r in (0..whole_rows).step_by(I::LANES) {
                let mut square = [isa.splat(T::ZERO); MOST_LANES];
                for i in 0..I::LANES {
                    // SAFETY: `transpose` asserted that `rows` rows of `columns` elements lie within
                    // `from`, and `columns` rows of `rows` elements within `to`.
                    let row = unsafe { isa.load(from.as_ptr().add((r + i) * pitch + c)) };
                    square[i] =
                        if matches!(factor, Factor::None) { row } else { isa.mul(row, scale) };
                }
                isa.transpose(&mut square);
                for i in 0..I::LANES {
                    // SAFETY: as above.
                    unsafe { isa.store(to.as_mut_ptr().add((c + i) * stride + r), square[i]) };
                }
            }
        }
        for r in 0..rows {
            let done = if r < whole_rows { whole_columns } else { 0 };
            for c in done..columns {
                let x = from[r * pitch + c];
                to[c * stride + r] = match factor {
                    Factor::None => x,
                    Factor::All(factor) => x * factor,
                    Factor::Columns(factors) => x * factors[c],
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    #[cfg(target_arch = "x86_64")]
    use crate::simd::{avx2::Avx2, avx512::Avx512};
    use crate::simd::{each_isa, portable::Portable};

    fn agrees<T: Num>(isa: impl Simd<T>, rows: usize, columns: usize, gap: usize) {
        let (pitch, stride) = (columns + gap, rows + gap);
        let from: Vec<_> = (0..rows * pitch).map(|x| T::from_f64(x as f64)).collect();
        let factors: Vec<_> = (0..columns).map(|x| T::from_f64(1.0 + x as f64)).collect();
        for factor in [Factor::None, Factor::All(T::from_f64(3.0)), Factor::Columns(&factors)] {
            let mut to = vec![T::from_f64(-1.0); columns * stride];
            let extent = Extent { rows, columns, stride: pitch };
            transpose(isa, &from, extent, &mut to, stride, factor);
            for (at, &got) in to.iter().enumerate() {
                let (c, r) = (at / stride, at % stride);
                let scale = match factor {
                    Factor::None => T::ONE,
                    Factor::All(factor) => factor,
                    Factor::Columns(factors) => factors[c],
                };
                let want = if r < rows { from[r * pitch + c] * scale } else { T::from_f64(-1.0) };
                assert_eq!(got, want, "row {c}, column {r} of {columns} x {rows}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_element_gets_to_its_place(rows in 1usize..40, columns in 1usize..40, gap in 0usize..5) {
            each_isa!(isa => agrees::<f32>(isa, rows, columns, gap));
            agrees::<f64>(Portable, rows, columns, gap);
            #[cfg(target_arch = "x86_64")]
            {
                if let Some(isa) = Avx2::detect() {
                    agrees::<f64>(isa, rows, columns, gap);
                }
                if let Some(isa) = Avx512::detect() {
                    agrees::<f64>(isa, rows, columns, gap);
                }
            }
        }
    }
}
