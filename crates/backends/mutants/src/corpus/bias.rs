//! Masks and ALiBi.

use attn_core::{Data, Mask, Tensor};

use super::Bug;
use crate::parts::Parts;
use crate::steps::{HONEST, Steps};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/bias-dropped",
        "an additive mask is only looked at for -inf",
        Steps { score: |row, j, _, raw| row.finish(j, 0.0, row.scale * raw), ..HONEST },
    ),
    (
        "mutant/bias-scaled",
        "an additive mask is added before the scale",
        Steps { score: |row, j, bias, raw| row.finish(j, 0.0, row.scale * (raw + bias)), ..HONEST },
    ),
    (
        "mutant/bool-mask-inverted",
        "true masks the key",
        Steps {
            parts: |_, parts| {
                if let Some(Mask::Bool { admits, .. }) = &mut parts.mask {
                    *admits = admits.iter().map(|admits| !admits).collect();
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/bool-mask-added",
        "a boolean mask is converted to 0 and 1 and added",
        Steps { parts: |_, parts| add_booleans(parts), ..HONEST },
    ),
    (
        "mutant/mask-ignored",
        "the mask is not read",
        Steps { parts: |_, parts| parts.mask = None, ..HONEST },
    ),
    (
        "mutant/mask-batch-ignored",
        "every batch has the mask of the first",
        Steps { mask_at: |_, [_, h, i, j]| [0, h, i, j], ..HONEST },
    ),
    (
        "mutant/mask-head-ignored",
        "every head has the mask of the first",
        Steps { mask_at: |_, [b, _, i, j]| [b, 0, i, j], ..HONEST },
    ),
    (
        "mutant/mask-query-ignored",
        "every query has the mask of the first",
        Steps { mask_at: |_, [b, h, _, j]| [b, h, 0, j], ..HONEST },
    ),
    (
        "mutant/mask-transposed",
        "queries and keys of a square mask change places",
        Steps {
            mask_at: |[.., len_q, len_k], [b, h, i, j]| {
                if len_q == len_k { [b, h, j, i] } else { [b, h, i, j] }
            },
            ..HONEST
        },
    ),
    (
        "mutant/alibi-ignored",
        "the distance does not matter",
        Steps { parts: |_, parts| parts.slopes = None, ..HONEST },
    ),
    (
        "mutant/alibi-slope-of-next-head",
        "head h has the slope of head h + 1",
        Steps {
            parts: |_, parts| parts.slopes.iter_mut().for_each(|slopes| slopes.rotate_left(1)),
            ..HONEST
        },
    ),
    (
        "mutant/alibi-slope-of-group",
        "all query heads that share a key head share its slope",
        Steps {
            parts: |problem, parts| {
                let shape = problem.shape();
                let of_group = |slopes: &Vec<f64>| {
                    (0..shape.heads_q).map(|h| slopes[shape.kv_head(h)]).collect()
                };
                parts.slopes = parts.slopes.as_ref().map(of_group);
            },
            ..HONEST
        },
    ),
    (
        "mutant/alibi-sign",
        "distant keys are preferred",
        Steps {
            score: |row, j, bias, raw| row.cap(row.scale * raw) + row.alibi(j) + bias,
            ..HONEST
        },
    ),
    (
        "mutant/alibi-without-abs",
        "the distance of keys after the diagonal is negative",
        Steps {
            score: |row, j, bias, raw| {
                let distance = (row.diagonal - j as i64) as f64;
                row.cap(row.scale * raw) - row.slope.map_or(0.0, |slope| slope * distance) + bias
            },
            ..HONEST
        },
    ),
    (
        "mutant/alibi-from-row",
        "the distance is counted from key i, not from the diagonal",
        Steps {
            score: |row, j, bias, raw| {
                let distance = row.i.abs_diff(j) as f64;
                row.cap(row.scale * raw) - row.slope.map_or(0.0, |slope| slope * distance) + bias
            },
            ..HONEST
        },
    ),
    (
        "mutant/alibi-scaled",
        "ALiBi is added before the scale",
        Steps {
            score: |row, j, bias, raw| row.cap(row.scale * (raw - row.alibi(j))) + bias,
            ..HONEST
        },
    ),
    (
        "mutant/alibi-before-softcap",
        "ALiBi is capped together with q.k",
        Steps {
            score: |row, j, bias, raw| row.cap(row.scale * raw - row.alibi(j)) + bias,
            ..HONEST
        },
    ),
];

fn add_booleans(parts: &mut Parts) {
    if let Some(Mask::Bool { dims, admits }) = &parts.mask {
        let numbers = admits.iter().map(|&admits| f32::from(u8::from(admits))).collect();
        let tensor = Tensor::new(*dims, Data::F32(numbers));
        parts.mask = Some(Mask::Additive(tensor.expect("one number per boolean")));
    }
}
