//! Which head, which batch, which layout.

use attn_core::Shape;

use super::Bug;
use crate::steps::{HONEST, Steps};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/kv-head-modulo",
        "query head h reads key head h mod Hkv, not h / (Hq / Hkv)",
        Steps { place: |shape, b, h| at(shape, b, h, h % shape.heads_kv), ..HONEST },
    ),
    (
        "mutant/kv-head-divisor",
        "query head h reads key head h / Hkv",
        Steps {
            place: |shape, b, h| at(shape, b, h, (h / shape.heads_kv).min(shape.heads_kv - 1)),
            ..HONEST
        },
    ),
    (
        "mutant/kv-head-0",
        "every query head reads the first key head",
        Steps { place: |shape, b, h| at(shape, b, h, 0), ..HONEST },
    ),
    (
        "mutant/kv-head-rounded-up",
        "groups of query heads begin one head too early",
        Steps {
            place: |shape, b, h| {
                let next = (h + 1) / shape.group();
                at(shape, b, h, next.min(shape.heads_kv - 1))
            },
            ..HONEST
        },
    ),
    (
        "mutant/value-head-0",
        "every query head reads the values of the first key head",
        Steps {
            place: |shape, b, h| {
                let [q, k, _] = (HONEST.place)(shape, b, h);
                [q, k, b * shape.heads_kv]
            },
            ..HONEST
        },
    ),
    (
        "mutant/query-head-0",
        "right for head 0: every head has the queries of the first",
        Steps {
            place: |shape, b, h| {
                let [_, k, v] = (HONEST.place)(shape, b, h);
                [b * shape.heads_q, k, v]
            },
            ..HONEST
        },
    ),
    (
        "mutant/batch-stride-0",
        "every batch reads the keys and values of the first",
        Steps {
            place: |shape, b, h| {
                let [q, ..] = (HONEST.place)(shape, b, h);
                let [_, k, v] = (HONEST.place)(shape, 0, h);
                [q, k, v]
            },
            ..HONEST
        },
    ),
    (
        "mutant/query-batch-stride-0",
        "every batch has the queries of the first",
        Steps {
            place: |shape, b, h| {
                let [_, k, v] = (HONEST.place)(shape, b, h);
                [h, k, v]
            },
            ..HONEST
        },
    ),
    (
        "mutant/batch-stride-of-queries",
        "batches of k and v are Hq heads apart, not Hkv",
        Steps {
            place: |shape, b, h| {
                let heads = shape.batch * shape.heads_kv;
                let kv = (b * shape.heads_q + shape.kv_head(h)) % heads;
                [b * shape.heads_q + h, kv, kv]
            },
            ..HONEST
        },
    ),
    (
        "mutant/keys-and-values-swapped",
        "k is read as v and v as k, where they have the same shape",
        Steps {
            parts: |problem, parts| {
                if problem.shape().dim_k() == problem.shape().dim_v {
                    std::mem::swap(&mut parts.k, &mut parts.v);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/keys-transposed",
        "k is read as [D, Nk]",
        Steps {
            parts: |problem, parts| {
                let shape = problem.shape();
                parts.k = transposed(&parts.k, shape.len_k, shape.dim_k());
            },
            ..HONEST
        },
    ),
    (
        "mutant/values-transposed",
        "v is read as [Dv, Nk]",
        Steps {
            parts: |problem, parts| {
                let shape = problem.shape();
                parts.v = transposed(&parts.v, shape.len_k, shape.dim_v);
            },
            ..HONEST
        },
    ),
    (
        "mutant/output-transposed",
        "the result is written as [B, Nq, Hq, Dv]",
        Steps {
            stored: |shape, stored| {
                let [_, heads, len, width] = shape.out();
                let right = stored.o.clone();
                for (from, values) in right.chunks_exact(width).enumerate() {
                    let (b, h, i) = (from / len / heads, from / len % heads, from % len);
                    let to = (b * len + i) * heads + h;
                    stored.o[to * width..][..width].copy_from_slice(values);
                }
            },
            ..HONEST
        },
    ),
];

/// Positions of query head `h` and of key and value head `kv`.
fn at(shape: &Shape, b: usize, h: usize, kv: usize) -> [usize; 3] {
    let kv = b * shape.heads_kv + kv;
    [b * shape.heads_q + h, kv, kv]
}

/// Every head, `[rows, width]` in memory, as it looks if it is taken for `[width, rows]`.
pub(super) fn transposed(x: &[f64], rows: usize, width: usize) -> Vec<f64> {
    let read = |head: &[f64], at: usize| head[at % width * rows + at / width];
    let heads = x.chunks_exact(rows * width);
    heads.flat_map(|head| (0..rows * width).map(|at| read(head, at)).collect::<Vec<_>>()).collect()
}
