//! The queries of a tile by position: which keys they admit, and what modifies their scores.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::kernel::Lanes;
use crate::kernel::softmax::Modify;
use crate::num::Num;
use crate::operands::MaskRow;

/// Vectors of queries in the widest tile of any instruction set.
pub(crate) const MOST_VECTORS: usize = 4;

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
pub(crate) struct Segment {
    pub(crate) keys: Range<usize>,
    vectors: Range<usize>,
    /// Whether some query of these vectors does not admit some of these keys by position.
    cut: bool,
}

/// `[W]` of each; where there are fewer queries, the last ones compute nothing that is used.
pub(crate) struct Positions<T> {
    rows: usize,
    /// Lanes of a vector.
    lanes: usize,
    keys: Vec<Range<usize>>,
    diagonals: Vec<i64>,
    slopes: Buffer<T>,
    alibi: bool,
    /// Of each vector the keys that some query admits, and those that all admit.
    some: [Range<usize>; MOST_VECTORS],
    all: [Range<usize>; MOST_VECTORS],
}

/// What modifies the scores of a segment, in the memory of a thread.
pub(crate) struct Modifiers<T> {
    /// `[keys, W]` where there is a mask.
    bias: Buffer<T>,
    from: Buffer<T>,
    to: Buffer<T>,
    diagonals: Buffer<T>,
}

impl<T: Num> Modifiers<T> {
    pub(crate) fn new(keys: usize, width: usize, masked: bool) -> Self {
        let lanes = || Buffer::zeros(width);
        let bias = Buffer::zeros(if masked { keys * width } else { 0 });
        Modifiers { bias, from: lanes(), to: lanes(), diagonals: lanes() }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bias.bytes() + self.from.bytes() + self.to.bytes() + self.diagonals.bytes()
    }
}

impl<T: Num> Positions<T> {
    /// For tiles of vectors of `lanes`, `width` in all.
    pub(crate) fn new(lanes: usize, width: usize) -> Self {
        Positions {
            rows: 0,
            lanes,
            keys: vec![0..0; width],
            diagonals: vec![0; width],
            slopes: Buffer::zeros(width),
            alibi: false,
            some: [const { 0..0 }; MOST_VECTORS],
            all: [const { 0..0 }; MOST_VECTORS],
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.keys.len() * (size_of::<Range<usize>>() + size_of::<i64>()) + self.slopes.bytes()
    }

    /// Begins with `rows` queries, each to be [set](Self::set).
    pub(crate) const fn begin(&mut self, rows: usize) {
        (self.rows, self.alibi) = (rows, false);
    }

    /// Query `lane` is `row`.
    pub(crate) fn set(&mut self, lane: usize, row: Row<T>) {
        self.keys[lane] = row.keys;
        self.diagonals[lane] = row.diagonal;
        self.slopes[lane] = row.slope.unwrap_or(T::ZERO);
        self.alibi |= row.slope.is_some();
    }

    /// All queries are set.
    pub(crate) fn complete(&mut self) {
        let rows = self.rows;
        // Like the last row, so that whole blocks stay whole.
        let (keys, diagonal) = (self.keys[rows - 1].clone(), self.diagonals[rows - 1]);
        self.keys[rows..].fill(keys);
        self.diagonals[rows..].fill(diagonal);
        self.slopes[rows..].fill(T::ZERO);
        for (v, keys) in self.keys.chunks(self.lanes).enumerate() {
            self.some[v] = if v * self.lanes < rows { hull(keys) } else { 0..0 };
            self.all[v] = intersection(keys);
        }
    }

    /// The keys that some query admits.
    pub(crate) fn used(&self) -> Range<usize> {
        hull(&self.some)
    }

    /// The lanes that a segment is computed in.
    pub(crate) fn lanes(&self, segment: &Segment) -> Lanes {
        Lanes {
            width: self.keys.len(),
            first: segment.vectors.start * self.lanes,
            vectors: segment.vectors.len(),
        }
    }

    /// The parts of `block` that differ in which vectors of queries admit something; they begin where a pack of keys does.
    pub(crate) fn segments(
        &self,
        block: Range<usize>,
        pack: usize,
    ) -> [Option<Segment>; 2 * MOST_VECTORS] {
        let mut cuts = [block.start; 2 * MOST_VECTORS + 1];
        let mut some = [const { 0..0 }; MOST_VECTORS];
        for ((cuts, some), exact) in cuts.chunks_exact_mut(2).zip(&mut some).zip(&self.some) {
            if !exact.is_empty() {
                let clamp = |at: usize| at.clamp(block.start, block.end) - block.start;
                let end = clamp(exact.end).next_multiple_of(pack).min(block.len());
                *some = block.start + clamp(exact.start) / pack * pack..block.start + end;
                cuts.copy_from_slice(&[some.start, some.end]);
            }
        }
        cuts.sort_unstable();
        let mut found = [const { None }; 2 * MOST_VECTORS];
        for (found, pair) in found.iter_mut().zip(cuts.windows(2)) {
            let keys = pair[0]..pair[1];
            if keys.is_empty() {
                continue;
            }
            let active = |v: &usize| some[*v].start <= keys.start && keys.end <= some[*v].end;
            let Some(start) = (0..MOST_VECTORS).find(active) else { continue };
            let end = (0..MOST_VECTORS).rfind(active).map_or(start, |last| last + 1);
            let whole = |all: &Range<usize>| all.start <= keys.start && keys.end <= all.end;
            let cut = !self.all[start..end].iter().all(whole);
            *found = Some(Segment { keys, vectors: start..end, cut });
        }
        found
    }

    /// What modifies the scores of a segment: a factor and a softcap given as they are, and what is left in `memory`. `mask` gives
    /// each row's mask.
    pub(crate) fn modify<'b, 'm>(
        &'b self,
        segment: &Segment,
        memory: &'b mut Modifiers<T>,
        (scale, softcap): (Option<T>, Option<T>),
        mask: Option<&impl Fn(usize) -> MaskRow<'m>>,
    ) -> Modify<'b, T> {
        let (keys, width) = (&segment.keys, self.keys.len());
        if segment.cut {
            let relative =
                |at: usize| T::from_f64((at.clamp(keys.start, keys.end) - keys.start) as f64);
            for (lane, admitted) in self.keys.iter().enumerate() {
                memory.from[lane] = relative(admitted.start);
                memory.to[lane] = relative(admitted.end);
            }
        }
        if let Some(mask) = mask {
            let lanes = segment.vectors.start * self.lanes..segment.vectors.end * self.lanes;
            for lane in lanes.start..self.rows.min(lanes.end) {
                let mut at = lane;
                mask(lane).biases(keys.clone(), |bias| {
                    memory.bias[at] = T::from_f64(bias);
                    at += width;
                });
            }
        }
        if self.alibi {
            for (relative, &diagonal) in memory.diagonals.iter_mut().zip(&self.diagonals) {
                *relative = T::from_f64(diagonal.saturating_sub(keys.start as i64) as f64);
            }
        }
        let Modifiers { bias, from, to, diagonals } = memory;
        Modify {
            scale,
            softcap,
            alibi: self.alibi.then_some([&*self.slopes, diagonals]),
            bias: mask.is_some().then(|| &bias[..keys.len() * width]),
            range: segment.cut.then_some([from, to]),
        }
    }
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
