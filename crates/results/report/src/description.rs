//! What the cells of a sweep have in common, for titles.

use attn_analysis::sweep::Sweep;
use attn_core::{ProblemSpec, ScoreKind};
use attn_record::Axis;

use crate::format::count;

/// `full attention, H = 1, D = 64, f32, 1 thread`.
pub(crate) fn description(sweep: &Sweep<'_>) -> String {
    let specs: Vec<&ProblemSpec> = sweep.records.iter().map(|r| &r.problem).collect();
    let mut parts = vec![match shared(&specs, |s| s.causal.is_some()) {
        Some(true) => "causal attention".to_owned(),
        Some(false) => "full attention".to_owned(),
        None => "attention".to_owned(),
    }];
    let score = shared(&specs, |s| s.score.kind()).filter(|&kind| kind != ScoreKind::ScaledDot);
    parts.extend(score.map(|kind| format!("{kind} score")));
    let batch = shared(&specs, |s| s.shape.batch).filter(|&b| b != 1);
    parts.extend(batch.map(|b| size("B", b, b)));
    let heads = shared(&specs, |s| (s.shape.heads_q, s.shape.heads_kv));
    parts.extend(heads.map(|(q, kv)| size("H", q, kv)));
    parts.extend(lengths(sweep.axis, &specs));
    let dims = shared(&specs, |s| (s.shape.dim, s.shape.dim_v));
    let dims = dims.filter(|_| sweep.axis == Axis::Len);
    parts.extend(dims.map(|(d, dv)| size("D", d, dv)));
    parts.push(sweep.dtype.to_string());
    parts.push(count(sweep.threads, "thread"));
    parts.join(", ")
}

/// Those lengths that do not vary: `N = 512`, `Nq = 1`.
fn lengths(axis: Axis, specs: &[&ProblemSpec]) -> Option<String> {
    let queries = shared(specs, |s| s.shape.len_q)?;
    let square = specs.iter().all(|s| s.shape.len_q == s.shape.len_k);
    let keys = shared(specs, |s| s.shape.len_k).filter(|_| axis == Axis::Dim);
    match keys {
        // Of a single point the length is on the axis already.
        None if square => None,
        None => Some(size("Nq", queries, queries)),
        Some(keys) if keys == queries => Some(size("N", keys, keys)),
        Some(keys) => Some(format!("N = {queries}x{keys}")),
    }
}

fn shared<T: PartialEq>(specs: &[&ProblemSpec], of: impl Fn(&ProblemSpec) -> T) -> Option<T> {
    let first = of(specs.first()?);
    specs.iter().all(|s| of(s) == first).then_some(first)
}

/// `H = 32/8`, or `H = 8` where both are the same.
fn size(name: &str, a: usize, b: usize) -> String {
    if a == b { format!("{name} = {a}") } else { format!("{name} = {a}/{b}") }
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::{refs, sweep};

    use super::*;

    #[test]
    fn descriptions_name_what_does_not_vary() {
        let records = sweep("sweep/seq-len/full", &["a"], &[64, 128]);
        let text = "full attention, H = 1, D = 64, f32, 1 thread";
        assert_eq!(description(&Sweep::all(&refs(&records))[0]), text);
    }
}
