//! What a computation reads and writes: slices in the canonical layout, wherever they come from.

use std::ops::Range;

use attn_core::{Alignment, Data, Mask, Problem};
use attn_host::Storage;

/// The operands of a problem, `S` being its storage type.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, S: Storage> {
    /// `[B, Hq, Nq, D]`; rows that admit no key must be finite.
    pub q: &'a [S],
    /// `[B, Hkv, Nk, D]`; rows that no query admits must be finite.
    pub k: &'a [S],
    /// `[B, Hkv, Nk, Dv]`; rows that no query admits must be finite.
    pub v: &'a [S],
    /// The mask, if the problem has one.
    pub mask: Option<&'a Mask>,
    /// `[Hq]`, if the problem has ALiBi.
    pub slopes: Option<&'a [f32]>,
    /// `[Hq]`, if the problem has sinks.
    pub sinks: Option<&'a [f32]>,
}

/// Where results go; every element is written.
#[derive(Debug)]
pub struct Results<'a, S: Storage> {
    /// `[B, Hq, Nq, Dv]`.
    pub o: &'a mut [S],
    /// `[B, Hq, Nq]`, if the problem asks for the log-sum-exp; else empty.
    pub lse: &'a mut [S::Compute],
}

/// The keys that each query row admits by position, and its diagonal, worked out once.
pub(crate) struct Admission {
    /// Per batch one range for all rows, or one for each.
    ranges: Vec<Range<usize>>,
    /// Ranges of a batch.
    rows: usize,
    /// `diagonal(b, i) - i` of each batch.
    offsets: Vec<i64>,
}

impl Admission {
    pub(crate) fn new(problem: &Problem) -> Self {
        let (shape, spec) = (problem.shape(), problem.spec());
        let uniform = spec.causal.is_none() && spec.window.is_none();
        let rows = if uniform { 1 } else { shape.len_q };
        let batches = 0..shape.batch;
        let ranges = batches.clone().flat_map(|b| (0..rows).map(move |i| problem.admitted(b, i)));
        let alignment = spec.causal.or(spec.align).unwrap_or(Alignment::TopLeft);
        let offsets = batches.map(|b| alignment.offset(shape.len_q, problem.keys(b)));
        Admission { ranges: ranges.collect(), rows, offsets: offsets.collect() }
    }

    /// Whether all rows of a batch admit the same keys.
    pub(crate) const fn is_uniform(&self) -> bool {
        self.rows == 1
    }

    /// The keys that row `i` of batch `b` admits by position.
    pub(crate) fn keys(&self, b: usize, i: usize) -> Range<usize> {
        self.ranges[b * self.rows + if self.rows == 1 { 0 } else { i }].clone()
    }

    /// The diagonal of row `i` of batch `b`.
    pub(crate) fn diagonal(&self, b: usize, i: usize) -> i64 {
        (i as i64).saturating_add(self.offsets[b])
    }
}

/// One row of a mask.
#[derive(Clone, Copy)]
pub(crate) struct MaskRow<'a> {
    mask: &'a Mask,
    start: usize,
    /// 0 where the mask is the same for every key.
    step: usize,
}

impl<'a> MaskRow<'a> {
    /// Row `i` of batch `b` and query head `h`.
    pub(crate) fn new(mask: &'a Mask, [b, h, i]: [usize; 3]) -> Self {
        let dims = mask.spec().dims;
        let at = |axis: usize, index: usize| if dims[axis] == 1 { 0 } else { index };
        let row = (at(0, b) * dims[1] + at(1, h)) * dims[2] + at(2, i);
        MaskRow { mask, start: row * dims[3], step: usize::from(dims[3] > 1) }
    }

    /// Hands the biases of `keys` to `put`, in order; -inf does not admit.
    #[inline]
    pub(crate) fn biases(&self, keys: Range<usize>, mut put: impl FnMut(f64)) {
        let places = keys.map(|j| self.start + j * self.step);
        match self.mask {
            Mask::Bool { admits, .. } => {
                places.for_each(|at| put(if admits[at] { 0.0 } else { f64::NEG_INFINITY }));
            }
            Mask::Additive(tensor) => match tensor.data() {
                Data::F64(x) => places.for_each(|at| put(x[at])),
                Data::F32(x) => places.for_each(|at| put(f64::from(x[at]))),
                Data::BF16(x) => places.for_each(|at| put(x[at].to_f64())),
                Data::F16(x) => places.for_each(|at| put(x[at].to_f64())),
            },
        }
    }
}
