//! A few queries against a stream of keys: decoding.
//!
//! Here memory is the limit, not arithmetic: K and V are read once, row by row, in the order in which they
//! lie there. Components lie in lanes, so that a row of K is loaded as it is; all queries that share the
//! key use it while it is in registers.
//!
//! ```text
//! s_rj = sum over lanes of sum_d q_rd k_jd       R x keys sums in registers
//! o_rc += p_rj v_jc                              R x columns sums in registers, some keys at a time
//! ```

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: a check per vector would cost as much as the vector"
)]

use attn_core::Element as _;
use attn_host::Storage;

use super::exp::exp2;
use super::softmax::base;
use crate::num::Num;
use crate::products::Products;
use crate::simd::{Kernel, MOST_LANES, Simd};

/// The most queries that share a stream.
pub(crate) const MOST_ROWS: usize = 8;

/// Queries that are computed for `rows`: there are kernels for powers of two.
pub(crate) const fn padded_rows(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// Keys whose values are added up in registers at a time.
const RUN: usize = 16;

/// What [`dots`] takes of a row of q: whole vectors.
pub(crate) const fn packed_width<T: Num, I: Products<T>>(dim: usize) -> usize {
    dim.div_ceil(I::PACK).next_multiple_of(I::LANES)
}

/// Writes the products of the rows of `q` (`[R, width]`, packed, 0 from column `dim` on) and `k`
/// (`[keys, dim]`) to `s`, whose rows begin `stride` elements apart.
pub(crate) fn dots<S: Storage<Compute: Num>, I: Products<S::Compute>>(
    isa: I,
    q: &[I::Packed],
    (k, dim): (&[S], usize),
    (s, stride): (&mut [S::Compute], usize),
) {
    let width = packed_width::<S::Compute, I>(dim);
    let (rows, keys) = (q.len() / width, k.len() / dim);
    assert!(q.len() == rows * width && k.len() == keys * dim);
    assert!(keys <= stride && s.len() == rows * stride);
    let block = Dots { isa, q, k, dim, s, stride };
    match (rows, I::LANES) {
        (1, _) => isa.call(DotsKernel::<S, I::Packed, I, 1, 1>(block)),
        (2, _) => isa.call(DotsKernel::<S, I::Packed, I, 2, 4>(block)),
        (4, MOST_LANES) => isa.call(DotsKernel::<S, I::Packed, I, 4, 4>(block)),
        (4, _) => isa.call(DotsKernel::<S, I::Packed, I, 4, 2>(block)),
        (8, MOST_LANES) => isa.call(DotsKernel::<S, I::Packed, I, 8, 2>(block)),
        (8, _) => isa.call(DotsKernel::<S, I::Packed, I, 8, 1>(block)),
        (rows, _) => unreachable!("no kernel for {rows} rows"),
    }
}

struct Dots<'a, S: Storage, P, I> {
    isa: I,
    q: &'a [P],
    k: &'a [S],
    dim: usize,
    s: &'a mut [S::Compute],
    stride: usize,
}

/// `R` rows of q against `NK` keys at a time.
struct DotsKernel<'a, S: Storage, P, I, const R: usize, const NK: usize>(Dots<'a, S, P, I>);

impl<S: Storage<Compute: Num>, I: Products<S::Compute>, const R: usize, const NK: usize> Kernel
    for DotsKernel<'_, S, I::Packed, I, R, NK>
{
    #[inline(always)]
    fn run(self) {
        let mut block = self.0;
        let keys = block.k.len() / block.dim;
        let mut first = 0;
        while first + NK <= keys {
            dots_tile::<S, I, R, NK>(&mut block, first);
            first += NK;
        }
        while first < keys {
            dots_tile::<S, I, R, 1>(&mut block, first);
            first += 1;
        }
    }
}

/// Keys `first..first + NK`.
#[inline(always)]
fn dots_tile<S: Storage<Compute: Num>, I: Products<S::Compute>, const R: usize, const NK: usize>(
    block: &mut Dots<'_, S, I::Packed, I>,
    first: usize,
) {
    let Dots { isa, q, k, dim, ref mut s, stride } = *block;
    let numbers = I::LANES * I::PACK;
    let whole = dim / numbers;
    let mut acc = [[isa.splat(S::Compute::ZERO); NK]; R];
    // One key after another, though each reads all of q again: the processor's prefetchers follow one stream
    // of lines at the bandwidth of the memory, but not rows that take turns, and a prefetch by instruction
    // occupies the few buffers of the first-level cache, at half that rate.
    for j in 0..NK {
        // SAFETY: row `first + j` of k, as the caller vouches by the loop's bounds.
        let row = unsafe { k.as_ptr().add((first + j) * dim) };
        for d in 0..whole {
            // SAFETY: so many whole vectors are no more than the row has.
            let key = unsafe { isa.load_row(row.add(d * numbers)) };
            multiply::<S::Compute, I, R, NK>(isa, (q, dim), [d, j], key, &mut acc);
        }
        let done = whole * numbers;
        if done < dim {
            // SAFETY: this reads the last of the row's `dim` elements.
            let key = unsafe { isa.load_row_first(row.add(done), dim - done) };
            multiply::<S::Compute, I, R, NK>(isa, (q, dim), [whole, j], key, &mut acc);
        }
    }
    let mut sums = [[S::Compute::ZERO; NK]; R];
    if R * NK == I::LANES {
        // As many sums as lanes: transposed, they are one vector.
        let mut square = [isa.splat(S::Compute::ZERO); MOST_LANES];
        for r in 0..R {
            for j in 0..NK {
                square[r * NK + j] = acc[r][j];
            }
        }
        isa.transpose(&mut square);
        let mut sum = isa.splat(S::Compute::ZERO);
        for i in 0..I::LANES {
            sum = isa.add(sum, square[i]);
        }
        // SAFETY: the array has as many elements as a vector.
        unsafe { isa.store(sums.as_mut_ptr().cast(), sum) };
    } else {
        for r in 0..R {
            for j in 0..NK {
                sums[r][j] = isa.sum(acc[r][j]);
            }
        }
    }
    for r in 0..R {
        // SAFETY: `dots` asserted that each of the R rows of s has `stride` elements, at least one for each
        // key, of which these are `NK`.
        unsafe {
            let to = s.as_mut_ptr().add(r * stride + first);
            to.copy_from_nonoverlapping(sums[r].as_ptr(), NK);
        }
    }
}

/// Adds the products of vector `d` of key `j` and of all rows of `q` to their sums.
#[inline(always)]
fn multiply<T: Num, I: Products<T>, const R: usize, const NK: usize>(
    isa: I,
    (q, dim): (&[I::Packed], usize),
    [d, j]: [usize; 2],
    key: I::Operand,
    acc: &mut [[I::V; NK]; R],
) {
    let width = packed_width::<T, I>(dim);
    for r in 0..R {
        // SAFETY: `dots` asserted that each of the R rows of q has `width` elements.
        let q = unsafe { isa.load_packed(q.as_ptr().add(r * width + d * I::LANES)) };
        acc[r][j] = isa.dot(key, q, acc[r][j]);
    }
}

/// Adds to `o` (`[R, width]`, `width` being `columns` up to whole vectors) the rows of `v`
/// (`[keys, columns]`) weighted by `p`, whose rows of at least as many keys begin `stride` elements apart.
pub(crate) fn combine<S: Storage<Compute: Num>, I: Simd<S::Compute>>(
    isa: I,
    (p, stride): (&[S::Compute], usize),
    (v, columns): (&[S], usize),
    o: &mut [S::Compute],
) {
    let width = columns.next_multiple_of(I::LANES);
    let (rows, keys) = (o.len() / width, v.len() / columns);
    assert!(o.len() == rows * width && v.len() == keys * columns);
    assert!(keys <= stride && p.len() >= (rows - 1) * stride + keys);
    let block = Combine { isa, p, stride, v, columns, o };
    match (rows, I::ACCUMULATORS) {
        (1 | 2 | 4 | 8, 1..16) | (1, _) => isa.call(CombineKernel::<S, I, 1, 8>(block)),
        (2 | 4 | 8, _) => isa.call(CombineKernel::<S, I, 2, 8>(block)),
        (rows, _) => unreachable!("no kernel for {rows} rows"),
    }
}

struct Combine<'a, S: Storage, I> {
    isa: I,
    p: &'a [S::Compute],
    stride: usize,
    v: &'a [S],
    columns: usize,
    o: &'a mut [S::Compute],
}

/// `R` rows of O, `NV` vectors of columns at a time. A run of keys comes from memory for the first `R` rows,
/// in the order in which it lies there, and from the nearest cache for the others.
struct CombineKernel<'a, S: Storage, I, const R: usize, const NV: usize>(Combine<'a, S, I>);

impl<S: Storage<Compute: Num>, I: Simd<S::Compute>, const R: usize, const NV: usize> Kernel
    for CombineKernel<'_, S, I, R, NV>
{
    #[inline(always)]
    fn run(self) {
        let mut block = self.0;
        let (keys, whole) = (block.v.len() / block.columns, block.columns / I::LANES);
        let rows = block.o.len() / block.columns.next_multiple_of(I::LANES);
        for first in (0..keys).step_by(RUN) {
            let last = if first + RUN < keys { first + RUN } else { keys };
            for row in (0..rows).step_by(R) {
                let mut at = 0;
                while at + NV <= whole {
                    combine_columns::<S, I, R, NV>(&mut block, row, [first, last, at]);
                    at += NV;
                }
                while at < whole {
                    combine_columns::<S, I, R, 1>(&mut block, row, [first, last, at]);
                    at += 1;
                }
                if whole * I::LANES < block.columns {
                    combine_rest::<S, I, R>(&mut block, row, [first, last]);
                }
            }
        }
    }
}

/// `NV` whole vectors of columns, from vector `at` on, of keys `first..last`, for `R` rows from `row` on.
#[inline(always)]
fn combine_columns<
    S: Storage<Compute: Num>,
    I: Simd<S::Compute>,
    const R: usize,
    const NV: usize,
>(
    block: &mut Combine<'_, S, I>,
    row: usize,
    [first, last, at]: [usize; 3],
) {
    let Combine { isa, p, stride, v, columns, ref mut o } = *block;
    let (c, width) = (at * I::LANES, columns.next_multiple_of(I::LANES));
    let mut acc = [[isa.splat(S::Compute::ZERO); NV]; R];
    // SAFETY: `combine` asserted that v has `columns` elements for each key, of which these are a part,
    // p a weight for each row and key, and o `width` elements for each row; `R` divides the rows.
    unsafe {
        for r in 0..R {
            for i in 0..NV {
                acc[r][i] = isa.load(o.as_ptr().add((row + r) * width + c + i * I::LANES));
            }
        }
        for j in first..last {
            let values = v.as_ptr().add(j * columns + c);
            let mut weights = [isa.splat(S::Compute::ZERO); R];
            for r in 0..R {
                weights[r] = isa.splat(*p.as_ptr().add((row + r) * stride + j));
            }
            for i in 0..NV {
                let v = isa.load_stored(values.add(i * I::LANES));
                for r in 0..R {
                    acc[r][i] = isa.fma(v, weights[r], acc[r][i]);
                }
            }
        }
        for r in 0..R {
            for i in 0..NV {
                isa.store(o.as_mut_ptr().add((row + r) * width + c + i * I::LANES), acc[r][i]);
            }
        }
    }
}

/// The columns that fill no vector, of keys `first..last`, for `R` rows from `row` on.
#[inline(always)]
fn combine_rest<S: Storage<Compute: Num>, I: Simd<S::Compute>, const R: usize>(
    block: &mut Combine<'_, S, I>,
    row: usize,
    [first, last]: [usize; 2],
) {
    let Combine { isa, p, stride, v, columns, ref mut o } = *block;
    let (c, width) = (columns / I::LANES * I::LANES, columns.next_multiple_of(I::LANES));
    for r in 0..R {
        // SAFETY: as in `combine_columns`; of the rows of v only what is left of `columns` is read, and
        // rows of o have whole vectors.
        unsafe {
            let to = o.as_mut_ptr().add((row + r) * width + c);
            let mut acc = isa.load(to);
            for j in first..last {
                let v = isa.load_stored_first(v.as_ptr().add(j * columns + c), columns - c);
                acc = isa.fma(v, isa.splat(*p.as_ptr().add((row + r) * stride + j)), acc);
            }
            isa.store(to, acc);
        }
    }
}

/// The largest of some scores, whole vectors of them.
pub(crate) fn largest<T: Num, I: Simd<T>>(isa: I, s: &[T]) -> T {
    assert!(s.len().is_multiple_of(I::LANES));
    let mut lanes = [T::NEG_INFINITY; MOST_LANES];
    isa.call(Largest { isa, s, lanes: &mut lanes });
    lanes.into_iter().fold(T::NEG_INFINITY, |m, s| s.larger(m))
}

struct Largest<'a, T, I> {
    isa: I,
    s: &'a [T],
    lanes: &'a mut [T; MOST_LANES],
}

impl<T: Num, I: Simd<T>> Kernel for Largest<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let Largest { isa, s, lanes } = self;
        let mut m = isa.splat(T::NEG_INFINITY);
        for at in (0..s.len()).step_by(I::LANES) {
            // SAFETY: `largest` asserted that s consists of whole vectors.
            m = isa.max(unsafe { isa.load(s.as_ptr().add(at)) }, m);
        }
        // SAFETY: the array has as many elements as the widest vector.
        unsafe { isa.store(lanes.as_mut_ptr(), m) };
    }
}

/// Turns scores into weights `exp(s - m)` and returns their sum.
pub(crate) fn weigh_row<T: Num, I: Simd<T>>(isa: I, s: &mut [T], m: T) -> T {
    assert!(s.len().is_multiple_of(I::LANES));
    let mut sum = T::ZERO;
    isa.call(WeighRow { isa, s, m, sum: &mut sum });
    sum
}

struct WeighRow<'a, T, I> {
    isa: I,
    s: &'a mut [T],
    m: T,
    sum: &'a mut T,
}

impl<T: Num, I: Simd<T>> Kernel for WeighRow<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let WeighRow { isa, s, m, sum } = self;
        let (base, log2_e) = (base(isa, isa.splat(m)), isa.splat(T::LOG2_E));
        let mut acc = isa.splat(T::ZERO);
        for at in (0..s.len()).step_by(I::LANES) {
            // SAFETY: `weigh_row` asserted that s consists of whole vectors.
            unsafe {
                let s = s.as_mut_ptr().add(at);
                let p = exp2(isa, isa.mul(isa.sub(isa.load(s), base), log2_e));
                acc = isa.add(acc, p);
                isa.store(s, p);
            }
        }
        *sum = isa.sum(acc);
    }
}

/// Multiplies `o` by `scale` and adds `new`.
pub(crate) fn join<T: Num, I: Simd<T>>(isa: I, o: &mut [T], scale: T, new: &[T]) {
    assert!(o.len() == new.len() && o.len().is_multiple_of(I::LANES));
    isa.call(Join { isa, o, scale, new });
}

struct Join<'a, T, I> {
    isa: I,
    o: &'a mut [T],
    scale: T,
    new: &'a [T],
}

impl<T: Num, I: Simd<T>> Kernel for Join<'_, T, I> {
    #[inline(always)]
    fn run(self) {
        let Join { isa, o, scale, new } = self;
        let scale = isa.splat(scale);
        for at in (0..o.len()).step_by(I::LANES) {
            // SAFETY: `join` asserted that both consist of the same number of whole vectors.
            unsafe {
                let o = o.as_mut_ptr().add(at);
                isa.store(o, isa.fma(isa.load(o), scale, isa.load(new.as_ptr().add(at))));
            }
        }
    }
}
