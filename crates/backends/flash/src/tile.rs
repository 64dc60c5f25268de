//! A tile: some queries in lanes, what is known of them so far, and one block of keys at a time.

use std::ops::Range;

use attn_core::Problem;
use attn_host::Storage;

use crate::buffer::{Buffer, Plain};
use crate::kernel::softmax::{self, Exceeded, Modify, Stats};
use crate::kernel::transpose::{Extent, Factor, transpose};
use crate::kernel::{Lanes, fused};
use crate::num::Num;
use crate::operands::MaskRow;
use crate::partials::reciprocal;
use crate::phases::{Clock, Phase};
use crate::positions::{Modifiers, Positions, Row};
use crate::products::{Products, packed};
use crate::simd::Simd;

/// Keys whose exact maximum is the first that weights are relative to.
const FIRST_KEYS: usize = 16;

/// Where the scale of the scores is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling<T> {
    /// What queries are multiplied by as they are packed.
    queries: T,
    /// What products are multiplied by before anything else is done to them.
    scores: Option<T>,
    /// Weights are `2^((s - m) exponent)`.
    exponent: T,
    /// What s and m are multiplied by to be scores.
    unit: T,
}

impl<T: Num> Scaling<T> {
    /// With the queries where products allow it; else in the exponent, unless scores are modified before.
    pub(crate) fn new<I: Products<T>>(problem: &Problem) -> Self {
        /// Scales beyond this could take m out of range.
        const MOST: f64 = 1e6;
        let (scale, spec) = (problem.scale(), problem.spec());
        let plain = Scaling { queries: T::ONE, scores: None, exponent: T::LOG2_E, unit: T::ONE };
        let modified = spec.softcap.is_some() || spec.alibi || spec.mask.is_some();
        let factor = T::from_f64(scale);
        if I::SCALES {
            Scaling { queries: factor, ..plain }
        } else if modified || !(1.0 / MOST..MOST).contains(&scale) {
            Scaling { scores: Some(factor), ..plain }
        } else {
            Scaling { exponent: factor * T::LOG2_E, unit: factor, ..plain }
        }
    }
}

/// `W` queries in lanes.
pub(crate) struct Tile<T, P> {
    positions: Positions<T>,
    softmax: Softmax<T, P>,
    /// `[Dv, W]`.
    ot: Buffer<T>,
    /// Whether nothing is in it yet but what another tile left there.
    empty: bool,
    /// Rows of q or O on their way: `[W, D]` or `[W, Dv]`.
    flat: Buffer<T>,
}

/// What becomes weights, and what these are relative to.
struct Softmax<T, P> {
    width: usize,
    rows: usize,
    scaling: Scaling<T>,
    /// `[D, W]`, packed along D.
    qt: Buffer<P>,
    m: Buffer<T>,
    l: Buffer<T>,
    /// l of weights that were not rounded, where the problem asks for its logarithm and weights are rounded; else empty.
    exact: Buffer<T>,
    top: Buffer<T>,
    scale: Buffer<T>,
    /// Sums of weights that may have to be rescaled.
    sums: Buffer<T>,
}

/// What tiles of one thread share: one block of scores, and what belongs to the block.
pub(crate) struct Block<T> {
    /// `[keys, W]`.
    s: Buffer<T>,
    modifiers: Modifiers<T>,
}

impl<T: Num> Block<T> {
    pub(crate) fn new(keys: usize, width: usize, masked: bool) -> Self {
        Block { s: Buffer::zeros(keys * width), modifiers: Modifiers::new(keys, width, masked) }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.s.bytes() + self.modifiers.bytes()
    }
}

/// A block of keys with their values, given as `E`, and what modifies its scores.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a, T, E> {
    /// The first one.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// `[keys, D]`.
    pub(crate) k: &'a [E],
    /// `[keys, Dv]`.
    pub(crate) v: &'a [E],
    pub(crate) dims: [usize; 2],
    pub(crate) softcap: Option<T>,
}

impl<T: Num, P: Plain> Tile<T, P> {
    pub(crate) fn new<I: Products<T, Packed = P>>(
        width: usize,
        [dim, dim_v]: [usize; 2],
        (scaling, lse): (Scaling<T>, bool),
    ) -> Self {
        let lanes = || Buffer::zeros(width);
        Tile {
            positions: Positions::new(I::LANES, width),
            softmax: Softmax {
                width,
                rows: 0,
                scaling,
                qt: Buffer::zeros(I::depth(dim) * width),
                m: lanes(),
                l: lanes(),
                exact: Buffer::zeros(if lse && I::PACK > 1 { width } else { 0 }),
                top: lanes(),
                scale: lanes(),
                sums: lanes(),
            },
            ot: Buffer::zeros(I::columns(dim_v) * width),
            empty: true,
            flat: Buffer::zeros(dim.max(dim_v) * width),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let Softmax { qt, m, .. } = &self.softmax;
        let lanes = 6 * m.bytes() + self.positions.bytes();
        qt.bytes() + self.ot.bytes() + self.flat.bytes() + lanes
    }

    /// Begins with the rows of `q` (`[rows, D]`), of which `rows` tell the rest.
    pub(crate) fn begin<S: Storage<Compute = T>, I: Products<T, Packed = P>>(
        &mut self,
        isa: I,
        (q, dim): (&[S], usize),
        rows: impl Iterator<Item = Row<T>>,
    ) {
        let Softmax { width, rows: count, scaling, qt, m, l, exact, top, .. } = &mut self.softmax;
        *count = q.len() / dim;
        self.empty = true;
        top.fill(T::NEG_INFINITY);
        // Lanes that no query fills compute with what another tile left there, and nobody looks.
        isa.pack_queries((q, dim), scaling.queries, &mut self.flat, (qt, *width));
        m[*count..].fill(T::ZERO);
        l[*count..].fill(T::ZERO);
        self.positions.begin(*count);
        for (lane, row) in rows.take(*count).enumerate() {
            m[lane] = row.sink.map_or(T::NEG_INFINITY, |sink| sink / scaling.unit);
            l[lane] = if row.sink.is_some() { T::ONE } else { T::ZERO };
            self.positions.set(lane, row);
        }
        self.positions.complete();
        if !exact.is_empty() {
            exact.copy_from_slice(l);
        }
    }

    /// The keys that some query admits.
    pub(crate) fn used(&self) -> Range<usize> {
        self.positions.used()
    }

    /// Adds a block of keys, the first of which is the first of a pack. `mask` gives each row's mask.
    pub(crate) fn add<'m, I: Products<T, Packed = P>, C: Clock>(
        &mut self,
        isa: I,
        block: &mut Block<T>,
        keys: Keys<'_, T, P>,
        mask: Option<&impl Fn(usize) -> MaskRow<'m>>,
        clock: &mut C,
    ) {
        let Tile { positions, softmax, ot, empty, .. } = self;
        let (width, depth) = (softmax.width, softmax.qt.len() / softmax.width);
        let segments = positions.segments(keys.first..keys.first + keys.count, I::CHUNK);
        for segment in segments.iter().flatten() {
            let places = segment.keys.start - keys.first..segment.keys.end - keys.first;
            let filled = places.start..places.end.next_multiple_of(I::CHUNK);
            let modifiers = (softmax.scaling.scores, keys.softcap);
            let how = positions.modify(segment, &mut block.modifiers, modifiers, mask);
            let lanes = positions.lanes(segment);
            let mut part = Part {
                count: places.len(),
                k: &keys.k[places.start * depth..keys.k.len().min(filled.end * depth)],
                s: &mut block.s[filled.start * width..filled.end * width],
                how,
                lanes,
            };
            if *empty && lanes.vectors * I::LANES < width {
                // Not all of it would be written.
                ot.fill(T::ZERO);
                *empty = false;
            }
            let rescale = |scale: &[T]| softmax::rescale(isa, ot, scale, lanes);
            softmax.weigh(isa, &mut part, rescale, clock);
            let packs = filled.start / I::PACK..filled.end / I::PACK;
            let p = &mut packed::<T, I>(part.s)[..packs.len() * width];
            // Nothing is there for keys that fill up.
            p[places.len().div_ceil(I::PACK) * width..].fill(I::NOTHING);
            let columns = I::columns(keys.dims[1]);
            let v = &keys.v[packs.start * columns..packs.end * columns];
            isa.values(p, v, (ot, *empty), lanes);
            *empty = false;
            clock.lap(Phase::Values);
        }
    }

    /// What is known of the rows: those without keys are 0.
    pub(crate) fn finished<I: Simd<T>>(&mut self, isa: I, columns: usize) -> Partial<'_, T> {
        let Softmax { width, rows, scaling, m, l, exact, scale, .. } = &mut self.softmax;
        for (scale, &l) in scale.iter_mut().zip(&**l) {
            *scale = reciprocal(l);
        }
        if self.empty {
            self.ot.fill(T::ZERO);
        }
        let extent = Extent { rows: columns, columns: *width, stride: *width };
        transpose(isa, &self.ot, extent, &mut self.flat, columns, Factor::Columns(scale));
        // References become scores.
        m.iter_mut().for_each(|m| *m *= scaling.unit);
        let l = if exact.is_empty() { l } else { exact };
        Partial { o: &self.flat[..*rows * columns], m: &m[..*rows], l: &l[..*rows] }
    }
}

/// Some keys whose scores are to become weights.
struct Part<'a, T, P> {
    count: usize,
    /// `[count, D]`, filled up.
    k: &'a [P],
    /// `[count, W]`, filled up, where weights take the place of scores from the first row on.
    s: &'a mut [T],
    how: Modify<'a, T>,
    lanes: Lanes,
}

impl<T: Num, P: Plain> Softmax<T, P> {
    /// Leaves the weights in the place of the scores. `rescale` multiplies what is known of O.
    fn weigh<I: Products<T, Packed = P>, C: Clock>(
        &mut self,
        isa: I,
        part: &mut Part<'_, T, P>,
        mut rescale: impl FnMut(&[T]),
        clock: &mut C,
    ) {
        let keys = part.count;
        // Where nothing modifies them, all but the first scores become weights at once.
        let first = if !I::FUSES || !part.how.is_nothing() || !self.exact.is_empty() {
            keys
        } else if self.has_references(part.lanes, I::LANES) {
            0
        } else {
            FIRST_KEYS.min(keys)
        };
        if first > 0 {
            self.in_two_steps(isa, part, 0..first, &mut rescale, clock);
        }
        if first < keys && !self.at_once(isa, part, first..keys, &mut rescale, clock) {
            self.in_two_steps(isa, part, first..keys, &mut rescale, clock);
        }
    }

    /// Scores, all that modifies them, and their maxima; then weights relative to these.
    fn in_two_steps<I: Products<T, Packed = P>, C: Clock>(
        &mut self,
        isa: I,
        part: &mut Part<'_, T, P>,
        keys: Range<usize>,
        rescale: &mut impl FnMut(&[T]),
        clock: &mut C,
    ) {
        let (depth, lanes) = (self.qt.len() / self.width, part.lanes);
        let k = &part.k[keys.start * depth..];
        let s = &mut part.s[keys.start * self.width..keys.end * self.width];
        let plain = part.how.is_nothing();
        // Maxima before scores are modified are of no use.
        let top = if plain { &mut self.top } else { &mut self.scale };
        isa.scores(&self.qt, k, s, top, lanes);
        clock.lap(Phase::Scores);
        if !plain {
            softmax::modify(isa, s, &mut self.top, part.how, lanes);
        }
        if self.renew(isa, false, lanes) != Exceeded::No {
            let before = packed::<T, I>(part.s).split_at_mut(keys.start / I::PACK * self.width).0;
            softmax::rescale_weights(isa, before, &self.scale, lanes);
            softmax::rescale(isa, &mut self.exact, &self.scale, lanes);
            rescale(&self.scale);
        }
        let exact = Some(&mut *self.exact).filter(|exact| !exact.is_empty());
        let reference = (&*self.m, self.scaling.exponent);
        softmax::weigh(isa, (part.s, keys), reference, (&mut self.l, exact), lanes);
        clock.lap(Phase::Softmax);
    }

    /// Weights as soon as there are scores, relative to the maxima of before; false if these were exceeded by too much.
    fn at_once<I: Products<T, Packed = P>, C: Clock>(
        &mut self,
        isa: I,
        part: &mut Part<'_, T, P>,
        keys: Range<usize>,
        rescale: &mut impl FnMut(&[T]),
        clock: &mut C,
    ) -> bool {
        let lanes = part.lanes;
        self.sums.fill(T::ZERO);
        let p = packed::<T, I>(part.s);
        let rows = fused::Rows {
            m: &self.m,
            factor: self.scaling.exponent,
            top: &mut self.top,
            sums: &mut self.sums,
        };
        isa.weights_at_once(&self.qt, (part.k, keys.clone()), p, rows, lanes);
        clock.lap(Phase::Scores);
        let exceeded = self.renew(isa, true, lanes);
        if exceeded == Exceeded::Overflow {
            self.top.fill(T::NEG_INFINITY);
            return false;
        }
        if exceeded == Exceeded::Yes {
            let packs = 0..keys.end.div_ceil(I::PACK);
            softmax::rescale_weights(isa, &mut p[..packs.end * self.width], &self.scale, lanes);
            softmax::rescale(isa, &mut self.sums, &self.scale, lanes);
            rescale(&self.scale);
        }
        self.l.iter_mut().zip(&*self.sums).for_each(|(l, &sum)| *l += sum);
        clock.lap(Phase::Softmax);
        true
    }

    /// Whether there is something in all of these lanes that weights can be relative to.
    fn has_references(&self, lanes: Lanes, vector: usize) -> bool {
        let m = &self.m[lanes.first..lanes.first + lanes.vectors * vector];
        !m.contains(&T::NEG_INFINITY)
    }

    /// Takes the maxima of some keys into account, whose weights may exist already.
    fn renew<I: Simd<T>>(&mut self, isa: I, exist: bool, lanes: Lanes) -> Exceeded {
        let Softmax { m, l, top, scale, .. } = self;
        softmax::renew(isa, &mut Stats { m, l, top, scale }, (self.scaling.exponent, exist), lanes)
    }
}

/// Rows of O for some keys, with what weights are relative to and their sum.
pub(crate) struct Partial<'a, T> {
    /// Divided by l.
    pub(crate) o: &'a [T],
    pub(crate) m: &'a [T],
    pub(crate) l: &'a [T],
}
