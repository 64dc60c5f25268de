//! What problems have that a kernel may not have been made for, in words.

use attn_core::{ProblemSpec, ScoreKind};
use attn_record::{Outcome, Record};

use attn_analysis::rows::{grouped, reason};

/// For each backend with wrong results how many they are, what they have in common, and the first of them: `faer: 12 of 80
/// wrong, all of them causal, and none of the right ones; first ...`.
pub(crate) fn wrong_by_backend(records: &[&Record]) -> Vec<String> {
    let ended = |outcome| -> Vec<&Record> {
        records.iter().filter(|r| r.outcome == outcome).copied().collect()
    };
    let (wrong, right) = (ended(Outcome::Disagrees), ended(Outcome::Ok));
    let of_backend = grouped(&wrong, |r| r.backend.as_str()).into_iter();
    let lines = of_backend.map(|(backend, wrong)| {
        let right: Vec<&Record> = right.iter().filter(|r| r.backend == backend).copied().collect();
        format!(
            "{backend}: {} of {} wrong{}; first {}: {}",
            wrong.len(),
            wrong.len() + right.len(),
            in_common(&wrong, &right),
            wrong[0].case,
            reason(wrong[0])
        )
    });
    lines.collect()
}

/// What all of the `failed` cells have and none, or at least not all, of the others: `, all of them causal, and none of the right ones`.
/// Nothing if there is nothing of the kind.
fn in_common(failed: &[&Record], right: &[&Record]) -> String {
    let (of_failed, of_right): (Vec<_>, Vec<_>) =
        (failed.iter().map(|r| features(r)).collect(), right.iter().map(|r| features(r)).collect());
    let Some((first, rest)) = of_failed.split_first() else {
        return String::new();
    };
    let shared = || first.iter().filter(|feature| rest.iter().all(|of| of.contains(feature)));
    let listed = |features: Vec<&String>| {
        features.iter().map(|feature| feature.as_str()).collect::<Vec<_>>().join(", ")
    };
    let alone = shared().filter(|feature| of_right.iter().all(|of| !of.contains(feature)));
    let alone: Vec<&String> = alone.collect();
    if !alone.is_empty() && !of_right.is_empty() {
        return format!(", all of them {}, and none of the right ones", listed(alone));
    }
    let most = shared().filter(|feature| of_right.iter().any(|of| !of.contains(feature)));
    let most: Vec<&String> = most.collect();
    if most.is_empty() { String::new() } else { format!(", all of them {}", listed(most)) }
}

/// What the problem of a cell has, as adjectives.
fn features(record: &Record) -> Vec<String> {
    let ProblemSpec { shape, dtype, score, causal, window, softcap, mask, kv_len, .. } =
        &record.problem;
    let said = [
        (causal.is_some(), "causal".into()),
        (window.is_some(), "windowed".into()),
        (softcap.is_some(), "soft-capped".into()),
        (mask.is_some(), "masked".into()),
        (kv_len.is_some(), "with padded keys".into()),
        (record.problem.alibi, "with ALiBi".into()),
        (record.problem.sinks, "with sinks".into()),
        (record.problem.lse, "with a log-sum-exp".into()),
        (record.problem.scale.is_some(), "with a scale of their own".into()),
        (score.kind() != ScoreKind::ScaledDot, format!("with {} scores", score.kind())),
        (shape.heads_q != shape.heads_kv, "of grouped heads".into()),
        (shape.len_q == 1, "decoding".into()),
        (shape.len_q > shape.len_k, "with more queries than keys".into()),
        (1 < shape.len_q && shape.len_q < shape.len_k, "with more keys than queries".into()),
        (shape.dim != shape.dim_v, "with Dv other than D".into()),
        (!shape.dim.is_multiple_of(8), "with D no multiple of 8".into()),
        (shape.batch > 1, "of several batches".into()),
        (record.threads > 1, "on several threads".into()),
        (true, format!("in {dtype}")),
    ];
    said.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture::checked;
    use attn_core::{Alignment, DType};

    use super::*;

    #[test]
    fn what_failures_share_is_what_the_others_lack() {
        let with = |causal: bool, dtype: DType| {
            let mut record = checked("g/1", "a", 0.1);
            record.problem.causal = causal.then_some(Alignment::TopLeft);
            record.problem.dtype = dtype;
            record
        };
        let failed = [with(true, DType::F32), with(true, DType::F16)];
        let failed: Vec<&Record> = failed.iter().collect();
        let right = [with(false, DType::F32), with(true, DType::BF16)];
        let found = |right: &[&Record]| in_common(&failed, right);
        assert_eq!(found(&[&right[0]]), ", all of them causal, and none of the right ones");
        assert_eq!(found(&[&right[0], &right[1]]), ", all of them causal");
        assert_eq!(found(&[&right[1]]), "");
        assert_eq!(found(&[]), "", "without a right one nothing can be told");
        assert_eq!(in_common(&[], &[&right[0]]), "");
    }
}
