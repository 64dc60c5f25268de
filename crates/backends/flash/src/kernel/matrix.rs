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
use crate::simd::amx::{Amx, Factor, KEYS, ROWS, Tiles};
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

/// The vectors that are computed together with `v`, which is even.
#[inline(always)]
fn together(v: usize, vectors: usize) -> Range<usize> {
    v..vectors.min(v + 2)
}

/// Writes to `sums` the products of `R` tiles of rows of `a` and the vectors `vs` of `b`, summed over `steps` tiles that are `along`
/// pairs apart.
///
/// # Safety
/// All these tiles can be read.
#[inline(always)]
unsafe fn multiply<const R: usize>(
    tiles: &Tiles,
    (a, b): (Factor, Factor),
    (steps, along): (usize, [usize; 2]),
    (sums, vs): (&mut Sums, &Range<usize>),
) {
    let b = b.further(vs.start * MOST_LANES);
    let to = sums.at(0, vs.start);
    tiles.zero();
    // SAFETY: as the caller vouches; there is room for two tiles of rows of all vectors.
    unsafe {
        if vs.len() == 2 {
            for step in 0..steps {
                tiles.multiply::<R, 2>(a.further(step * along[0]), b.further(step * along[1]));
            }
            tiles.store::<R, 2>(to, PITCH);
        } else {
            for step in 0..steps {
                tiles.multiply::<R, 1>(a.further(step * along[0]), b.further(step * along[1]));
            }
            tiles.store::<R, 1>(to, PITCH);
        }
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
        let a = Factor {
            at: k.wrapping_add(key * depth),
            row: depth * size_of::<Pair>(),
            next: ROWS * depth,
        };
        let b = Factor { at: qt, row: width * size_of::<Pair>(), next: MOST_LANES };
        let (steps, along) = (depth / MOST_LANES, [MOST_LANES, MOST_LANES * width]);
        // SAFETY: `new` asserted that there are `depth` rows of these lanes, and keys up to a whole tile of rows.
        unsafe {
            if key + ROWS < end {
                multiply::<2>(tiles, (a, b), (steps, along), to);
            } else {
                multiply::<1>(tiles, (a, b), (steps, along), to);
            }
        }
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
        let mut key = 0;
        while key < end {
            let count = (2 * ROWS).min(end - key);
            for vs in (0..vectors).step_by(2).map(|v| together(v, vectors)) {
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
            key += 2 * ROWS;
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
        for vs in (0..vectors).step_by(2).map(|v| together(v, vectors)) {
            self.product.sums(&tiles, start, (&mut sums[0], &vs));
        }
        let [now, other] = &mut sums;
        let (mut now, mut other) = (now, other);
        for key in (start..end).step_by(2 * ROWS) {
            // Some of each at a time, since the processor looks ahead a few hundred instructions.
            for vs in (0..vectors).step_by(2).map(|v| together(v, vectors)) {
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
                for pair in 0..count / 2 {
                    let s = [0, 1].map(|of| isa.load(scores.at(2 * pair + of, v)));
                    most = isa.max(isa.max(s[0], s[1]), most);
                    let weights = isa.weights(s, base, factor);
                    sum = isa.add_weights(weights, sum);
                    isa.store_packed(p.as_mut_ptr().add((key / 2 + pair) * width + lane), weights);
                }
                if count % 2 == 1 {
                    let s = isa.load(scores.at(count - 1, v));
                    most = isa.max(s, most);
                    let weights = isa.weights([s, nothing], base, factor);
                    sum = isa.add_weights(weights, sum);
                    let row = key / 2 + count / 2;
                    isa.store_packed(p.as_mut_ptr().add(row * width + lane), weights);
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
        p.len() == packs * width && packs.is_multiple_of(KEYS / 2) && v.len() == packs * columns
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
        let (row, next) = (ROWS * size_of::<Pair>(), ROWS * ROWS);
        let b =
            Factor { at: p[first..].as_ptr(), row: width * size_of::<Pair>(), next: MOST_LANES };
        let (steps, along) = (p.len() / width / ROWS, [columns * ROWS, MOST_LANES * width]);
        for c in (0..columns).step_by(2 * ROWS) {
            let a = Factor { at: v[c * ROWS..].as_ptr(), row, next };
            for vs in (0..vectors).step_by(2).map(|v| together(v, vectors)) {
                // SAFETY: `values` asserted that v has `columns` rows for every 32 keys, and that p and `ot` have these lanes.
                unsafe {
                    if c + ROWS < columns {
                        multiply::<2>(&tiles, (a, b), (steps, along), (&mut sums, &vs));
                    } else {
                        multiply::<1>(&tiles, (a, b), (steps, along), (&mut sums, &vs));
                    }
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
    assert!(to.len() == (v.len() / columns).div_ceil(KEYS) * filled * ROWS);
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
        for (v, to) in v.chunks(KEYS * columns).zip(to.chunks_exact_mut(filled * ROWS)) {
            let keys = v.len() / columns;
            for (at, to) in to.chunks_exact_mut(ROWS * ROWS).enumerate() {
                let first = at * ROWS;
                let width = ROWS.min(columns - first);
                let mut square = [isa.splat(0.0); MOST_LANES];
                // SAFETY: of each key `width` numbers from `first` on are read, and sixteen vectors of sixteen pairs written.
                unsafe {
                    for pair in 0..keys / 2 {
                        let first = v.as_ptr().add(2 * pair * columns + first);
                        square[pair] = isa.pairs_of_rows(first, first.add(columns), width);
                    }
                    if keys % 2 == 1 {
                        let last = v.as_ptr().add((keys - 1) * columns + first);
                        square[keys / 2] = isa.pairs_of_row(last, width);
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
