//! Scores, weights and values by instructions for whole matrices.
//!
//! What lies where is as for [pairs](crate::products): queries in lanes, so that `Q^T` and `P^T` are second factors as they are,
//! and K is a first factor as it is stored. V has to be transposed, which is done once for all tiles of a head that fits the cache:
//!
//! | | first factor, 16 rows of 16 pairs | second factor, 16 pairs of 16 queries |
//! |---|---|---|
//! | `S^T` | K, `[keys, D/2]`; a row is a key | `Q^T`, `[D/2, W]` |
//! | `O^T` | `V^T`, `[keys/32, Dv, 16]`; a row is a column of V | `P^T`, `[keys/2, W]` |
//!
//! D is filled up to whole pairs of 32, keys to 32, Dv to 16, with zeros. Products take a fraction of the time of the exponentials,
//! which vectors compute beside: while the scores of some keys are summed up, those of the keys before become weights.

#![expect(
    unsafe_code,
    reason = "pointers into checked slices: instructions take rows at a distance"
)]

use std::mem::MaybeUninit;
use std::ops::Range;

use super::Lanes;
use super::fused::Rows;
use super::softmax::base;
use crate::products::Products;
use crate::simd::amx::{Amx, Factor, NUMBERS, ROWS, Tiles};
use crate::simd::avx512bf16::Pair;
use crate::simd::{Isa, Kernel, MOST_LANES, Simd};

/// Vectors of queries of a tile, at most.
const VECTORS: usize = <Amx as Simd<f32>>::VECTORS;
/// Numbers between rows of what is kept for a while.
const PITCH: usize = VECTORS * MOST_LANES;

/// Room for the sums of two tiles of rows and all vectors.
#[repr(C, align(64))]
struct Sums(MaybeUninit<[f32; 2 * ROWS * PITCH]>);

impl Sums {
    const fn new() -> Self {
        Sums(MaybeUninit::uninit())
    }

    /// A vector of a row.
    #[inline(always)]
    fn at(&mut self, row: usize, v: usize) -> *mut f32 {
        self.0.as_mut_ptr().cast::<f32>().wrapping_add(row * PITCH + v * MOST_LANES)
    }
}

/// The vectors that are computed together: two by two.
#[inline(always)]
fn pairs(vectors: usize) -> impl Iterator<Item = Range<usize>> {
    (0..vectors).step_by(2).map(move |v| v..vectors.min(v + 2))
}

/// Writes to `sums` the products of the tiles of rows of `a`, one or two where `rows` are left, and the vectors `vs` of `b`, summed over
/// `steps` tiles.
///
/// # Safety
/// All these tiles can be read.
#[inline(always)]
unsafe fn multiply(
    tiles: &Tiles,
    (a, rows): (Factor, usize),
    b: Factor,
    steps: usize,
    (sums, vs): (&mut Sums, &Range<usize>),
) {
    let (b, to) = (b.further(vs.start * MOST_LANES), sums.at(0, vs.start));
    // SAFETY: as the caller vouches; there is room for two tiles of rows of all vectors.
    unsafe {
        match (rows > ROWS, vs.len() > 1) {
            (false, false) => multiply_tiles::<1, 1>(tiles, a, b, steps, to),
            (false, true) => multiply_tiles::<1, 2>(tiles, a, b, steps, to),
            (true, false) => multiply_tiles::<2, 1>(tiles, a, b, steps, to),
            (true, true) => multiply_tiles::<2, 2>(tiles, a, b, steps, to),
        }
    }
}

/// The same of `R` tiles of rows and `C` of columns.
///
/// # Safety
/// They can be read, and written to `to`.
#[inline(always)]
unsafe fn multiply_tiles<const R: usize, const C: usize>(
    tiles: &Tiles,
    a: Factor,
    b: Factor,
    steps: usize,
    to: *mut f32,
) {
    tiles.zero();
    // SAFETY: as the caller vouches.
    unsafe {
        for step in 0..steps {
            tiles.multiply::<R, C>(a.further(step * a.along), b.further(step * b.along));
        }
        tiles.store::<R, C>(to, PITCH);
    }
}

/// As [`scores`](super::scores::scores), for K filled up to whole tiles of rows.
pub(crate) fn scores(
    isa: Amx,
    qt: &[Pair],
    k: &[Pair],
    s: &mut [f32],
    top: &mut [f32],
    lanes: Lanes,
) {
    let product = Product::new(qt, k, 0..s.len() / lanes.width, lanes);
    assert!(s.len().is_multiple_of(lanes.width) && top.len() == lanes.width);
    isa.call(Scores { isa, product, s, top });
}

/// `K Q^T`: what has been checked.
#[derive(Clone, Copy)]
struct Product {
    qt: *const Pair,
    k: *const Pair,
    depth: usize,
    keys: [usize; 2],
    lanes: Lanes,
}

impl Product {
    fn new(qt: &[Pair], k: &[Pair], keys: Range<usize>, lanes: Lanes) -> Self {
        let Lanes { width, first, vectors } = lanes;
        let depth = qt.len() / width;
        assert!(qt.len() == depth * width && depth.is_multiple_of(MOST_LANES));
        assert!(vectors <= VECTORS && first + vectors * MOST_LANES <= width);
        assert!(
            keys.start.is_multiple_of(ROWS) && keys.end.next_multiple_of(ROWS) * depth <= k.len()
        );
        let keys = [keys.start, keys.end];
        Product { qt: qt[first..].as_ptr(), k: k.as_ptr(), depth, keys, lanes }
    }

    /// The sums of up to two tiles of keys from `key` on, which is below the end, and some vectors of queries.
    #[inline(always)]
    fn sums(&self, tiles: &Tiles, key: usize, to: (&mut Sums, &Range<usize>)) {
        let Product { qt, k, depth, keys: [_, end], lanes: Lanes { width, .. } } = *self;
        let row = size_of::<Pair>();
        let at = k.wrapping_add(key * depth);
        let a = Factor { at, row: depth * row, next: ROWS * depth, along: MOST_LANES };
        let b = Factor { at: qt, row: width * row, next: MOST_LANES, along: MOST_LANES * width };
        // SAFETY: `new` asserted that there are `depth` rows of these lanes, and keys up to a whole tile of rows.
        unsafe { multiply(tiles, (a, end - key), b, depth / MOST_LANES, to) };
    }
}

struct Scores<'a> {
    isa: Amx,
    product: Product,
    s: &'a mut [f32],
    top: &'a mut [f32],
}

impl Kernel for Scores<'_> {
    #[inline(always)]
    fn run(self) {
        let Scores { isa, product, s, top } = self;
        let Product { keys: [_, end], lanes: Lanes { width, first, vectors }, .. } = product;
        let tiles = isa.tiles();
        let mut sums = Sums::new();
        for key in (0..end).step_by(2 * ROWS) {
            let count = (2 * ROWS).min(end - key);
            for vs in pairs(vectors) {
                product.sums(&tiles, key, (&mut sums, &vs));
                for v in vs {
                    let lane = first + v * MOST_LANES;
                    // SAFETY: `scores` asserted that `s` has a row for each key and `top` all lanes.
                    unsafe {
                        let mut most = isa.load(top.as_ptr().add(lane));
                        for row in 0..count {
                            let x = isa.load(sums.at(row, v));
                            most = isa.max(x, most);
                            isa.store(s.as_mut_ptr().add((key + row) * width + lane), x);
                        }
                        isa.store(top.as_mut_ptr().add(lane), most);
                    }
                }
            }
        }
    }
}

/// As [`fused::weights`](super::fused::weights), for K filled up to whole tiles of rows.
pub(crate) fn weights(
    isa: Amx,
    qt: &[Pair],
    (k, keys): (&[Pair], Range<usize>),
    p: &mut [Pair],
    rows: Rows<'_, f32>,
    lanes: Lanes,
) {
    let product = Product::new(qt, k, keys.clone(), lanes);
    assert!(keys.end.div_ceil(2) * lanes.width <= p.len());
    let Rows { m, top, sums, .. } = &rows;
    assert!([m.len(), top.len(), sums.len()] == [lanes.width; 3]);
    isa.call(Weights { isa, product, p, rows });
}

struct Weights<'a> {
    isa: Amx,
    product: Product,
    p: &'a mut [Pair],
    rows: Rows<'a, f32>,
}

impl Kernel for Weights<'_> {
    #[inline(always)]
    fn run(mut self) {
        let Product { keys: [start, end], lanes: Lanes { vectors, .. }, .. } = self.product;
        let tiles = self.isa.tiles();
        let mut sums = [const { Sums::new() }; 2];
        for vs in pairs(vectors) {
            self.product.sums(&tiles, start, (&mut sums[0], &vs));
        }
        let [now, other] = &mut sums;
        let (mut now, mut other) = (now, other);
        for key in (start..end).step_by(2 * ROWS) {
            // Some of each at a time, since the processor looks ahead a few hundred instructions.
            for vs in pairs(vectors) {
                if key + 2 * ROWS < end {
                    self.product.sums(&tiles, key + 2 * ROWS, (other, &vs));
                }
                self.weigh(now, key, vs);
            }
            (now, other) = (other, now);
        }
    }
}

impl Weights<'_> {
    /// Makes weights of the scores of up to two tiles of keys from `key` on, and some vectors of queries.
    #[inline(always)]
    fn weigh(&mut self, scores: &mut Sums, key: usize, vs: Range<usize>) {
        let Weights { isa, product, p, rows } = self;
        let isa = *isa;
        let Product { keys: [_, end], lanes: Lanes { width, first, .. }, .. } = *product;
        let count = (2 * ROWS).min(end - key);
        let nothing = isa.splat(f32::NEG_INFINITY);
        for v in vs {
            let lane = first + v * MOST_LANES;
            // SAFETY: `weights` asserted that all of these have these lanes, and that p has a row for each pair of keys.
            unsafe {
                let base = base(isa, isa.load(rows.m.as_ptr().add(lane)));
                let factor = isa.splat(rows.factor);
                let mut most = isa.load(rows.top.as_ptr().add(lane));
                let mut sum = isa.load(rows.sums.as_ptr().add(lane));
                for pair in 0..count.div_ceil(2) {
                    let first = isa.load(scores.at(2 * pair, v));
                    let second = if 2 * pair + 1 < count {
                        isa.load(scores.at(2 * pair + 1, v))
                    } else {
                        nothing
                    };
                    most = isa.max(isa.max(first, second), most);
                    let weights = isa.weights([first, second], base, factor);
                    sum = isa.add_weights(weights, sum);
                    isa.store_packed(p.as_mut_ptr().add((key / 2 + pair) * width + lane), weights);
                }
                isa.store(rows.top.as_mut_ptr().add(lane), most);
                isa.store(rows.sums.as_mut_ptr().add(lane), sum);
            }
        }
    }
}

/// As [`values`](super::values::values), for V as [`pack_values`] leaves it.
pub(crate) fn values(
    isa: Amx,
    p: &[Pair],
    v: &[Pair],
    (ot, empty): (&mut [f32], bool),
    lanes: Lanes,
) {
    let Lanes { width, first, vectors } = lanes;
    let (columns, packs) = (ot.len() / width, p.len() / width);
    assert!(ot.len() == columns * width && columns.is_multiple_of(ROWS));
    assert!(
        p.len() == packs * width && packs.is_multiple_of(NUMBERS / 2) && v.len() == packs * columns
    );
    assert!(vectors <= VECTORS && first + vectors * MOST_LANES <= width);
    isa.call(Values { isa, p, v, ot, empty, lanes });
}

struct Values<'a> {
    isa: Amx,
    p: &'a [Pair],
    v: &'a [Pair],
    ot: &'a mut [f32],
    empty: bool,
    lanes: Lanes,
}

impl Kernel for Values<'_> {
    #[inline(always)]
    fn run(self) {
        let Values { isa, p, v, ot, empty, lanes: Lanes { width, first, vectors } } = self;
        let columns = ot.len() / width;
        let tiles = isa.tiles();
        let mut sums = Sums::new();
        let row = size_of::<Pair>();
        let along = MOST_LANES * width;
        let b = Factor { at: p[first..].as_ptr(), row: width * row, next: MOST_LANES, along };
        let steps = p.len() / width / ROWS;
        for c in (0..columns).step_by(2 * ROWS) {
            let (at, along) = (v[c * ROWS..].as_ptr(), columns * ROWS);
            let a = Factor { at, row: ROWS * row, next: ROWS * ROWS, along };
            for vs in pairs(vectors) {
                // SAFETY: `values` asserted that v has `columns` rows for every 32 keys, and that p and `ot` have these lanes.
                unsafe {
                    multiply(&tiles, (a, columns - c), b, steps, (&mut sums, &vs));
                    for row in 0..(2 * ROWS).min(columns - c) {
                        for v in vs.clone() {
                            let sum = isa.load(sums.at(row, v));
                            let o = ot.as_mut_ptr().add((c + row) * width + first + v * MOST_LANES);
                            isa.store(o, if empty { sum } else { isa.add(isa.load(o), sum) });
                        }
                    }
                }
            }
        }
    }
}

/// Packs V (`[keys, columns]`) as `[keys/32, Dv, 16]` pairs of keys, filled up with zeros.
pub(crate) fn pack_values(isa: Amx, v: &[u16], columns: usize, to: &mut [Pair]) {
    let filled = columns.next_multiple_of(ROWS);
    assert!(v.len().is_multiple_of(columns));
    assert!(to.len() == (v.len() / columns).div_ceil(NUMBERS) * filled * ROWS);
    isa.call(Transpose { isa, v, columns, to });
}

struct Transpose<'a> {
    isa: Amx,
    v: &'a [u16],
    columns: usize,
    to: &'a mut [Pair],
}

impl Kernel for Transpose<'_> {
    #[inline(always)]
    fn run(self) {
        let Transpose { isa, v, columns, to } = self;
        let filled = columns.next_multiple_of(ROWS);
        for (v, to) in v.chunks(NUMBERS * columns).zip(to.chunks_exact_mut(filled * ROWS)) {
            let keys = v.len() / columns;
            for (at, to) in to.chunks_exact_mut(ROWS * ROWS).enumerate() {
                let first = at * ROWS;
                let width = ROWS.min(columns - first);
                let mut square = [isa.splat(0.0); MOST_LANES];
                // SAFETY: of each key `width` numbers from `first` on are read, and sixteen vectors of sixteen pairs written.
                unsafe {
                    for pair in 0..keys.div_ceil(2) {
                        let first = v.as_ptr().add(2 * pair * columns + first);
                        let second = (2 * pair + 1 < keys).then(|| first.add(columns));
                        square[pair] = isa.pairs_of_rows(first, second, width);
                    }
                    isa.transpose(&mut square);
                    for (row, &x) in square.iter().enumerate() {
                        isa.store(to.as_mut_ptr().add(row * ROWS).cast(), x);
                    }
                }
            }
        }
    }
}
