//! A few queries that read their keys once: decoding.

use std::ops::Range;

use attn_host::Storage;

use crate::buffer::{Buffer, Plain};
use crate::kernel::rows::{combine, dots, join, largest, packed_width, padded_rows, weigh_row};
use crate::num::Num;
use crate::operands::MaskRow;
use crate::partials::reciprocal;
use crate::phases::{Clock, Phase};
use crate::positions::{Row, hull};
use crate::products::Products;
use crate::tile::{Keys, Partial};
use crate::tiles::KEYS;

/// Keys whose scores are computed before the first of their values is read. K and V lie in different places,
/// and with every change from one to the other the processor's prefetchers begin again; from 1024 keys on
/// that no longer shows.
pub(crate) const PASS: usize = 2048;

/// Queries that share a key/value head, and what is known of them so far.
pub(crate) struct Stream<T, P> {
    /// `[R, D]`, packed, rows and columns padded with zeros, times the scale where products ask for that.
    q: Buffer<P>,
    /// What products are multiplied by to be scores.
    scale: T,
    /// `[R, keys]`, rows padded to whole vectors.
    s: Buffer<T>,
    /// `[R, Dv]`, columns padded: all keys so far, and those of this block.
    o: Buffer<T>,
    block_o: Buffer<T>,
    /// `[R, Dv]`.
    flat: Buffer<T>,
    rows: Vec<Row<T>>,
    m: Buffer<T>,
    l: Buffer<T>,
    dims: [usize; 2],
    widths: [usize; 2],
    keys: usize,
}

impl<T: Num, P: Plain> Stream<T, P> {
    pub(crate) fn new<I: Products<T, Packed = P>>(
        rows: usize,
        [dim, dim_v]: [usize; 2],
        keys: usize,
    ) -> Self {
        let padded = padded_rows(rows);
        let widths = [packed_width::<T, I>(dim), dim_v.next_multiple_of(I::LANES)];
        let keys = keys.next_multiple_of(I::LANES);
        Stream {
            q: Buffer::zeros(padded * widths[0]),
            scale: T::ONE,
            s: Buffer::zeros(padded * keys),
            o: Buffer::zeros(padded * widths[1]),
            block_o: Buffer::zeros(padded * widths[1]),
            flat: Buffer::zeros(rows * dim_v),
            rows: Vec::with_capacity(rows),
            m: Buffer::zeros(rows),
            l: Buffer::zeros(rows),
            dims: [dim, dim_v],
            widths,
            keys,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let buffers = [&self.s, &self.o, &self.block_o, &self.flat, &self.m, &self.l];
        buffers.map(Buffer::bytes).iter().sum::<usize>()
            + self.q.bytes()
            + self.rows.capacity() * size_of::<Row<T>>()
    }

    /// Begins with the rows of `q` (`[rows, D]`), of which `rows` tell the rest.
    pub(crate) fn begin<S: Storage<Compute = T>, I: Products<T, Packed = P>>(
        &mut self,
        (q, factor): (&[S], T),
        rows: impl Iterator<Item = Row<T>>,
    ) {
        self.rows.clear();
        self.scale = if I::SCALES { T::ONE } else { factor };
        self.o.fill(T::ZERO);
        for ((r, q), row) in q.chunks_exact(self.dims[0]).enumerate().zip(rows) {
            I::pack_row(q, factor, &mut self.q[r * self.widths[0]..][..self.widths[0]]);
            self.m[r] = row.sink.unwrap_or(T::NEG_INFINITY);
            self.l[r] = if row.sink.is_some() { T::ONE } else { T::ZERO };
            self.rows.push(row);
        }
    }

    /// The keys that some query admits.
    pub(crate) fn used(&self) -> Range<usize> {
        hull(self.rows.iter().map(|row| &row.keys))
    }

    /// Adds a block of keys. `mask` gives each row's mask.
    pub(crate) fn add<'m, S: Storage<Compute = T>, I: Products<T, Packed = P>, C: Clock>(
        &mut self,
        isa: I,
        keys: Keys<'_, T, S>,
        mask: Option<&impl Fn(usize) -> MaskRow<'m>>,
        clock: &mut C,
    ) {
        let [dim, dim_v] = keys.dims;
        let count = keys.k.len() / dim;
        let used = count.next_multiple_of(I::LANES);
        dots(isa, &self.q, (keys.k, dim), (&mut self.s, self.keys));
        clock.lap(Phase::Scores);
        let width = self.widths[1];
        let mut scales = [T::ONE; crate::kernel::rows::MOST_ROWS];
        for (r, row) in self.rows.iter().enumerate() {
            let s = &mut self.s[r * self.keys..][..used];
            s[count..].fill(T::NEG_INFINITY);
            if !I::SCALES {
                s[..count].iter_mut().for_each(|s| *s *= self.scale);
            }
            modify(&mut s[..count], (keys.first, keys.softcap), row, mask.map(|mask| mask(r)));
            let m = largest(isa, s).larger(self.m[r]);
            scales[r] = if self.m[r] == m { T::ONE } else { T::rescale(self.m[r], m) };
            self.l[r] *= scales[r];
            for s in s.chunks_mut(KEYS) {
                self.l[r] += weigh_row(isa, s, m);
            }
            self.m[r] = m;
        }
        clock.lap(Phase::Softmax);
        for (at, v) in keys.v.chunks(KEYS * dim_v).enumerate() {
            self.block_o.fill(T::ZERO);
            combine(isa, (&self.s[at * KEYS..], self.keys), (v, dim_v), &mut self.block_o);
            for (r, scale) in scales.iter_mut().take(self.rows.len()).enumerate() {
                let span = r * width..(r + 1) * width;
                join(isa, &mut self.o[span.clone()], *scale, &self.block_o[span]);
                *scale = T::ONE;
            }
        }
        clock.lap(Phase::Values);
    }

    /// What is known of the rows: those without keys are 0.
    pub(crate) fn finished(&mut self) -> Partial<'_, T> {
        let rows = self.rows.len();
        for (r, to) in self.flat.chunks_exact_mut(self.dims[1]).enumerate().take(rows) {
            let factor = reciprocal(self.l[r]);
            let from = &self.o[r * self.widths[1]..];
            to.iter_mut().zip(from).for_each(|(to, &o)| *to = o * factor);
        }
        Partial { o: &self.flat[..rows * self.dims[1]], m: &self.m[..rows], l: &self.l[..rows] }
    }
}

/// Softcap, ALiBi, mask and admission of one row of scores, of key `first` and on.
fn modify<T: Num>(
    s: &mut [T],
    (first, softcap): (usize, Option<T>),
    row: &Row<T>,
    mask: Option<MaskRow<'_>>,
) {
    if let Some(c) = softcap {
        for s in s.iter_mut() {
            *s = c * (*s / c).tanh();
        }
    }
    if let Some(slope) = row.slope {
        for (j, s) in (first as i64..).zip(&mut *s) {
            let distance = (row.diagonal as f64 - j as f64).abs();
            *s = *s - slope * T::from_f64(distance);
        }
    }
    if let Some(mask) = mask {
        let mut s = s.iter_mut();
        mask.biases(first..first + s.len(), |bias| {
            if let Some(s) = s.next() {
                *s = if bias == f64::NEG_INFINITY {
                    T::NEG_INFINITY
                } else {
                    *s + T::from_f64(bias)
                };
            }
        });
    }
    let end = first + s.len();
    let [from, to] = [row.keys.start, row.keys.end].map(|at| at.clamp(first, end) - first);
    s[..from].fill(T::NEG_INFINITY);
    s[to.max(from)..].fill(T::NEG_INFINITY);
}
