//! Honest kernels of other arithmetics: what a checker of results that were computed elsewhere must not accuse.
//!
//! Scores are those of the honest tiled kernel, in the storage type or in f32 for the half types. What follows differs:
//!
//! | id | weights `p_j` and sums |
//! |---|---|
//! | `foreign/two-pass` | `exp(s - m)`, stored; l of the weights before they are stored |
//! | `foreign/stored-sum` | likewise; l of the weights as stored |
//! | `foreign/eager` | divided by l, then stored |
//! | `foreign/base-two` | `2^(s log2 e - m log2 e)`, stored |
//! | `foreign/lazy-maximum` | online; the maximum is replaced only by one that is larger by 8 in base 2, so that weights reach 256 |
//! | `foreign/flushed` | below the smallest normal number of the storage type: 0 |
//! | `foreign/blocked` | sums of 64 keys, added up |
//! | `foreign/split` | four parts of the keys, each with a maximum and sums of its own, merged by them |
//! | `foreign/reversed` | from the last key to the first |
//!
//! "Stored" is rounded to the storage type of the problem, as tensor cores and `bf16` dot products ask for.

use attn_core::DType;

use crate::compared::Number;

/// One of the kernels above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    TwoPass,
    StoredSum,
    Eager,
    BaseTwo,
    LazyMaximum,
    Flushed,
    Blocked,
    Split,
    Reversed,
}

/// Id, description and style.
pub(crate) const STYLES: &[(&str, &str, Style)] = &[
    ("foreign/two-pass", "weights as stored, their sum before that", Style::TwoPass),
    ("foreign/stored-sum", "weights as stored, and their sum", Style::StoredSum),
    ("foreign/eager", "weights divided by their sum, then stored", Style::Eager),
    ("foreign/base-two", "exponentials in base 2", Style::BaseTwo),
    ("foreign/lazy-maximum", "a maximum that is replaced late", Style::LazyMaximum),
    ("foreign/flushed", "subnormal weights are 0", Style::Flushed),
    ("foreign/blocked", "sums of 64 keys", Style::Blocked),
    ("foreign/split", "four parts of the keys, merged", Style::Split),
    ("foreign/reversed", "from the last key to the first", Style::Reversed),
];

/// Keys of a block.
const BLOCK: usize = 64;
/// Parts of a split.
const PARTS: usize = 4;
/// How much larger a new maximum must be: 8 in base 2.
const LATE: f64 = 8.0 * std::f64::consts::LN_2;

/// The admitted keys of a row: their scores, and their values in the rows of `v`.
pub(crate) struct Keys<'a, C> {
    /// Score and key, in order.
    pub(crate) scores: &'a [(f64, usize)],
    /// `[Nk, width]`.
    pub(crate) v: &'a [C],
    pub(crate) width: usize,
    pub(crate) sink: Option<f64>,
    pub(crate) storage: DType,
}

/// Maximum, sum of the weights and weighted sum of the values.
struct Sums<C> {
    m: f64,
    l: C,
    o: Vec<C>,
}

impl<C: Number> Keys<'_, C> {
    /// The output of the row and its log-sum-exp.
    pub(crate) fn attend(&self, style: Style) -> (Vec<C>, f64) {
        if self.scores.is_empty() && self.sink.is_none() {
            return (vec![C::of(0.0); self.width], f64::NEG_INFINITY);
        }
        let sums = match style {
            Style::LazyMaximum => self.lazy(),
            Style::Split => self.split(),
            Style::Blocked => self.blocked(),
            Style::Eager => return self.eager(),
            _ => {
                let mut keys = self.scores.to_vec();
                if style == Style::Reversed {
                    keys.reverse();
                }
                let mut sums = self.start(self.max(&keys));
                self.add(&mut sums, &keys, style);
                sums
            }
        };
        let lse = sums.m + sums.l.wide().ln();
        (sums.o.iter().map(|&o| o / sums.l).collect(), lse)
    }

    fn max(&self, keys: &[(f64, usize)]) -> f64 {
        let all = keys.iter().map(|(s, _)| *s).chain(self.sink);
        all.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Nothing but the sink.
    fn start(&self, m: f64) -> Sums<C> {
        let l = C::of(self.sink.map_or(0.0, |sink| weight::<C>(sink, m)));
        Sums { m, l, o: vec![C::of(0.0); self.width] }
    }

    fn stored(&self, p: f64) -> f64 {
        self.storage.round(p)
    }

    fn add(&self, sums: &mut Sums<C>, keys: &[(f64, usize)], style: Style) {
        for &(s, j) in keys {
            let p = match style {
                Style::BaseTwo => {
                    let of = |x: f64| C::of(C::of(x).wide() * std::f64::consts::LOG2_E).wide();
                    C::of(C::of(of(s) - of(sums.m)).wide().exp2()).wide()
                }
                _ => weight::<C>(s, sums.m),
            };
            let mut stored = self.stored(p);
            if style == Style::Flushed && stored < self.storage.min_positive() {
                stored = 0.0;
            }
            sums.l += C::of(if style == Style::StoredSum { stored } else { p });
            self.add_value(&mut sums.o, j, stored);
        }
    }

    fn add_value(&self, o: &mut [C], j: usize, weight: f64) {
        let weight = C::of(weight);
        for (o, &v) in o.iter_mut().zip(&self.v[j * self.width..][..self.width]) {
            *o += weight * v;
        }
    }

    fn eager(&self) -> (Vec<C>, f64) {
        let m = self.max(self.scores);
        let mut sums = self.start(m);
        for &(s, _) in self.scores {
            sums.l += C::of(weight::<C>(s, m));
        }
        for &(s, j) in self.scores {
            let p = C::of(weight::<C>(s, m)) / sums.l;
            self.add_value(&mut sums.o, j, self.stored(p.wide()));
        }
        (sums.o, m + sums.l.wide().ln())
    }

    fn lazy(&self) -> Sums<C> {
        let first = self.sink.unwrap_or_else(|| self.scores[0].0);
        let mut sums = self.start(first);
        for &(s, j) in self.scores {
            if s > sums.m + LATE {
                rescale(&mut sums, s);
            }
            self.add(&mut sums, &[(s, j)], Style::TwoPass);
        }
        sums
    }

    fn blocked(&self) -> Sums<C> {
        let mut sums = self.start(self.max(self.scores));
        for block in self.scores.chunks(BLOCK) {
            let mut part = Sums { m: sums.m, l: C::of(0.0), o: vec![C::of(0.0); self.width] };
            self.add(&mut part, block, Style::TwoPass);
            merge(&mut sums, &part, C::of(1.0));
        }
        sums
    }

    fn split(&self) -> Sums<C> {
        let mut sums = self.start(self.max(self.scores));
        for keys in self.scores.chunks(self.scores.len().div_ceil(PARTS).max(1)) {
            let m = keys.iter().map(|(s, _)| *s).fold(f64::NEG_INFINITY, f64::max);
            let mut part = Sums { m, l: C::of(0.0), o: vec![C::of(0.0); self.width] };
            self.add(&mut part, keys, Style::TwoPass);
            let factor = C::of(weight::<C>(m, sums.m));
            merge(&mut sums, &part, factor);
        }
        sums
    }
}

/// `exp(s - m)`, each step rounded.
fn weight<C: Number>(s: f64, m: f64) -> f64 {
    C::of(C::of(s - m).wide().exp()).wide()
}

fn rescale<C: Number>(sums: &mut Sums<C>, m: f64) {
    let factor = C::of(weight::<C>(sums.m, m));
    sums.m = m;
    sums.l *= factor;
    sums.o.iter_mut().for_each(|o| *o *= factor);
}

fn merge<C: Number>(sums: &mut Sums<C>, part: &Sums<C>, factor: C) {
    sums.l += part.l * factor;
    sums.o.iter_mut().zip(&part.o).for_each(|(sum, &o)| *sum += o * factor);
}
