//! Scale, softcap and the dot product.

use super::{Bug, EVERY, scale};
use crate::steps::{HONEST, Steps};

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/scale-missing",
        "q.k is not scaled",
        Steps { asked: |spec| spec.scale = Some(1.0), ..HONEST },
    ),
    (
        "mutant/scale-one-over-dim",
        "q.k is scaled by 1/D, not by 1/sqrt(D)",
        Steps {
            asked: |spec| {
                if spec.scale.is_none() {
                    spec.scale = Some(1.0 / spec.shape.dim as f64);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/scale-twice",
        "q.k is scaled twice",
        Steps { asked: |spec| spec.scale = Some(scale(spec).powi(2)), ..HONEST },
    ),
    (
        "mutant/scale-2-percent-off",
        "the scale is 2 % too large",
        Steps { asked: |spec| spec.scale = Some(1.02 * scale(spec)), ..HONEST },
    ),
    (
        "mutant/scale-of-value-width",
        "the default scale is 1/sqrt(Dv), not 1/sqrt(D)",
        Steps {
            asked: |spec| {
                if spec.scale.is_none() {
                    spec.scale = Some(1.0 / (spec.shape.dim_v as f64).sqrt());
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/scale-argument-ignored",
        "the scale is 1/sqrt(D) whatever was asked for",
        Steps { asked: |spec| spec.scale = None, ..HONEST },
    ),
    (
        "mutant/scale-split-by-root",
        "q and k are each scaled by the root of the scale: NaN if it is negative",
        Steps {
            score: |row, j, bias, raw| {
                let root = row.scale.sqrt();
                row.finish(j, bias, root * root * raw)
            },
            ..HONEST
        },
    ),
    (
        "mutant/softcap-ignored",
        "scores are not capped",
        Steps { asked: |spec| spec.softcap = None, ..HONEST },
    ),
    (
        "mutant/softcap-after-mask",
        "the softcap comes after bias and mask: a masked key has score -c",
        Steps {
            score: |row, j, bias, raw| row.cap(row.scale * raw - row.alibi(j) + bias),
            excluded: |row, _, _| row.cap(f64::NEG_INFINITY),
            visits: EVERY,
            ..HONEST
        },
    ),
    (
        "mutant/softcap-before-scale",
        "q.k is capped, then scaled",
        Steps {
            score: |row, j, bias, raw| row.scale * row.cap(raw) - row.alibi(j) + bias,
            ..HONEST
        },
    ),
    (
        "mutant/softcap-without-division",
        "c tanh(x) instead of c tanh(x / c)",
        Steps {
            score: |row, j, bias, raw| {
                let x = row.scale * raw;
                row.softcap.map_or(x, |c| c * x.tanh()) - row.alibi(j) + bias
            },
            ..HONEST
        },
    ),
    (
        "mutant/softcap-clips",
        "scores are clipped at c, not bent",
        Steps {
            score: |row, j, bias, raw| {
                let x = row.scale * raw;
                row.softcap.map_or(x, |c| x.clamp(-c, c)) - row.alibi(j) + bias
            },
            ..HONEST
        },
    ),
    (
        "mutant/dot-tail-dropped",
        "q.k stops at the last multiple of 8: the remainder of a vectorised loop is missing",
        Steps { depth: |dim| dim / 8 * 8, ..HONEST },
    ),
    (
        "mutant/mean-of-values",
        "q and k are ignored: every admitted key has the same weight",
        Steps { score: |_, _, _, _| 0.0, ..HONEST },
    ),
    ("mutant/zeros", "the result is 0", Steps { divide: |_, _, _| 0.0, ..HONEST }),
];
