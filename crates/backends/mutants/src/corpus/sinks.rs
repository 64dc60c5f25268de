//! Sinks and the log-sum-exp.

use super::{Bug, EVERY};
use crate::steps::{HONEST, Steps, Sums};

/// A softmax that begins without the sink.
const WITHOUT: fn(Option<f64>) -> Sums = |_| Sums { m: f64::NEG_INFINITY, l: 0.0 };

pub(super) const BUGS: &[Bug] = &[
    (
        "mutant/sink-ignored",
        "the sink takes no part",
        Steps { parts: |_, parts| parts.sinks = None, ..HONEST },
    ),
    (
        "mutant/sink-scaled",
        "the sink is scaled like q.k",
        Steps {
            parts: |problem, parts| {
                let scale = problem.scale();
                parts.sinks.iter_mut().flatten().for_each(|sink| *sink *= scale);
            },
            ..HONEST
        },
    ),
    (
        "mutant/sink-of-head-0",
        "every head has the sink of the first",
        Steps {
            parts: |_, parts| {
                if let Some(sinks) = &mut parts.sinks {
                    let first = sinks[0];
                    sinks.fill(first);
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/sink-per-tile",
        "the sink is added with every tile of keys",
        Steps {
            start: WITHOUT,
            tile_start: |sink, shift| sink.map_or(0.0, |sink| (sink - shift).exp()),
            ..HONEST
        },
    ),
    (
        "mutant/sink-without-maximum",
        "exp(sink) is added to a sum that is relative to the maximum",
        Steps { start: WITHOUT, total: |sums, sink| sums.l + sink.map_or(0.0, f64::exp), ..HONEST },
    ),
    (
        "mutant/sink-takes-first-value",
        "the sink's weight goes to the first value",
        Steps {
            start: WITHOUT,
            score: |row, j, bias, raw| {
                let s = row.finish(j, bias, row.scale * raw);
                match row.sink {
                    Some(sink) if j == 0 => s.max(sink) + (-(s - sink).abs()).exp().ln_1p(),
                    _ => s,
                }
            },
            ..HONEST
        },
    ),
    (
        "mutant/lse-without-maximum",
        "the log-sum-exp is ln l",
        Steps { lse: |sums, _| sums.l.ln(), ..HONEST },
    ),
    (
        "mutant/lse-base-2",
        "the log-sum-exp is in base 2",
        Steps { lse: |sums, sink| (HONEST.lse)(sums, sink) * std::f64::consts::LOG2_E, ..HONEST },
    ),
    (
        "mutant/lse-without-sink",
        "the log-sum-exp leaves the sink out",
        Steps {
            lse: |sums, sink| {
                let l = sums.l - sink.map_or(0.0, |sink| (sink - sums.m).exp());
                (HONEST.lse)(Sums { l: l.max(0.0), ..sums }, sink)
            },
            ..HONEST
        },
    ),
    (
        "mutant/lse-of-masked-keys",
        "the log-sum-exp of a row without keys is that of the masked scores, not -inf",
        Steps {
            lse: |sums, _| if sums.l == 0.0 { f64::from(f32::MIN) } else { sums.m + sums.l.ln() },
            visits: EVERY,
            ..HONEST
        },
    ),
];
