//! A tile: some queries in lanes, what is known of them so far, and one block of keys at a time.

use std::ops::Range;

use attn_host::Storage;

use crate::buffer::Buffer;
use crate::kernel::Lanes;
use crate::kernel::softmax::{self, Modify, Stats};
use crate::kernel::transpose::{Extent, Factor, transpose};
use crate::kernel::{scores::scores, values::values, widen::widen};
use crate::num::Num;
use crate::operands::MaskRow;
use crate::phases::{Clock, Phase};
use crate::simd::Simd;

/// Vectors of queries in the widest tile of any instruction set.
const MOST_VECTORS: usize = 4;

/// A query, as a tile has to know it.
pub(crate) struct Row<T> {
    /// Keys that it admits by position.
    pub(crate) keys: Range<usize>,
    pub(crate) diagonal: i64,
    pub(crate) slope: Option<T>,
    pub(crate) sink: Option<T>,
}

/// Keys for which the same vectors of queries are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    keys: Range<usize>,
    vectors: Range<usize>,
    /// Whether some query of these vectors does not admit some of these keys by position.
    cut: bool,
}

/// `W` queries in lanes; where there are fewer, the last ones compute nothing that is used.
pub(crate) struct Tile<T> {
    width: usize,
    rows: usize,
    /// `[D, W]`, times the scale.
    qt: Buffer<T>,
    /// `[Dv, W]`.
    ot: Buffer<T>,
    /// Rows of q or O on their way: `[W, D]` or `[W, Dv]`.
    flat: Buffer<T>,
    m: Buffer<T>,
    l: Buffer<T>,
    top: Buffer<T>,
    scale: Buffer<T>,
    slopes: Buffer<T>,
    keys: Vec<Range<usize>>,
    diagonals: Vec<i64>,
    /// Of each vector the keys that some query admits, and those that all admit.
    some: [Range<usize>; MOST_VECTORS],
    all: [Range<usize>; MOST_VECTORS],
}

/// What tiles of one thread share: one block of scores, and what belongs to the block.
pub(crate) struct Block<T> {
    /// `[keys, W]`.
    s: Buffer<T>,
    /// `[keys, W]` where there is a mask.
    bias: Buffer<T>,
    from: Buffer<T>,
    to: Buffer<T>,
    diagonals: Buffer<T>,
    /// A maximum that nobody wants.
    spare: Buffer<T>,
}

impl<T: Num> Block<T> {
    pub(crate) fn new(keys: usize, width: usize, masked: bool) -> Self {
        let lanes = || Buffer::zeros(width);
        Block {
            s: Buffer::zeros(keys * width),
            bias: Buffer::zeros(if masked { keys * width } else { 0 }),
            from: lanes(),
            to: lanes(),
            diagonals: lanes(),
            spare: lanes(),
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.s.bytes() + self.bias.bytes() + 4 * self.spare.bytes()
    }
}

/// A block of keys with their values, stored as `E`, and what modifies its scores.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a, T, E = T> {
    /// The first one.
    pub(crate) first: usize,
    /// `[keys, D]`.
    pub(crate) k: &'a [E],
    /// `[keys, Dv]`.
    pub(crate) v: &'a [E],
    pub(crate) dims: [usize; 2],
    pub(crate) softcap: Option<T>,
}

impl<T: Num> Tile<T> {
    pub(crate) fn new(width: usize, [dim, dim_v]: [usize; 2]) -> Self {
        let lanes = || Buffer::zeros(width);
        Tile {
            width,
            rows: 0,
            qt: Buffer::zeros(dim * width),
            ot: Buffer::zeros(dim_v * width),
            flat: Buffer::zeros(dim.max(dim_v) * width),
            m: lanes(),
            l: lanes(),
            top: lanes(),
            scale: lanes(),
            slopes: lanes(),
            keys: vec![0..0; width],
            diagonals: vec![0; width],
            some: [const { 0..0 }; MOST_VECTORS],
            all: [const { 0..0 }; MOST_VECTORS],
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let lanes = self.width * (size_of::<Range<usize>>() + size_of::<i64>());
        self.qt.bytes() + self.ot.bytes() + self.flat.bytes() + 5 * self.m.bytes() + lanes
    }

    /// Begins with the rows of `q` (`[rows, D]`), of which `row` tells the rest.
    pub(crate) fn begin<S: Storage<Compute = T>, I: Simd<T>>(
        &mut self,
        isa: I,
        q: &[S],
        factor: T,
        row: impl Fn(usize) -> Row<T>,
    ) {
        let dim = self.qt.len() / self.width;
        self.rows = q.len() / dim;
        self.ot.fill(T::ZERO);
        self.top.fill(T::NEG_INFINITY);
        let wide = &mut self.flat[..q.len()];
        let q = S::as_compute(q).unwrap_or_else(|| {
            widen(isa, q, wide);
            wide
        });
        let extent = Extent { rows: self.rows, columns: dim, stride: dim };
        transpose(isa, q, extent, &mut self.qt, self.width, Factor::All(factor));
        if self.rows < self.width {
            self.qt.chunks_exact_mut(self.width).for_each(|row| row[self.rows..].fill(T::ZERO));
        }
        for lane in 0..self.width {
            if lane >= self.rows {
                // Like the last row, so that whole blocks stay whole.
                self.keys[lane] = self.keys[self.rows - 1].clone();
                self.diagonals[lane] = self.diagonals[self.rows - 1];
                (self.m[lane], self.l[lane], self.slopes[lane]) =
                    (T::NEG_INFINITY, T::ZERO, T::ZERO);
                continue;
            }
            let row = row(lane);
            self.keys[lane] = row.keys;
            self.diagonals[lane] = row.diagonal;
            self.slopes[lane] = row.slope.unwrap_or(T::ZERO);
            self.m[lane] = row.sink.unwrap_or(T::NEG_INFINITY);
            self.l[lane] = if row.sink.is_some() { T::ONE } else { T::ZERO };
        }
        for (v, keys) in self.keys.chunks(I::LANES).enumerate() {
            let used = v * I::LANES < self.rows;
            self.some[v] = if used { hull(keys) } else { 0..0 };
            self.all[v] = intersection(keys);
        }
    }

    /// The keys that some query admits.
    pub(crate) fn used(&self) -> Range<usize> {
        hull(&self.some)
    }

    /// Adds a block of keys. `mask` gives each row's mask.
    pub(crate) fn add<'m, I: Simd<T>, C: Clock>(
        &mut self,
        isa: I,
        block: &mut Block<T>,
        keys: Keys<'_, T>,
        mask: Option<&impl Fn(usize) -> MaskRow<'m>>,
        clock: &mut C,
    ) {
        let end = keys.first + keys.k.len() / keys.dims[0];
        let mut segments = [const { None }; 2 * MOST_VECTORS];
        let mut all: Option<Range<usize>> = None;
        self.segments(keys.first..end, |at, segment: Segment| {
            let vectors = all.take().unwrap_or(segment.vectors.clone());
            all = Some(
                vectors.start.min(segment.vectors.start)..vectors.end.max(segment.vectors.end),
            );
            segments[at] = Some(segment);
        });
        let Some(all) = all else { return };
        for segment in segments.iter().flatten() {
            self.score(isa, segment, block, keys, mask, clock);
        }
        self.renew(isa, self.lanes::<I>(&all));
        clock.lap(Phase::Softmax);
        for segment in segments.into_iter().flatten() {
            let lanes = self.lanes::<I>(&segment.vectors);
            let places = segment.keys.start - keys.first..segment.keys.end - keys.first;
            let s = &mut block.s[places.start * self.width..places.end * self.width];
            softmax::weigh(isa, s, &self.m, &mut self.l, lanes);
            clock.lap(Phase::Softmax);
            let [_, dim_v] = keys.dims;
            let v = &keys.v[places.start * dim_v..places.end * dim_v];
            values(isa, s, v, &mut self.ot, lanes);
            clock.lap(Phase::Values);
        }
    }

    /// The scores of a segment, with all that modifies them, and their maxima.
    fn score<'m, I: Simd<T>, C: Clock>(
        &mut self,
        isa: I,
        segment: &Segment,
        block: &mut Block<T>,
        keys: Keys<'_, T>,
        mask: Option<&impl Fn(usize) -> MaskRow<'m>>,
        clock: &mut C,
    ) {
        let [dim, _] = keys.dims;
        let lanes = self.lanes::<I>(&segment.vectors);
        let places = segment.keys.start - keys.first..segment.keys.end - keys.first;
        let span = places.start * self.width..places.end * self.width;
        if segment.cut {
            self.relative_ranges(&segment.keys, block);
        }
        if let Some(mask) = mask {
            let lanes = lanes.first..self.rows.min(lanes.first + lanes.vectors * I::LANES);
            for lane in lanes {
                let mut at = span.start + lane;
                mask(lane).biases(segment.keys.clone(), |bias| {
                    block.bias[at] = T::from_f64(bias);
                    at += self.width;
                });
            }
        }
        let alibi = self.slopes.iter().any(|&x| x != T::ZERO);
        if alibi {
            for (relative, &diagonal) in block.diagonals.iter_mut().zip(&self.diagonals) {
                *relative = T::from_f64(diagonal.saturating_sub(segment.keys.start as i64) as f64);
            }
        }
        let how = Modify {
            softcap: keys.softcap,
            alibi: alibi.then_some([&*self.slopes, &*block.diagonals]),
            bias: mask.is_some().then(|| &block.bias[span.clone()]),
            range: segment.cut.then_some([&*block.from, &*block.to]),
        };
        let (k, s) = (&keys.k[places.start * dim..places.end * dim], &mut block.s[span]);
        if how.is_nothing() {
            scores(isa, &self.qt, k, s, &mut self.top, lanes);
            clock.lap(Phase::Scores);
        } else {
            scores(isa, &self.qt, k, s, &mut block.spare, lanes);
            clock.lap(Phase::Scores);
            softmax::modify(isa, s, &mut self.top, how, lanes);
        }
    }

    /// Takes the block's maxima into account.
    fn renew<I: Simd<T>>(&mut self, isa: I, lanes: Lanes) {
        let mut stats =
            Stats { m: &mut self.m, l: &mut self.l, top: &mut self.top, scale: &mut self.scale };
        if softmax::renew(isa, &mut stats, lanes) {
            softmax::rescale(isa, &mut self.ot, &self.scale, lanes);
        }
    }

    const fn lanes<I: Simd<T>>(&self, vectors: &Range<usize>) -> Lanes {
        Lanes {
            width: self.width,
            first: vectors.start * I::LANES,
            vectors: vectors.end - vectors.start,
        }
    }

    /// Where admission begins and ends, per lane, counted from the first of `keys`.
    fn relative_ranges(&self, keys: &Range<usize>, block: &mut Block<T>) {
        let relative =
            |at: usize| T::from_f64((at.clamp(keys.start, keys.end) - keys.start) as f64);
        for (lane, admitted) in self.keys.iter().enumerate() {
            block.from[lane] = relative(admitted.start);
            block.to[lane] = relative(admitted.end);
        }
    }

    /// The parts of `block` that differ in which vectors of queries admit something.
    fn segments(&self, block: Range<usize>, mut found: impl FnMut(usize, Segment)) {
        let mut cuts = [block.start; 2 * MOST_VECTORS + 1];
        for (cuts, some) in cuts.chunks_exact_mut(2).zip(&self.some) {
            if !some.is_empty() {
                cuts[0] = some.start.clamp(block.start, block.end);
                cuts[1] = some.end.clamp(block.start, block.end);
            }
        }
        cuts.sort_unstable();
        let mut number = 0;
        for pair in cuts.windows(2).filter(|pair| pair[0] < pair[1]) {
            let keys = pair[0]..pair[1];
            let active =
                |v: &usize| self.some[*v].start <= keys.start && keys.end <= self.some[*v].end;
            let Some(start) = (0..MOST_VECTORS).find(active) else { continue };
            let end = (0..MOST_VECTORS).rfind(active).map_or(start, |last| last + 1);
            let whole = |all: &Range<usize>| all.start <= keys.start && keys.end <= all.end;
            let cut = !self.all[start..end].iter().all(whole);
            found(number, Segment { keys, vectors: start..end, cut });
            number += 1;
        }
    }

    /// What is known of the rows so far, unfinished.
    pub(crate) fn partial<I: Simd<T>>(&mut self, isa: I, columns: usize) -> Partial<'_, T> {
        self.scale.fill(T::ONE);
        self.rows_of_o(isa, columns);
        let Tile { flat, m, l, rows, .. } = self;
        Partial { o: &flat[..*rows * columns], m: &m[..*rows], l: &l[..*rows] }
    }

    /// The same, with O divided by l: rows without keys are 0.
    pub(crate) fn finished<I: Simd<T>>(&mut self, isa: I, columns: usize) -> Partial<'_, T> {
        for (scale, &l) in self.scale.iter_mut().zip(&*self.l) {
            *scale = if l > T::ZERO { T::ONE / l } else { T::ZERO };
        }
        self.rows_of_o(isa, columns);
        let Tile { flat, m, l, rows, .. } = self;
        Partial { o: &flat[..*rows * columns], m: &m[..*rows], l: &l[..*rows] }
    }

    /// Transposes O, times `scale`.
    fn rows_of_o<I: Simd<T>>(&mut self, isa: I, columns: usize) {
        let extent = Extent { rows: columns, columns: self.width, stride: self.width };
        let factor = Factor::Columns(&self.scale);
        transpose(isa, &self.ot, extent, &mut self.flat, columns, factor);
    }
}

/// Rows of O, with the maximum and the sum of the weights of each.
pub(crate) struct Partial<'a, T> {
    pub(crate) o: &'a [T],
    pub(crate) m: &'a [T],
    pub(crate) l: &'a [T],
}

/// The smallest range that holds all that are not empty.
pub(crate) fn hull<'a>(ranges: impl IntoIterator<Item = &'a Range<usize>>) -> Range<usize> {
    let used = ranges.into_iter().filter(|range| !range.is_empty()).cloned();
    used.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

/// What all have in common.
fn intersection(ranges: &[Range<usize>]) -> Range<usize> {
    ranges.iter().cloned().reduce(|a, b| a.start.max(b.start)..a.end.min(b.end)).unwrap_or(0..0)
}
