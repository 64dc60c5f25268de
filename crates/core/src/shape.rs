//! Sizes of one attention problem.

use serde::{Deserialize, Serialize};

/// Sizes, all at least 1: q is `[batch, heads_q, len_q, dim]`, k `[batch, heads_kv, len_k, dim_k]`,
/// v `[batch, heads_kv, len_k, dim_v]` and the output `[batch, heads_q, len_q, dim_v]`.
///
/// `heads_kv` divides `heads_q`: equal is multi-head, 1 is multi-query, between them
/// grouped-query attention. `len_q != len_k` is cross attention or decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Independent sequences, B.
    pub batch: usize,
    /// Query heads, Hq.
    pub heads_q: usize,
    /// Key and value heads, Hkv.
    pub heads_kv: usize,
    /// Query rows, Nq.
    pub len_q: usize,
    /// Key and value rows, Nk.
    pub len_k: usize,
    /// Width of queries, D, and of keys unless they have their own.
    pub dim: usize,
    /// Width of keys, Dk, where it is not that of queries: general and additive scores only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dim_k: Option<usize>,
    /// Width of values and of the output, Dv.
    pub dim_v: usize,
}

impl Shape {
    /// Self-attention of `heads` heads over `len` tokens with head dimension `dim`, one sequence.
    pub const fn square(heads: usize, len: usize, dim: usize) -> Self {
        Shape {
            batch: 1,
            heads_q: heads,
            heads_kv: heads,
            len_q: len,
            len_k: len,
            dim,
            dim_k: None,
            dim_v: dim,
        }
    }

    /// Width of keys, Dk.
    pub const fn dim_k(&self) -> usize {
        match self.dim_k {
            Some(dim_k) => dim_k,
            None => self.dim,
        }
    }

    /// Dimensions of q.
    pub const fn q(&self) -> [usize; 4] {
        [self.batch, self.heads_q, self.len_q, self.dim]
    }

    /// Dimensions of k.
    pub const fn k(&self) -> [usize; 4] {
        [self.batch, self.heads_kv, self.len_k, self.dim_k()]
    }

    /// Dimensions of v.
    pub const fn v(&self) -> [usize; 4] {
        [self.batch, self.heads_kv, self.len_k, self.dim_v]
    }

    /// Dimensions of the output.
    pub const fn out(&self) -> [usize; 4] {
        [self.batch, self.heads_q, self.len_q, self.dim_v]
    }

    /// Dimensions of the score matrix.
    pub const fn scores(&self) -> [usize; 4] {
        [self.batch, self.heads_q, self.len_q, self.len_k]
    }

    /// Query heads that share one key/value head.
    pub const fn group(&self) -> usize {
        self.heads_q / self.heads_kv
    }

    /// The key/value head that query head `h` reads.
    pub const fn kv_head(&self, h: usize) -> usize {
        h / self.group()
    }

    /// The named sizes, in the order in which they are declared.
    pub(crate) const fn named(&self) -> [(&'static str, usize); 8] {
        [
            ("batch", self.batch),
            ("heads_q", self.heads_q),
            ("heads_kv", self.heads_kv),
            ("len_q", self.len_q),
            ("len_k", self.len_k),
            ("dim", self.dim),
            ("dim_k", self.dim_k()),
            ("dim_v", self.dim_v),
        ]
    }
}

impl std::fmt::Display for Shape {
    /// `B1 H12 N128 D64`, or with the parts that differ: `B1 H32/8 N1x4096 D64/128 Dk48`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pair = |a: usize, b: usize, by: char| {
            if a == b { a.to_string() } else { format!("{a}{by}{b}") }
        };
        write!(
            f,
            "B{} H{} N{} D{}",
            self.batch,
            pair(self.heads_q, self.heads_kv, '/'),
            pair(self.len_q, self.len_k, 'x'),
            pair(self.dim, self.dim_v, '/')
        )?;
        self.dim_k.map_or(Ok(()), |dim_k| write!(f, " Dk{dim_k}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_heads_share_kv_heads_in_consecutive_groups() {
        let shape = Shape { heads_q: 6, heads_kv: 2, ..Shape::square(1, 4, 8) };
        let heads: Vec<_> = (0..6).map(|h| shape.kv_head(h)).collect();
        assert_eq!(heads, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn displays_only_what_differs() {
        assert_eq!(Shape::square(12, 128, 64).to_string(), "B1 H12 N128 D64");
        let decode = Shape { heads_kv: 8, len_q: 1, dim_v: 32, ..Shape::square(32, 4096, 64) };
        assert_eq!(decode.to_string(), "B1 H32/8 N1x4096 D64/32");
        let keys = Shape { dim_k: Some(48), ..Shape::square(1, 2, 64) };
        assert_eq!((keys.to_string().as_str(), keys.k()), ("B1 H1 N2 D64 Dk48", [1, 1, 2, 48]));
    }
}
