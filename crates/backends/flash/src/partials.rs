//! Where the keys of a row are split among threads: what each part makes of the row, until all are merged.

use attn_host::Storage;

use crate::buffer::Buffer;
use crate::num::Num;

/// Rows of O for a part of the keys each: `[splits, rows, Dv]`, and `[splits, rows]` each of m and l.
pub(crate) struct Partials<T> {
    pub(crate) o: Buffer<T>,
    pub(crate) m: Buffer<T>,
    pub(crate) l: Buffer<T>,
}

impl<T: Num> Partials<T> {
    pub(crate) fn new(splits: usize, rows: usize, columns: usize) -> Self {
        let [o, m, l] = [columns, 1, 1].map(|columns| Buffer::zeros(splits * rows * columns));
        Partials { o, m, l }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.o.bytes() + self.m.bytes() + self.l.bytes()
    }

    /// Merges the parts of every row (Dao et al. 2023, flash-decoding; Rabe and Staats 2021, section 2):
    ///
    /// ```text
    /// m = max_s m_s,   w_s = exp(m_s - m) l_s,   o = sum_s w_s o_s / sum_s w_s
    /// ```
    pub(crate) fn merge<S: Storage<Compute = T>>(
        &self,
        splits: usize,
        columns: usize,
        o: &mut [S],
        lse: &mut [T],
    ) {
        let rows = self.m.len() / splits;
        let mut weights = vec![T::ZERO; splits];
        for (row, o) in o.chunks_exact_mut(columns).enumerate() {
            let places = (0..splits).map(|split| split * rows + row);
            let m = places.clone().fold(T::NEG_INFINITY, |m, at| self.m[at].larger(m));
            for (weight, at) in weights.iter_mut().zip(places.clone()) {
                *weight = T::rescale(self.m[at], m) * self.l[at];
            }
            let l = weights.iter().fold(T::ZERO, |l, &weight| l + weight);
            let factor = reciprocal(l);
            for (c, o) in o.iter_mut().enumerate() {
                let parts = weights.iter().zip(places.clone());
                let sum = parts
                    .fold(T::ZERO, |sum, (&weight, at)| sum + weight * self.o[at * columns + c]);
                *o = S::narrow(sum * factor);
            }
            if let Some(lse) = lse.get_mut(row) {
                *lse = log_sum_exp(m, l);
            }
        }
    }
}

/// `1 / l`; 0 for a row without keys.
pub(crate) fn reciprocal<T: Num>(l: T) -> T {
    if l > T::ZERO { T::ONE / l } else { T::ZERO }
}

/// `m + ln l`; -inf for a row without keys.
pub(crate) fn log_sum_exp<T: Num>(m: T, l: T) -> T {
    if l > T::ZERO { m + l.ln() } else { T::NEG_INFINITY }
}
