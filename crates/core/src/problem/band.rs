//! Which keys a batch's query rows admit by position: causal masking, windows and padding, without a mask.
//!
//! Row i admits the keys `lo(i) <= j < hi(i)`, with the diagonal `i + c`, Nk the valid keys, and either reach open:
//!
//! ```text
//! lo(i) = max(0, i + c - left)        hi(i) = min(Nk, i + c + right + 1)
//! ```
//!
//! Both rise by at most 1 from row to row, so the rows that admit a key are neighbours, `a <= i < z`, and the keys that some of
//! them admit are `lo(a) <= j < hi(z - 1)`. Sums over rows are arithmetic series: nothing here takes longer for more rows.

use std::ops::Range;

use super::Problem;
use crate::{Alignment, Window};

/// The keys that rows of one batch admit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    /// Rows.
    len_q: i128,
    /// Valid keys.
    keys: i128,
    /// `lo(i) = max(0, i + low)`; `None`: 0.
    low: Option<i128>,
    /// `hi(i) = min(Nk, i + high)`; `None`: Nk.
    high: Option<i128>,
}

/// What the rows of a batch admit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Pairs of row and key.
    pub(crate) pairs: u64,
    /// Rows that admit a key.
    pub(crate) rows: Range<usize>,
    /// Keys that a row admits.
    pub(crate) keys: Range<usize>,
}

impl Band {
    pub(super) fn new(problem: &Problem, b: usize) -> Self {
        let (spec, keys) = (problem.spec(), problem.keys(b));
        let alignment = spec.causal.or(spec.align).unwrap_or(Alignment::TopLeft);
        let diagonal = i128::from(alignment.offset(spec.shape.len_q, keys));
        let window = spec.window.unwrap_or(Window { left: None, right: None });
        let right = if spec.causal.is_some() { Some(0) } else { window.right };
        Band {
            len_q: spec.shape.len_q as i128,
            keys: keys as i128,
            low: window.left.map(|left| diagonal - i128::from(left)),
            high: right.map(|right| diagonal + i128::from(right) + 1),
        }
    }

    /// The keys of row i; an empty range where there are none.
    pub(super) fn row(self, i: usize) -> Range<usize> {
        let i = i as i128;
        let end = self.high.map_or(self.keys, |high| (i + high).clamp(0, self.keys));
        let start = self.low.map_or(0, |low| (i + low).clamp(0, end));
        start as usize..end as usize
    }

    /// What all rows admit.
    pub(crate) fn counted(self) -> Counted {
        let first = self.high.map_or(0, |high| 1 - high).max(0);
        let last = self.low.map_or(self.len_q, |low| self.keys - low).min(self.len_q);
        if self.keys == 0 || first >= last {
            return Counted { pairs: 0, rows: 0..0, keys: 0..0 };
        }
        // Rows from `full` on reach the last key, those before `cut` the first.
        let full = self.high.map_or(first, |high| (self.keys - high).clamp(first, last));
        let cut = self.low.map_or(last, |low| (-low).clamp(first, last));
        let ends = series(first, full) + (full - first) * self.high.unwrap_or(0);
        let ends = ends + (last - full) * self.keys;
        let starts = series(cut, last) + (last - cut) * self.low.unwrap_or(0);
        let rows = first as usize..last as usize;
        let keys = self.row(rows.start).start..self.row(rows.end - 1).end;
        let pairs = u64::try_from(ends - starts).expect("a problem has at most 2^40 scores");
        Counted { pairs, rows, keys }
    }
}

/// The sum of `i` for `from <= i < to`.
const fn series(from: i128, to: i128) -> i128 {
    (to - from) * (from + to - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_rows_together_are_what_each_admits(
            len_q in 1i128..12, keys in 0i128..12,
            low in prop::option::of(-15i128..15), width in prop::option::of(0i128..15),
        ) {
            // The upper end lies beyond the lower.
            let high = width.map(|width| low.unwrap_or(-5) + 1 + width);
            let band = Band { len_q, keys, low, high };
            let rows: Vec<Range<usize>> = (0..len_q as usize).map(|i| band.row(i)).collect();
            let read: Vec<usize> = (0..rows.len()).filter(|&i| !rows[i].is_empty()).collect();
            let keys: Vec<usize> =
                (0..keys as usize).filter(|j| rows.iter().any(|row| row.contains(j))).collect();
            let counted = band.counted();
            let pairs = rows.iter().map(|row| row.len() as u64).sum::<u64>();
            prop_assert_eq!(counted.pairs, pairs);
            prop_assert_eq!(counted.rows.collect::<Vec<_>>(), read);
            prop_assert_eq!(counted.keys.collect::<Vec<_>>(), keys);
        }
    }

    #[test]
    fn extreme_windows_do_not_overflow() {
        let (most, least) = (i128::from(u64::MAX), i128::from(i64::MIN));
        let all = Band { len_q: 1 << 40, keys: 1, low: Some(least - most), high: Some(most + 1) };
        assert_eq!(all.counted().pairs, 1 << 40);
        let none = Band { len_q: 1 << 40, keys: 1, low: Some(most), high: Some(most + 1) };
        assert_eq!(none.counted().pairs, 0);
    }
}
