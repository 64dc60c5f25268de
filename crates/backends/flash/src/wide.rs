//! K and V of a head as products take them, where that is not how they are stored.

use std::ops::Range;

use attn_host::Storage;

use crate::buffer::{Buffer, Plain};
use crate::num::Num;
use crate::products::Products;

/// Memory for converted keys and values: of a whole head, so that all of its tiles share them, or of a block.
pub(crate) struct Wide<P> {
    k: Buffer<P>,
    v: Buffer<P>,
    /// Keys of a head.
    len_k: usize,
    /// Whether there is room for all keys of a head, each at its place; else a block begins at the start.
    whole: bool,
    /// Whose keys are held, and which of them.
    unit: usize,
    keys: Range<usize>,
}

impl<P: Plain> Wide<P> {
    /// For what is never converted.
    pub(crate) fn nothing() -> Self {
        Wide {
            k: Buffer::zeros(0),
            v: Buffer::zeros(0),
            len_k: 0,
            whole: false,
            unit: 0,
            keys: 0..0,
        }
    }

    /// Room for `keys` of the `len_k` keys of a head, `whole` if these are all, with rows of `dim` and values of `dim_v` numbers, stored
    /// as `S`.
    pub(crate) fn new<T: Num, S: Storage<Compute = T>, I: Products<T, Packed = P>>(
        (keys, len_k, whole): (usize, usize, bool),
        [dim, dim_v]: [usize; 2],
    ) -> Self {
        let [k, v] = [
            I::stored_keys::<S>(&[], [len_k, dim]).is_none(),
            I::stored_values::<S>(&[]).is_none(),
        ];
        let room = keys.next_multiple_of(I::CHUNK);
        let len = |needed: bool, len: usize| if needed { len } else { 0 };
        Wide {
            k: Buffer::zeros(len(k, room * I::depth(dim))),
            v: Buffer::zeros(len(v, room / I::PACK * I::columns(dim_v))),
            len_k,
            whole,
            ..Self::nothing()
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.k.bytes() + self.v.bytes()
    }

    /// The operands may have changed.
    pub(crate) fn forget(&mut self) {
        self.keys = 0..0;
    }

    /// The keys `keys` of head `unit`, from the first of a pack on, which are `k` and `v` as they are stored; those that are held
    /// from before are not converted again.
    pub(crate) fn packed<'a, T: Num, S: Storage<Compute = T>, I: Products<T, Packed = P>>(
        &'a mut self,
        isa: I,
        unit: usize,
        keys: &Range<usize>,
        (k, v): (&'a [S], &'a [S]),
    ) -> (&'a [P], &'a [P]) {
        let [dim, dim_v] = [k, v].map(|x| x.len() / keys.len());
        let (depth, columns) = (I::depth(dim), I::columns(dim_v));
        let first = if self.whole { keys.start } else { 0 };
        let same = self.unit == unit;
        let [from_k, from_v] = [first * depth, first / I::PACK * columns];
        let room = keys.len().next_multiple_of(I::CHUNK);
        let [to_k, to_v] = [room * depth, room / I::PACK * columns];
        let (of_k, of_v) = (I::stored_keys(k, [self.len_k, dim]), I::stored_values(v));
        let begins =
            if self.whole { self.keys.start <= keys.start } else { self.keys.start == keys.start };
        if !(same && begins && keys.end <= self.keys.end) {
            if of_k.is_none() {
                isa.pack_keys(k, dim, &mut self.k[from_k..from_k + to_k]);
            }
            if of_v.is_none() {
                isa.pack_values(v, dim_v, &mut self.v[from_v..from_v + to_v]);
            }
            let continues = self.whole && same && self.keys.end == keys.start;
            let start = if continues { self.keys.start } else { keys.start };
            (self.unit, self.keys) = (unit, start..keys.end);
        }
        let k = of_k.unwrap_or_else(|| &self.k[from_k..from_k + to_k]);
        (k, of_v.unwrap_or_else(|| &self.v[from_v..from_v + to_v]))
    }
}
