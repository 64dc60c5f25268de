//! The kernel's steps, one function each; a mutant is [`HONEST`] with a step replaced.
//!
//! ```text
//! asked, parts                     the problem and the operands as they are read
//! place(b, h), weight_head(h)      which heads of q, k and v, and of the score's weights
//! q, k = projected(q W), ..        where the score has matrices
//! for every row i below rows(Nq):
//!   keys(b, i)                     admitted by position
//!   m, l = start(sink)
//!   for every key tile that visits(keys, tile):
//!     s_j  = score(q.k)            or score(w . hidden(q, k)), where mask and position admit the key, excluded(q.k) elsewhere
//!     m'   = next_max(m, peak(s))
//!     a, b = rescale(m, m')
//!     p_j  = exp(s_j - shift(m, m'))
//!     l    = a l + tile_start + p_0 + p_1 + ..                        add
//!     o    = carry(b o + weight(p_0) v_0 + weight(p_1) v_1 + ..)      keys that reads(p) only
//!   l, o   = total(l), divide(o, l)
//!   lse(m, l)
//! loads, computes, merge, round, stored      from call to call, and on the way out
//! ```
//!
//! Steps compute in f64; the kernel rounds their results to the type that it computes in.

use std::ops::Range;

use attn_core::{DType, Problem, ProblemSpec, Shape};

use crate::parts::{Parts, Stored};

/// Queries per tile.
pub(crate) const TILE_Q: usize = 16;
/// Keys per tile.
pub(crate) const TILE_K: usize = 32;

/// What all scores of one row have in common.
pub(crate) struct Row<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) b: usize,
    pub(crate) i: usize,
    pub(crate) scale: f64,
    pub(crate) softcap: Option<f64>,
    pub(crate) slope: Option<f64>,
    pub(crate) sink: Option<f64>,
    pub(crate) diagonal: i64,
}

impl Row<'_> {
    /// `c tanh(x / c)`.
    pub(crate) fn cap(&self, x: f64) -> f64 {
        self.softcap.map_or(x, |c| c * (x / c).tanh())
    }

    /// What ALiBi subtracts.
    pub(crate) fn alibi(&self, j: usize) -> f64 {
        self.slope.map_or(0.0, |slope| slope * (self.diagonal - j as i64).abs() as f64)
    }

    /// The final score from the scaled one.
    pub(crate) fn finish(&self, j: usize, bias: f64, scaled: f64) -> f64 {
        self.cap(scaled) - self.alibi(j) + bias
    }
}

/// Running maximum and sum of a row.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    pub(crate) m: f64,
    pub(crate) l: f64,
}

/// An exponential function.
pub(crate) type Exp = fn(f64) -> f64;
/// From all scores of a head, row after row, and the length of a row: one number per key.
pub(crate) type Columns = fn(&[f64], usize) -> Vec<f64>;

/// The steps; the module's head has them in order.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    /// What the kernel takes the problem to be.
    pub(crate) asked: fn(&mut ProblemSpec),
    /// How the kernel reads its operands.
    pub(crate) parts: fn(&Problem, &mut Parts),
    /// Positions among all heads of all batches of the query, key and value head.
    pub(crate) place: fn(&Shape, usize, usize) -> [usize; 3],
    /// The head of the score's weights that a query head uses, where each has its own.
    pub(crate) weight_head: fn(&Shape, usize) -> usize,
    /// An element of a projected query or key.
    pub(crate) projected: fn(f64) -> f64,
    /// A hidden unit of an additive score, from query and key.
    pub(crate) hidden: fn(f64, f64) -> f64,
    /// How many of the query rows are computed.
    pub(crate) rows: fn(usize) -> usize,
    /// The keys that a row admits by position; keys beyond the last are zeros.
    pub(crate) keys: fn(&Problem, usize, usize) -> Range<usize>,
    /// Whether a tile of keys is processed for a row that admits `keys`.
    pub(crate) visits: fn(&Range<usize>, usize) -> bool,
    /// Where in a mask of the given dimensions `[b, h, i, j]` is looked up.
    pub(crate) mask_at: fn([usize; 4], [usize; 4]) -> [usize; 4],
    /// How many of the D, Dk or A products of a score are summed.
    pub(crate) depth: fn(usize) -> usize,
    /// The final score of key j from its bias and the raw score.
    pub(crate) score: fn(&Row<'_>, usize, f64, f64) -> f64,
    /// The final score of a key j that is not admitted, from q.k.
    pub(crate) excluded: fn(&Row<'_>, usize, f64) -> f64,
    /// What is subtracted from the scores of each key, from all scores of a head.
    pub(crate) columns: Option<Columns>,
    /// m and l before the first key.
    pub(crate) start: fn(Option<f64>) -> Sums,
    /// The maximum of a tile's scores.
    pub(crate) peak: fn(&Problem, &[f64]) -> f64,
    /// The running maximum after a tile.
    pub(crate) next_max: fn(f64, f64) -> f64,
    /// What is subtracted in the exponent, from the maximum before and after.
    pub(crate) shift: fn(f64, f64) -> f64,
    /// Factors on l and o, from exp and the maximum before and after.
    pub(crate) rescale: fn(Exp, f64, f64) -> [f64; 2],
    /// The exponential.
    pub(crate) exp: Exp,
    /// l of a tile before its first key, from the sink and the shift.
    pub(crate) tile_start: fn(Option<f64>, f64) -> f64,
    /// One more weight in the sum.
    pub(crate) add: fn(f64, f64) -> f64,
    /// The weight as it multiplies v, and whether the key is admitted.
    pub(crate) weight: fn(f64, bool) -> f64,
    /// Whether the value of a key of this weight is read at all.
    pub(crate) reads: fn(f64) -> bool,
    /// What becomes of the accumulator o between tiles.
    pub(crate) carry: Option<fn(DType, f64) -> f64>,
    /// l after the last key.
    pub(crate) total: fn(Sums, Option<f64>) -> f64,
    /// The result of a row.
    pub(crate) divide: fn(&Row<'_>, f64, Sums) -> f64,
    /// How many of the Dv columns are computed.
    pub(crate) width: fn(usize) -> usize,
    /// The log-sum-exp of a row.
    pub(crate) lse: fn(Sums, Option<f64>) -> f64,
    /// Whether the n-th `load` takes effect.
    pub(crate) loads: fn(u64) -> bool,
    /// Whether the n-th call computes.
    pub(crate) computes: fn(u64) -> bool,
    /// The result from the last call's and this one's.
    pub(crate) merge: fn(f64, f64) -> f64,
    /// The result before it is rounded to its storage type.
    pub(crate) round: fn(DType, f64) -> f64,
    /// What is written to the output.
    pub(crate) stored: fn(&Shape, &mut Stored),
}

/// Every step right.
pub(crate) const HONEST: Steps = Steps {
    asked: |_| {},
    parts: |_, _| {},
    place: |shape, b, h| {
        let kv = b * shape.heads_kv + shape.kv_head(h);
        [b * shape.heads_q + h, kv, kv]
    },
    weight_head: |_, h| h,
    projected: |x| x,
    hidden: |q, k| (q + k).tanh(),
    rows: |len_q| len_q,
    keys: Problem::admitted,
    visits: |keys, tile| tile * TILE_K < keys.end && keys.start < (tile + 1) * TILE_K,
    mask_at: |_, at| at,
    depth: |dim| dim,
    score: |row, j, bias, raw| row.finish(j, bias, row.scale * raw),
    excluded: |_, _, _| f64::NEG_INFINITY,
    columns: None,
    start: |sink| Sums {
        m: sink.unwrap_or(f64::NEG_INFINITY),
        l: if sink.is_some() { 1.0 } else { 0.0 },
    },
    peak: |_, scores| largest(scores),
    next_max: f64::max,
    shift: |_, next| next,
    rescale: |exp, m, next| [exp(m - next); 2],
    exp: f64::exp,
    tile_start: |_, _| 0.0,
    add: |l, p| l + p,
    weight: |p, _| p,
    reads: |p| p != 0.0,
    carry: None,
    total: |sums, _| sums.l,
    divide: |_, o, sums| if sums.l == 0.0 { 0.0 } else { o / sums.l },
    width: |dim_v| dim_v,
    lse: |sums, _| if sums.l == 0.0 { f64::NEG_INFINITY } else { sums.m + sums.l.ln() },
    loads: |_| true,
    computes: |_| true,
    merge: |_, new| new,
    round: |_, o| o,
    stored: |_, _| {},
};

/// The largest number that is not NaN.
pub(crate) fn largest(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
